"""Artifacts of a project folder that was moved or copied: their addresses in MLflow's database are absolute.

MLflow has no call that changes them, so they are rewritten in its tables. A test compares the columns named
here with all that MLflow writes.
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

    ``artifacts`` is the folder of artifacts as in the settings; an absolute one stays where it is.
    """
    if Path(artifacts).is_absolute():
        return
    new = f"{project.as_uri()}/"
    with closing(sqlite3.connect(database, timeout=60)) as store, store:
        rows = store.execute("SELECT name, artifact_location FROM experiments").fetchall()
        projects = {_project_of(location, f"{artifacts}/{name}") for name, location in rows}
        for old in filter(None, projects - {new}):
            for table, column in ADDRESSES:
                rest, start = f"substr({column}, ?)", f"substr({column}, 1, ?)"
                query = f"UPDATE {table} SET {column} = ? || {rest} WHERE {start} = ?"
                store.execute(query, (new, len(old) + 1, len(old), old))


def _project_of(location: str, below: str) -> str | None:
    """The address, with a slash at its end, of the folder in which ``location`` lies at ``below``."""
    end = Path("/", below).as_uri().removeprefix("file:///")
    return (
        location.removesuffix(end)
        if location.startswith("file:///") and location.endswith(f"/{end}")
        else None
    )
