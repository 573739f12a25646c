"""The command clean: remove what no present result needs, or say what that would be."""

from typing import Annotated

import typer


def clean(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only say what would be freed")] = False,
) -> None:
    """Remove what no present result needs: old objects of DVC's cache, folders that no setting names, what
    killed runs left, deleted runs of MLflow, and model versions without an alias.
    """
    from flows.pipeline import let_dvc_do_without_git
    from mfer_core.base.paths import DataPaths
    from mfer_core.base.settings import load_settings
    from tasks.cleaning import check_idle, removables
    from tasks.dvc_locks import forget_the_dead
    from tasks.tracking.cleaning import collect, removables_in_mlflow

    data, settings = DataPaths(), load_settings()
    check_idle()
    let_dvc_do_without_git()
    forget_the_dead()
    tracked = list(removables_in_mlflow(data, settings))
    listed = [*removables(data, settings), *tracked]
    for one in listed:
        print(f"{one.size / 1e6:10.1f} MB  {one.what}")
        if not dry_run:
            one.remove()
    if tracked and not dry_run:
        collect(settings)
    total = f"{sum(one.size for one in listed) / 1e6:.1f} MB"
    print(f"{total} {'would be' if dry_run else 'are'} freed" if listed else "nothing to clean")
