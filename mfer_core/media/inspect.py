"""One extracted clip as a picture to look at: faces with their times, waveform with speech, metadata."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.patches import Rectangle

from mfer_core.base.errors import MferError
from mfer_core.base.files import atomic_path
from mfer_core.media.extracted import FACTS, open_extracted
from mfer_core.media.read import decode_image

COLUMNS, MAX_FACES = 8, 48
WAVE_POINTS = 20_000  # a longer waveform is drawn as its envelope
EDGES = {"detected": "tab:green", "track": "tab:blue", "held": "tab:orange", "centre": "tab:red"}


def inspect_clip(folder: Path, clip_id: str, png: Path) -> dict:
    """Draw a clip of a corpus's ``folder`` of extracted clips into ``png``: contact sheet, waveform with
    speech, metadata.

    The frame's colour says where a crop comes from (detected, track, held, centre). Returns the clip's facts.
    Raises MferError when the stage has not run or knows no such clip.
    """
    extracted = open_extracted(folder)
    if clip_id not in extracted.facts.index:
        example = next(iter(extracted.facts.index), None)
        raise MferError(f"no clip {clip_id!r} in {folder}: ids look like {example!r}")
    clip = extracted.clip(clip_id)
    shown = spread(clip["frames"], MAX_FACES)
    rows = -(-len(shown) // COLUMNS)
    figure = Figure(figsize=(12, 1.7 * rows + 4.2), layout="constrained")
    heights = (max(1.7 * rows, 0.4), 2.4, 1.6)
    faces, wave, text = figure.subfigures(3, 1, squeeze=False, height_ratios=heights)[:, 0]
    draw_faces(faces, shown, rows)
    draw_wave(wave.subplots(), clip["waveform"], clip)
    text.text(0.02, 0.95, _describe(clip), va="top", family="monospace", fontsize=9, parse_math=False)
    with atomic_path(Path(png)) as temporary:
        figure.savefig(temporary, dpi=100)
    return {name: clip[name] for name in FACTS}


def spread(frames: list[dict], most: int) -> list[dict]:
    """At most ``most`` of a clip's frames, evenly over its time."""
    return [
        frames[index]
        for index in np.unique(np.linspace(0, len(frames) - 1, min(len(frames), most)).astype(int))
    ]


def draw_faces(figure: SubFigure, shown: list[dict], rows: int) -> None:
    """Face crops of FRAMES, ``COLUMNS`` to a row, in the colour of where they come from."""
    if not shown:
        figure.suptitle("no video", fontsize=9)
        return
    axes = figure.subplots(rows, COLUMNS, squeeze=False)
    for axis in axes.flat:
        axis.set_axis_off()
    for axis, row in zip(axes.flat, shown, strict=False):
        image = decode_image(row["image"])
        axis.imshow(image, cmap="gray", vmin=0, vmax=255)
        axis.add_patch(_frame(image.shape, EDGES[row["face_source"]]))
        confidence = "" if row["confidence"] is None else f" {row['confidence']:.2f}"
        axis.set_title(f"{row['time_s']:.2f} s {row['face_source']}{confidence}", fontsize=7)


def _frame(shape: tuple[int, ...], colour: str) -> Rectangle:
    return Rectangle((0, 0), shape[1] - 1, shape[0] - 1, fill=False, edgecolor=colour, linewidth=3)


def draw_wave(axis: Axes, sound: dict | None, facts: dict) -> None:
    """A WAVEFORM with its speech segments, on the clip's clock."""
    axis.set_xlim(0, facts["duration_s"] or 1)
    axis.set_xlabel("seconds on the clip's clock", fontsize=8)
    if sound is None:
        axis.set_title("no sound" if facts["peak"] is None else "digital silence", fontsize=9)
        return
    samples = np.asarray(sound["samples"], np.float32) / 32768
    stride = 1 + len(samples) // WAVE_POINTS
    starts = np.arange(0, len(samples), stride)
    low, high = np.minimum.reduceat(samples, starts), np.maximum.reduceat(samples, starts)
    axis.fill_between(
        sound["offset_s"] + starts / sound["sample_rate"], low, high, linewidth=0.4, color="0.3"
    )
    for segment in sound["speech"]:
        axis.axvspan(
            *(sound["offset_s"] + segment[name] for name in ("start_s", "end_s")),
            color="tab:green",
            alpha=0.25,
        )
    axis.set_title("waveform; green: speech (Silero VAD)", fontsize=9)


def _describe(clip: dict) -> str:
    sources = {name: sum(frame["face_source"] == name for frame in clip["frames"]) for name in EDGES}
    speech = [
        f"{span['start_s']:.2f}-{span['end_s']:.2f}" for span in (clip["waveform"] or {}).get("speech", [])
    ]
    lines = {
        "clip": clip["clip_id"],
        "key": clip["key"],
        "result": f"rejected: {clip['reason']}: {clip['detail']}"
        if clip["reason"]
        else f"accepted {clip['notes'] or ''}",
        "duration": f"{clip['duration_s']:.3f} s" if clip["duration_s"] else "-",
        "frames": f"{clip['frame_count']}, with a face {clip['frames_with_face']}; "
        + ", ".join(f"{n} {name}" for name, n in sources.items()),
        "sound": f"peak {clip['peak']:.3f}, speech {', '.join(speech) or 'none'} s after its first sample"
        if clip["waveform"]
        else "-",
    }
    return "\n".join(f"{name:9} {value}" for name, value in lines.items())
