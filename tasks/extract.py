"""Tasks of stage extract."""

from pathlib import Path

import pandas as pd
from prefect import task
from prefect.cache_policies import NO_CACHE

from mfer_core.base.manifest import summarise
from mfer_core.base.settings import Extract
from mfer_core.cache.shards import Shard, partition
from mfer_core.media import extract
from tasks.runner import run_side_by_side


@task(task_run_name="shard {shard.name}", cache_policy=NO_CACHE)
def extract_shard(
    shard: Shard,
    manifest: pd.DataFrame,
    raw: Path,
    out: Path,
    corpus: str,
    settings: Extract,
    workers: int,
) -> dict:
    """One shard's frames, waveforms and account; returns counts."""
    return extract.extract_shard(shard, manifest, raw, out, corpus, settings, workers)


def extract_shards(
    corpus: str,
    manifest: pd.DataFrame,
    raw: Path,
    out: Path,
    settings: Extract,
    workers: int,
    runner: str,
) -> list[Shard]:
    """Extract all shards of a corpus, side by side where ``runner`` says."""
    shards = partition(extract.extract_keys(manifest, settings), settings.shard_clips)
    calls = [
        {
            "shard": shard,
            "manifest": manifest[manifest.clip_id.isin(shard.keys)],
            "raw": raw,
            "out": out,
            "corpus": corpus,
            "settings": settings,
            "workers": workers,
        }
        for shard in shards
    ]
    for _ in run_side_by_side(extract_shard, calls, runner, "threads", workers, f"extract {corpus}"):
        pass
    return shards


@task(cache_policy=NO_CACHE)
def account_for(
    corpus: str, shards: list[Shard], manifest: pd.DataFrame, out: Path, settings: Extract
) -> str:
    """Write the rejects; returns the line that accounts for every clip."""
    accepted, rejects = extract.finish_extract(shards, manifest, out, corpus)
    return summarise(
        corpus,
        "extract",
        accepted,
        rejects,
        settings.rejects_limit,
        out / "clips" / corpus / "rejects.parquet",
    )
