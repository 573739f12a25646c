"""A run of predictions as one page to look at: self-contained HTML, nothing loaded from anywhere."""

from base64 import b64encode
from pathlib import Path

import jinja2
import pandas as pd

from mfer_core.base.files import atomic_path
from mfer_core.prediction.predictor import ARMS
from mfer_core.prediction.tables import Run, Seen
from mfer_core.prediction.windows import label_segments

TEMPLATE = Path(__file__).with_name("page.html")
INLINE_PLOTS = 100  # of more clips the page names the PNG; a page of hundreds of megabytes opens nowhere
WIDTH, PANEL, GAP = 900, 96, 26  # of the timeline's drawing, in its own units


def write_page(run: Run, plots: dict[str, Path], page: Path) -> None:
    """Write the report; ``plots`` are the clips' PNGs by path, beside or below ``page``."""
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    clips = [_clip(place, seen, run, plots[seen.path], page) for place, seen in enumerate(run.seen)]
    html = template.render(run=run, clips=clips, arms=ARMS)
    with atomic_path(page) as temporary:
        temporary.write_text(html, encoding="utf-8")


def _clip(place: int, seen: Seen, run: Run, png: Path, page: Path) -> dict:
    inline = f"data:image/png;base64,{b64encode(png.read_bytes()).decode()}" if place < INLINE_PLOTS else None
    arms = {
        row["arm"]: {"label": row["label"], "probabilities": [row[name] for name in run.classes]}
        for row in seen.table.to_dict("records")
    }
    drawing = _drawing(seen, run) if seen.timeline.start_s.nunique() > 1 else None
    facts = {
        "id": f"clip-{place + 1}",
        "name": Path(seen.path).name,
        "path": seen.path,
        "duration_s": seen.duration_s,
        "notes": seen.notes,
    }
    return facts | {
        "arms": arms,
        "plot": inline,
        "png": png.relative_to(page.parent).as_posix(),
        "drawing": drawing,
    }


def _drawing(seen: Seen, run: Run) -> dict:
    """The timeline as shapes: a panel per arm with a line per emotion, the fused labels as a band, and what a pointer reads."""
    timeline, duration_s, classes = seen.timeline, seen.duration_s, run.classes
    arms = [arm for arm in ARMS if arm in set(timeline.arm)]
    scale = WIDTH / duration_s
    panels = [
        {
            "arm": arm,
            "top": GAP + place * (PANEL + GAP),
            "lines": _lines(timeline[timeline.arm == arm], run, scale, GAP + place * (PANEL + GAP)),
        }
        for place, arm in enumerate(arms)
    ]
    band = [
        {"x": start * scale, "width": (end - start) * scale, "colour": classes.index(label), "label": label}
        for start, end, label in label_segments(timeline, "fused", run.step_s)
    ]
    height = GAP + len(arms) * (PANEL + GAP) + 40
    size = {"width": WIDTH, "height": height, "panel": PANEL, "band_y": height - 40}
    return size | {
        "panels": panels,
        "band": band,
        "ticks": _ticks(duration_s, scale),
        "windows": _windows(timeline, scale),
    }


def _lines(rows: pd.DataFrame, run: Run, scale: float, top: int) -> list[dict]:
    """Points "x,y ..." per emotion; where windows have no row for the arm a line breaks."""
    piece = (rows.start_s.diff() > 1.5 * run.step_s).cumsum()
    centres = (rows.start_s + rows.end_s) / 2 * scale
    lines = []
    for colour, name in enumerate(run.classes):
        heights = top + PANEL * (1 - rows[name])
        points = pd.Series(
            [f"{x:.1f},{y:.1f}" for x, y in zip(centres, heights, strict=True)], rows.index, dtype=str
        )
        lines += [
            {"colour": colour, "name": name, "points": " ".join(part)} for _, part in points.groupby(piece)
        ]
    return lines


def _ticks(duration_s: float, scale: float) -> list[dict]:
    step = next((step for step in (1, 2, 5, 10, 20, 30, 60, 120, 300) if duration_s / step <= 12), 600)
    return [{"x": second * scale, "label": f"{second} s"} for second in range(0, int(duration_s) + 1, step)]


def _windows(timeline: pd.DataFrame, scale: float) -> list[dict]:
    """What the pointer reads: the centre of each window and a line of words."""
    found = []
    for (start, end), rows in timeline.groupby(["start_s", "end_s"]):
        said = ", ".join(
            f"{row['arm']} {row['label']} {100 * row[row['label']]:.0f} %" for row in rows.to_dict("records")
        )
        found.append(
            {"x": round((start + end) / 2 * scale, 1), "text": f"{start:.1f} to {end:.1f} s: {said}"}
        )
    return found
