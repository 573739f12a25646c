"""Published figures, kept in one data file (published.json)."""

from pathlib import Path

from mfer_core.base.files import read_json

FILE = Path(__file__).with_name("published.json")


def published() -> dict:
    """Sections benchmark, leakage, transfer, pretraining, pretraining_accuracy, corpora; figures in per cent."""
    return read_json(FILE)


def reference_cell(entry: dict, arm: str) -> str | None:
    """``mean +- std`` of one published system's arm, None where it was not reported."""
    if entry.get(arm) is None:
        return None
    spread = entry.get(f"{arm}_std")
    return f"{entry[arm]:.2f}" + (f" ± {spread:.2f}" if spread is not None else "")
