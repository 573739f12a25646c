"""Prefect artifacts: the keys of all stages' artifacts, and the table of rejects that accounts for every
file; and the folder of a stage that the settings leave nothing to do.
"""

import re
import shutil
from pathlib import Path

from prefect import get_run_logger, task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE

from mfer_core.base.files import atomic_path, digest, read_table

_REFUSED = re.compile(r"[^a-z0-9]+")  # Prefect takes lower-case ASCII letters, digits and hyphens


def artifact_key(*words: str) -> str:
    """A key that Prefect takes for an artifact, such as "extract-crema-d-rejects". Different words give
    different keys.

    Words that lose more than their case, blanks and underscores ("emo.db", "آمال") get a digest at the end.
    """
    text = "-".join(words).lower()
    key = _REFUSED.sub("-", text).strip("-")
    return key if key == re.sub(r"[_ ]", "-", text) else f"{key}-{digest(text)[:6]}".strip("-")


@task(cache_policy=NO_CACHE)
def begin_output(folder: Path, nothing_because: str | None) -> bool:
    """Whether a stage has something to do. With a reason why not, that goes into the log and is all that the
    stage's folder then holds.
    """
    note = folder / "README.md"
    note.unlink(missing_ok=True)
    if nothing_because is None:
        return True
    shutil.rmtree(folder, ignore_errors=True)
    line = f"nothing to do in {folder.name}: {nothing_because}"
    get_run_logger().info(line)
    with atomic_path(note) as temporary:
        temporary.write_text(f"{line}\n", encoding="utf-8")
    return False


@task
def publish_rejects(stage: str, corpus: str, rejects: Path, line: str) -> None:
    """The summary line and the rejects by reason as a Prefect artifact."""
    frame = read_table(rejects)
    counts = frame.groupby("reason").path.agg(["size", "first"])
    rows = [
        f"| {reason} | {row['size']} | `{_in_table(row['first'])}` |" for reason, row in counts.iterrows()
    ]
    table = "\n".join(["", "| reason | files | for example |", "|---|---|---|", *rows]) if rows else ""
    create_markdown_artifact(
        key=artifact_key(stage, corpus, "rejects"),
        markdown=f"{line}\n{table}",
        description=f"What became of {corpus} in {stage}",
    )


def _in_table(path: str) -> str:
    """A path that cannot end a cell of a Markdown table, nor the code in it."""
    return path.translate({ord("|"): "\\|", ord("`"): "'", ord("\n"): " ", ord("\r"): " "})
