"""What a person reads at the end of a run: results, seconds, and where to look."""

from pathlib import Path

import pandas as pd
from rich.console import Console
from rich.table import Table

from flows.seconds import Record, recorded_seconds, run_seconds, spent_seconds
from mfer_core.base.errors import MferError
from mfer_core.base.paths import DataPaths
from mfer_core.base.settings import Settings

TABLES = DataPaths().tables("evaluate")
SEEN = "labels of the benchmark seen by the encoder"
RESULTS = ["protocol", "arm", "accuracy %, pooled (95 % CI by speaker)", "macro F1 %, pooled (95 % CI)", SEEN]
HEADS = ["protocol", "arm", "clips", "classes", "accuracy %, pooled (95 % CI)", SEEN]
PAIRS = ["protocol", "first", "second", "accuracy difference, points", "accuracy p (permutation by speaker)"]
GAP = ["arm", "honest protocol", "gap, points (95 % CI)", "of it peeking", "of it people"]
# A terminal is narrow: there the tables' columns have shorter names.
SHORT = {
    "accuracy %, pooled (95 % CI by speaker)": "accuracy %",
    "accuracy %, pooled (95 % CI)": "accuracy %",
    "macro F1 %, pooled (95 % CI)": "macro F1 %",
    SEEN: "labels seen",
    "accuracy difference, points": "points",
    "accuracy p (permutation by speaker)": "p",
    "gap, points (95 % CI)": "gap, points",
}


def show_results(settings: Settings) -> None:
    """Print the tables of the last run. Raises MferError when there are none yet."""
    console = Console()
    if seconds := recorded_seconds():
        console.print(_seconds_table(seconds))
    note = " (synthetic demonstration corpora)" if settings.synthetic else ""
    title = "results, pooled over folds; labels seen: of the benchmark, by the encoder"
    console.print(_table(f"{title}{note}", _read("results")[RESULTS]))
    if (TABLES / "zero_shot.csv").exists():
        title = "the encoders' own classifiers, and the arms on the same clips and classes"
        console.print(_table(f"{title}{note}", _counted_classes(_read("zero_shot")[HEADS])))
    if len(pairs := _read("pairs")):
        title = "the primary comparison of each protocol (all of them: pairs.md)"
        console.print(_table(f"{title}{note}", pairs[pairs.comparison == "primary"][PAIRS]))
    if len(gap := _read("leakage")):
        console.print(_table(f"leakage gap: what a random split of clips adds{note}", gap[GAP]))
    for line in (TABLES / "results.md").read_text(encoding="utf-8").splitlines():
        if line.startswith(("Benchmark:", "Below what", "- ")):
            console.print(line, highlight=False, soft_wrap=True)
    # Whoever has just typed `make run` in a checkout has not activated its environment.
    mfer = ".venv/bin/mfer" if Path(".venv/bin/mfer").exists() else "mfer"
    console.print(
        "tables and plots  data/evaluate, data/transfer\n"
        f"every fold        {mfer} ui\n"
        f"your own video    {mfer} predict VIDEO",
        highlight=False,
    )


def _read(name: str) -> pd.DataFrame:
    path = TABLES / f"{name}.csv"
    if not path.exists():
        raise MferError(f"no results in {TABLES}: run `dvc repro` first")
    try:
        return pd.read_csv(path, dtype=str, keep_default_na=False)
    except pd.errors.EmptyDataError:  # a table without rows has no columns
        return pd.DataFrame()


def _counted_classes(heads: pd.DataFrame) -> pd.DataFrame:
    """How many classes a head knows, in place of their names."""
    return heads.assign(classes=[str(len(names.split(", "))) for names in heads.classes])


def _table(title: str, frame: pd.DataFrame) -> Table:
    table = Table(*frame.rename(columns=SHORT).columns, title=title, title_justify="left")
    for row in frame.itertuples(index=False):
        table.add_row(*row)
    return table


def _seconds_table(record: Record) -> Table:
    title = "each stage's last run: seconds, those of a core, and when in the newest run"
    table = Table("stage", "seconds", "of a core", "when", title=title, title_justify="left")
    rows = spent_seconds(record)
    for one in rows:
        worked = "" if one.processor is None else f"{one.processor:.1f}"
        table.add_row(one.stage, f"{one.seconds:.1f}", worked, one.bar)
    table.add_section()
    sums = (sum(one.seconds for one in rows), sum(one.processor or 0 for one in rows))
    table.add_row("all", *(f"{total:.1f}" for total in sums), f"{run_seconds(record):.1f} s in all")
    return table
