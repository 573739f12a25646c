"""What a person reads at the end of a run: results, seconds, and where to look."""

from pathlib import Path

import pandas as pd
from rich.console import Console
from rich.table import Table

from flows.stage import SECONDS
from mfer_core.files import read_json
from mfer_core.settings import Settings

METRICS = Path("data/evaluate/metrics.json")


def show_results(settings: Settings) -> None:
    """Print the tables of the last run. Raises MferError when there are no metrics yet."""
    console = Console()
    console.print(_seconds_table(read_json(SECONDS)) if SECONDS.exists() else "no stage has run here yet")
    console.print(_metrics_table(read_json(METRICS), settings))
    console.print("tables and plots  data/evaluate, data/transfer")
    console.print(f"every fold        make ui   (mlflow ui --backend-store-uri {settings.tracking.uri})")


def _metrics_table(metrics: dict, settings: Settings) -> Table:
    title = "results" + (" on synthetic demonstration corpora" if settings.corpora[settings.roles.benchmark].demo else "")
    table = Table("protocol", "arm", "accuracy %", "UAR %", "macro F1 %", "95 % interval", title=title)
    for protocol, arms in metrics.items():
        for arm, values in arms.items():
            if "accuracy" not in values:
                continue
            cells = [f"{100 * values[name]['mean']:.1f} ± {100 * values[name]['std']:.1f}" for name in ("accuracy", "uar", "macro_f1")]
            low, high = values["accuracy"]["ci95"]
            table.add_row(protocol, arm, *cells, f"{100 * low:.1f} – {100 * high:.1f}")
    return table


def _seconds_table(seconds: dict) -> Table:
    table = Table("stage", "seconds", title="each stage's last run")
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
