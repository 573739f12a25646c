"""A run of predictions as pages to look at: self-contained HTML, nothing loaded from anywhere.

Every recording has a page, written as soon as it is done. The report lists all of them; of a run over few
recordings it also shows them.
"""

from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import jinja2
import pandas as pd

from mfer_core.base.files import atomic_path
from mfer_core.base.modalities import ARMS
from mfer_core.prediction.colours import COLOURS, colour_number
from mfer_core.prediction.notice import LAW, MEASURED
from mfer_core.prediction.results_folder import RecordingResult, result_name
from mfer_core.prediction.run import PredictionRun
from mfer_core.prediction.windows import label_segments

TEMPLATES = Path(__file__).with_name("templates")
# With more recordings the report only links to their pages, because no browser opens hundreds of megabytes.
SHOWN_IN_REPORT = 20
WIDTH, PANEL, GAP = 900, 96, 26  # Sizes of the timeline's drawing, in its own units.


def write_recording(run: PredictionRun, path: Path, seen: RecordingResult) -> None:
    """Write the page of one recording, whose plot is there already."""
    _write("recording.html", run.results.file("recordings", path), run=run, clip=_clip(path, seen, run))


def write_pages(run: PredictionRun, report: Path) -> None:
    """Write the report: every recording of the run with its labels and a link, and what was left out."""
    together = len(run.done) <= SHOWN_IN_REPORT
    rows = (_row(path, seen, run, together) for path, seen in zip(run.done, run.seen, strict=True))
    shown = zip(run.done, run.seen, strict=True) if together else ()
    sections = (_clip(path, seen, run) for path, seen in shown)
    _write("index.html", report, run=run, rows=rows, sections=sections, arms=ARMS)


def render(template: str, **values: object) -> Iterator[str]:
    """The text of a page, piece by piece."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {"colour_of": colour_number, "colours": len(COLOURS)}
    return environment.get_template(template).generate(measured=MEASURED, law=LAW, **values)


def _write(template: str, page: Path, **values: object) -> None:
    with atomic_path(page) as temporary, temporary.open("w", encoding="utf-8") as file:
        file.writelines(render(template, **values))


def _row(path: Path, seen: RecordingResult, run: PredictionRun, together: bool) -> dict:
    """A recording's line in the report's table."""
    anchor = f"clip-{result_name(path)[-8:]}"
    page = quote(run.results.file("recordings", path).relative_to(run.results.folder).as_posix())
    return {
        "id": anchor,
        "name": Path(seen.path).name,
        "path": seen.path,
        "link": f"#{anchor}" if together else page,
        "duration_s": seen.duration_s,
        "notes": seen.notes,
        "arms": _arms(seen.table, run),
    }


def _arms(table: pd.DataFrame, run: PredictionRun) -> dict:
    return {
        row["arm"]: {"label": row["label"], "probabilities": [row[name] for name in run.classes]}
        for row in table.to_dict("records")
    }


def _clip(path: Path, seen: RecordingResult, run: PredictionRun) -> dict:
    """A recording with its timeline and its picture."""
    long = seen.timeline.start_s.nunique() > 1
    people = [
        {
            "name": person.name,
            "picture": _data(person.picture) if person.picture else None,
            **person.times,
            "arms": _arms(person.table, run),
            "drawing": _drawing(person.timeline, seen.duration_s, run) if long else None,
        }
        for person in seen.people
    ]
    drawing = _drawing(seen.timeline, seen.duration_s, run) if long else None
    plot = _data(run.results.file("plots", path).read_bytes())
    shown = {"plot": plot, "drawing": drawing, "people": people, "turns": seen.turns}
    return _row(path, seen, run, True) | shown


def _data(picture: bytes) -> str:
    kind = "png" if picture.startswith(b"\x89PNG") else "jpeg"
    return f"data:image/{kind};base64,{b64encode(picture).decode()}"


def _drawing(timeline: pd.DataFrame, duration_s: float, run: PredictionRun) -> dict:
    """The timeline as shapes: a panel per arm with a line per emotion, the fused labels as a band, and what a
    pointer reads.
    """
    arms = [arm for arm in ARMS if arm in set(timeline.arm)]
    scale = WIDTH / duration_s
    panels = [
        {
            "arm": arm,
            "top": GAP + index * (PANEL + GAP),
            "lines": _lines(timeline[timeline.arm == arm], run, scale, GAP + index * (PANEL + GAP)),
        }
        for index, arm in enumerate(arms)
    ]
    band = [
        {"x": start * scale, "width": (end - start) * scale, "colour": colour_number(label), "label": label}
        for start, end, label in label_segments(timeline, "fused", run.step_s, duration_s)
    ]
    height = GAP + len(arms) * (PANEL + GAP) + 40
    size = {"width": WIDTH, "height": height, "panel": PANEL, "band_y": height - 40}
    return size | {
        "panels": panels,
        "band": band,
        "ticks": _ticks(duration_s, scale),
        "windows": _windows(timeline, scale),
    }


def _lines(rows: pd.DataFrame, run: PredictionRun, scale: float, top: int) -> list[dict]:
    """Points "x,y ..." per emotion; where windows have no row for the arm a line breaks."""
    piece = (rows.start_s.diff() > 1.5 * run.step_s).cumsum()
    centres = (rows.start_s + rows.end_s) / 2 * scale
    lines = []
    for name in run.classes:
        heights = top + PANEL * (1 - rows[name])
        points = pd.Series(
            [f"{x:.1f},{y:.1f}" for x, y in zip(centres, heights, strict=True)], rows.index, dtype=str
        )
        lines += [
            {"colour": colour_number(name), "name": name, "points": " ".join(part)}
            for _, part in points.groupby(piece)
        ]
    return lines


def _ticks(duration_s: float, scale: float) -> list[dict]:
    step = next((step for step in (1, 2, 5, 10, 20, 30, 60, 120, 300) if duration_s / step <= 12), 600)
    return [{"x": second * scale, "label": f"{second} s"} for second in range(0, int(duration_s) + 1, step)]


def _windows(timeline: pd.DataFrame, scale: float) -> list[dict]:
    """The text under the pointer: the centre of each window and a line of words."""
    windows = []
    for (start, end), rows in timeline.groupby(["start_s", "end_s"]):
        said = ", ".join(
            f"{row['arm']} {row['label']} {100 * row[row['label']]:.0f} %" for row in rows.to_dict("records")
        )
        windows.append(
            {"x": round((start + end) / 2 * scale, 1), "text": f"{start:.1f} to {end:.1f} s: {said}"}
        )
    return windows
