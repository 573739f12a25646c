"""Tasks of stage extract."""

from pathlib import Path

import pandas as pd
from prefect import task
from prefect.cache_policies import NO_CACHE

from mfer_core.base.manifest import summarise
from mfer_core.base.paths import DataPaths
from mfer_core.base.settings import Extract
from mfer_core.cache.shards import Shard, partition
from mfer_core.media import extract
from tasks.runner import run_side_by_side


@task(task_run_name="shard {shard.name}", cache_policy=NO_CACHE)
def extract_shard(
    shard: Shard, manifest: pd.DataFrame, raw: Path, folder: Path, settings: Extract, workers: int
) -> dict:
    """Extract one shard's clips; returns counts."""
    return extract.extract_shard(shard, manifest, raw, folder, settings, workers)


def extract_shards(
    corpus: str,
    manifest: pd.DataFrame,
    raw: Path,
    paths: DataPaths,
    settings: Extract,
    shard_clips: int,
    workers: int,
    runner: str,
) -> list[Shard]:
    """Extract all shards of a corpus, side by side where ``runner`` says."""
    shards = partition(extract.extract_keys(manifest, settings), shard_clips)
    common = {"raw": raw, "folder": paths.extract(corpus), "settings": settings, "workers": workers}
    rows = manifest.set_index(
        "clip_id", drop=False
    )  # A search through all clips for each shard is quadratic.
    calls = [common | {"shard": shard, "manifest": rows.loc[[*shard.keys]]} for shard in shards]
    for _ in run_side_by_side(extract_shard, calls, runner, "threads", workers, f"extract {corpus}"):
        pass
    return shards


@task(cache_policy=NO_CACHE)
def account_for(
    corpus: str, shards: list[Shard], manifest: pd.DataFrame, paths: DataPaths, settings: Extract
) -> str:
    """Write the rejects; returns the line that accounts for every clip."""
    accepted, rejects = extract.finish_extract(shards, manifest, paths, corpus)
    rejects_path = paths.extract_rejects(corpus)
    return summarise(corpus, "extract", accepted, rejects, settings.rejects_limit, rejects_path)
