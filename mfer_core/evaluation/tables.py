"""Tables as Markdown and CSV, each with a caption that says what the figures stand on."""

from pathlib import Path

import pandas as pd

from mfer_core.base.files import atomic_path

SYNTHETIC = "Synthetic demonstration corpora: these figures show that the pipeline works, and say nothing about real recordings."
ABSENT = "absent"


def percent(value: float | None, digits: int = 1) -> str:
    """A share as per cent, ``-`` where there is none."""
    return "-" if value is None or value != value else f"{100 * value:.{digits}f}"


def p_value(value: float) -> str:
    return f"{value:.4f}" if value >= 1e-4 else "< 0.0001"


def spread(stats: dict | None) -> str:
    """``mean ± std [min-max]`` in per cent of one metric's statistics; says so when the arm is absent."""
    if stats is None:
        return ABSENT
    return f"{percent(stats['mean'])} ± {percent(stats['std'])} [{percent(stats['min'])}-{percent(stats['max'])}]"


def interval(stats: dict | None) -> str:
    """``pooled (low-high)`` in per cent with the 95 % interval."""
    if stats is None:
        return ABSENT
    return f"{percent(stats['pooled'])} ({percent(stats['ci95'][0])}-{percent(stats['ci95'][1])})"


def markdown(frame: pd.DataFrame) -> str:
    """A frame of text cells as a Markdown table."""
    rows = [list(frame.columns), ["---"] * len(frame.columns), *frame.astype(str).values.tolist()]
    return "\n".join("| " + " | ".join(cell.replace("|", "/") for cell in row) + " |" for row in rows) + "\n"


def write_report_table(
    folder: Path, name: str, title: str, frame: pd.DataFrame, notes: str, synthetic: bool
) -> None:
    """Write ``<name>.md`` and ``<name>.csv``. The Markdown opens with a warning where the corpora are synthetic."""
    warning = f"> {SYNTHETIC}\n\n" if synthetic else ""
    text = f"# {title}\n\n{warning}{markdown(frame)}" + (f"\n{notes}\n" if notes else "")
    with atomic_path(Path(folder) / f"{name}.md") as temporary:
        temporary.write_text(text, encoding="utf-8")
    with atomic_path(Path(folder) / f"{name}.csv") as temporary:
        frame.to_csv(temporary, index=False, lineterminator="\n")
