"""Tasks of the stages that describe the pool of pretraining corpora."""

from collections.abc import Collection, Mapping
from pathlib import Path

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE

from mfer_core.base.files import write_json
from mfer_core.base.settings import Settings
from mfer_core.cache.pool import describe_pool, remove_others


@task(cache_policy=NO_CACHE)
def clear_others(folder: Path, names: Collection[str]) -> None:
    """Remove the folders and files of corpora that are no longer in the settings."""
    if gone := remove_others(folder, names):
        get_run_logger().info(f"removed from {folder}: {', '.join(gone)}, no longer in params.yaml")


@task(cache_policy=NO_CACHE)
def pool_corpora(folders: Mapping[str, list[Path]], settings: Settings, out: Path) -> None:
    """Write the hash of each corpus's folders."""
    write_json(out, describe_pool(settings.corpora, folders))
