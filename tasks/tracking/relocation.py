"""A project folder that was moved or copied: MLflow's database names artifacts by absolute addresses, which move with it.

MLflow has no call that changes them, so they are rewritten in its tables. A test compares the list of columns with all that
MLflow writes.
"""

import sqlite3
from contextlib import closing
from pathlib import Path

ADDRESSES = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "storage_location"),
)


def relocate(database: Path, project: Path, artifacts: str) -> None:
    """Let artifact addresses of former folders of the project point to ``project``, which holds the database.

    ``artifacts`` is the folder of artifacts as in the settings; an absolute one does not move with the project.
    """
    if Path(artifacts).is_absolute():
        return
    new = f"{project.as_uri()}/"
    with closing(sqlite3.connect(database, timeout=60)) as store, store:
        rows = store.execute("SELECT name, artifact_location FROM experiments").fetchall()
        former = {_project_of(location, f"{artifacts}/{name}") for name, location in rows} - {None, new}
        for old in former:
            for table, column in ADDRESSES:
                store.execute(
                    f"UPDATE {table} SET {column} = ? || substr({column}, ?) WHERE substr({column}, 1, ?) = ?",
                    (new, len(old) + 1, len(old), old),
                )


def _project_of(location: str, below: str) -> str | None:
    """The address of the project folder, with a slash at its end, in which ``location`` lies at the path ``below``."""
    end = Path("/", below).as_uri().removeprefix("file:///")
    return (
        location.removesuffix(end)
        if location.startswith("file:///") and location.endswith(f"/{end}")
        else None
    )
