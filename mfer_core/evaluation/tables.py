"""Tables as Markdown and CSV, each with a caption that names the data behind the figures."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from mfer_core.base.files import atomic_path
from mfer_core.evaluation.summary import NO_INTERVAL

SYNTHETIC = (
    "Synthetic demonstration corpora: these figures show that the pipeline works, and say nothing about "
    "real recordings."
)
ABSENT = "absent"


@dataclass(frozen=True)
class ReportTable:
    """A table as it is written: its title, its cells as text, and the sentences below it."""

    title: str
    frame: pd.DataFrame
    notes: str = ""


def percent(value: float | None, digits: int = 1) -> str:
    """A share as per cent, ``-`` where there is none."""
    return "-" if value is None or value != value else f"{100 * value:.{digits}f}"


def points(value: float | None) -> str:
    """A difference of shares in points with its sign, ``-`` where there is none."""
    return "-" if value is None or value != value else f"{100 * value:+.1f}"


def p_value(value: float) -> str:
    return f"{value:.4f}" if value >= 1e-4 else "< 0.0001"


def spread(stats: dict | None) -> str:
    """``mean ± deviation [lowest-highest]`` over folds, in per cent; one fold has no spread, an arm that is
    left out nothing.
    """
    if stats is None:
        return ABSENT
    if stats["std"] is None:
        return f"{percent(stats['mean'])} (one fold)"
    return (
        f"{percent(stats['mean'])} ± {percent(stats['std'])} "
        f"[{percent(stats['min'])}-{percent(stats['max'])}]"
    )


def over_seeds(values: list[float] | None) -> str:
    """The mean of each seed's share in per cent and, of several, their sample deviation."""
    if values is None:
        return "-"
    deviation = f", seeds ± {percent(float(np.std(values, ddof=1)))}" if len(values) > 1 else ""
    return f"{percent(float(np.mean(values)))}{deviation}"


def interval(stats: dict | None) -> str:
    """``pooled (low-high), seeds ± deviation`` in per cent: the 95 % interval, which few speakers do not
    give, and the deviation over seeds, which one seed does not have.
    """
    if stats is None:
        return ABSENT
    seeds = "" if stats["seed_std"] is None else f", seeds ± {percent(stats['seed_std'])}"
    if "ci95" not in stats:
        return f"{percent(stats['pooled'])} ({NO_INTERVAL}){seeds}"
    low, high = stats["ci95"]
    return f"{percent(stats['pooled'])} ({percent(low)}-{percent(high)}){seeds}"


def loss(stats: dict | None) -> str:
    """A score that is no share, with its interval; ``-`` where an arm gives no probabilities."""
    if stats is None:
        return "-"
    seeds = "" if stats["seed_std"] is None else f", seeds ± {stats['seed_std']:.3f}"
    if "ci95" not in stats:
        return f"{stats['pooled']:.3f} ({NO_INTERVAL}){seeds}"
    low, high = stats["ci95"]
    return f"{stats['pooled']:.3f} ({low:.3f}-{high:.3f}){seeds}"


def markdown(frame: pd.DataFrame) -> str:
    """A frame of text cells as a Markdown table."""
    rows = [list(frame.columns), ["---"] * len(frame.columns), *frame.astype(str).values.tolist()]
    return "\n".join("| " + " | ".join(cell.replace("|", "/") for cell in row) + " |" for row in rows) + "\n"


def write_report_table(folder: Path, name: str, table: ReportTable, synthetic: bool) -> None:
    """Write ``<name>.md`` and ``<name>.csv``. Where the corpora are synthetic the Markdown opens with a
    warning, and each row of the CSV says so.
    """
    warning = f"> {SYNTHETIC}\n\n" if synthetic else ""
    body = markdown(table.frame) if len(table.frame) else ""
    text = f"# {table.title}\n\n{warning}{body}" + (f"\n{table.notes}\n" if table.notes else "")
    with atomic_path(Path(folder) / f"{name}.md") as temporary:
        temporary.write_text(text, encoding="utf-8")
    rows = table.frame.assign(data="synthetic") if synthetic else table.frame
    with atomic_path(Path(folder) / f"{name}.csv") as temporary:
        rows.to_csv(temporary, index=False, lineterminator="\n")
