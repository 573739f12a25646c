"""Every file accounted for, shown in Prefect."""

from pathlib import Path

from prefect import task
from prefect.artifacts import create_markdown_artifact

from mfer_core.base.files import read_table


@task
def publish_account(stage: str, corpus: str, rejects: Path, line: str) -> None:
    """The summary line and the rejects by reason as a Prefect artifact."""
    frame = read_table(rejects)
    counts = frame.groupby("reason").path.agg(["size", "first"])
    rows = [f"| {reason} | {row['size']} | `{row['first']}` |" for reason, row in counts.iterrows()]
    table = "\n".join(["", "| reason | files | for example |", "|---|---|---|", *rows]) if rows else ""
    key = f"{stage}-{corpus}-rejects".replace("_", "-").lower()
    create_markdown_artifact(
        key=key, markdown=f"{line}\n{table}", description=f"What became of {corpus} in {stage}"
    )
