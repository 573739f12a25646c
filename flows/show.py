"""What a person reads at the end of a run: results, seconds, and where to look."""

from pathlib import Path

import pandas as pd
from rich.console import Console
from rich.table import Table

from flows.stage import SECONDS
from mfer_core.errors import MferError
from mfer_core.files import read_json
from mfer_core.settings import Settings

TABLES = Path("data/evaluate/tables")
RESULTS = ["protocol", "arm", "accuracy % over folds", "accuracy % pooled (95 % CI by speaker)"]
PAIRS = ["protocol", "first", "second", "accuracy difference, points", "accuracy p (permutation by speaker)"]
GAP = ["model", "leaky accuracy %", "honest accuracy %", "gap, points"]


def show_results(settings: Settings) -> None:
    """Print the tables of the last run. Raises MferError when there are none yet."""
    console = Console()
    if SECONDS.exists():
        console.print(_seconds_table(read_json(SECONDS)))
    note = " (synthetic demonstration corpora)" if settings.synthetic else ""
    pairs, gap = _read("pairs"), _read("leakage")
    console.print(_table(f"results{note}", _read("results")[RESULTS]))
    console.print(_table("paired tests of the fused arm", pairs[pairs["first"] == "fused"][PAIRS]))
    console.print(
        _table(
            "leakage gap: the same models, people shared between training and test or not", gap[~gap.model.str.startswith("published")][GAP]
        )
    )
    console.print(
        "tables and plots  data/evaluate, data/transfer\nevery fold        make ui\nyour own video    python -m flows predict VIDEO",
        highlight=False,
    )


def _read(name: str) -> pd.DataFrame:
    path = TABLES / f"{name}.csv"
    if not path.exists():
        raise MferError(f"no results in {TABLES}: run `dvc repro` first")
    return pd.read_csv(path, dtype=str, keep_default_na=False)


def _table(title: str, frame: pd.DataFrame) -> Table:
    table = Table(*frame.columns, title=title, title_justify="left")
    for row in frame.itertuples(index=False):
        table.add_row(*row)
    return table


def _seconds_table(seconds: dict) -> Table:
    table = Table("stage", "seconds", title="each stage's last run", title_justify="left")
    for stage, spent in sorted(seconds.items(), key=lambda item: item[1]["ended"]):
        table.add_row(stage, f"{spent['seconds']:.1f}")
    table.add_section()
    table.add_row("all", f"{sum(spent['seconds'] for spent in seconds.values()):.1f}")
    return table


def show_predictions(predictions: pd.DataFrame) -> None:
    """A row per file and arm: the label and the three likeliest emotions."""
    table = Table("file", "arm", "label", "likeliest")
    classes = [name for name in predictions.columns if name not in ("path", "arm", "label")]
    for _, row in predictions.iterrows():
        likeliest = row[classes].astype(float).nlargest(3)
        table.add_row(row["path"], row["arm"], row["label"], ", ".join(f"{name} {100 * value:.0f} %" for name, value in likeliest.items()))
    Console().print(table)
