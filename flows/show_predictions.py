"""What the command predict found, on the terminal."""

import os
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from mfer_core.base.folders import readable
from mfer_core.prediction.results_folder import RecordingResult
from mfer_core.prediction.run import PredictionRun
from mfer_core.prediction.windows import label_segments


def show_predictions(run: PredictionRun, out: Path | None) -> None:
    """A row per file and arm, the stretches of longer clips, what was rejected, and where the rest lies."""
    console = Console()
    if run.done:
        console.print(_predictions_table(run))
    for seen in run.seen:
        if seen.timeline.start_s.nunique() > 1:
            console.print(_timeline_table(seen, run.step_s))
        for person in seen.people:
            labels = ", ".join(f"{row.arm} {row.label}" for row in person.table.itertuples())
            times = f"seen for {person.seen_s:.1f} s, heard for {person.spoken_s:.1f} s"
            _say(console, f"{seen.path}: {person.name}: {times}: {labels}")
        for note in seen.notes:
            _say(console, f"{seen.path}: {note}")
    for path in run.others:
        _say(console, f"left alone: {path}: no recording")
    for rejected in run.rejected:
        print(f"rejected: {rejected.path}: {rejected.reason}", file=sys.stderr)
    for line in run.about:
        _say(console, line)
    if run.warning:
        _say(console, f"the model was {run.warning}; --model published answers with published heads")
    if run.left:
        goes_on = "; the same command goes on there" if out else ""
        print(f"stopped: {run.left} recordings were not looked at{goes_on}", file=sys.stderr)
    if out:
        _say(console, f"open {(out / 'report.html').absolute().as_uri()} in a browser")
    else:
        _say(console, "plots, tables and a page to look at: --out FOLDER")


def _say(console: Console, text: str) -> None:
    console.print(text, highlight=False, markup=False, soft_wrap=True)


def _predictions_table(run: PredictionRun) -> Table:
    table = Table(Column("clip", overflow="fold"), "arm", "label", "likeliest")
    common = os.path.commonpath([path.absolute().parent for path in run.done])
    for path, seen in zip(run.done, run.seen, strict=True):
        name = readable(os.path.relpath(path.absolute(), common))
        for index, (_, row) in enumerate(seen.table.iterrows()):
            likeliest = row[list(run.classes)].astype(float).nlargest(3)
            shares = ", ".join(f"{label} {100 * value:.0f} %" for label, value in likeliest.items())
            table.add_row(Text("" if index else name), row["arm"], row["label"], shares)
        table.add_section()
    return table


def _timeline_table(seen: RecordingResult, step_s: float) -> Table:
    """Each arm's labels over time, windows of one label joined."""
    table = Table("arm", "seconds and label", title=Text(Path(seen.path).name), title_justify="left")
    for arm in seen.timeline.arm.unique():
        stretches = (
            f"{start:.1f}-{end:.1f} {label}"
            for start, end, label in label_segments(seen.timeline, arm, step_s)
        )
        table.add_row(arm, ", ".join(stretches))
    return table
