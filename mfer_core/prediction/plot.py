"""A prediction as a picture: faces, sound, and what each arm sees."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font

from mfer_core.base.files import atomic_path
from mfer_core.base.modalities import ARMS
from mfer_core.media.inspect import COLUMNS, draw_faces, draw_wave, spread
from mfer_core.prediction.colours import COLOURS, colour_number
from mfer_core.prediction.predictor import Prediction

LONGEST_NAME = 80  # The most characters of a name in a title; the middle of a longer name is left out.
HATCHES = {"visual": "//", "audio": "..", "fused": ""}


def plot_prediction(prediction: Prediction, png: Path) -> None:
    """Write ``draw_prediction`` as PNG, atomically."""
    with atomic_path(Path(png)) as temporary:
        draw_prediction(prediction).savefig(temporary, dpi=90, metadata={"Software": None})


def draw_prediction(prediction: Prediction) -> Figure:
    """Eight faces, the waveform with its speech, and the emotions: curves over windows, bars where there is
    one window only.
    """
    clip, windows = prediction.clip, prediction.timeline.groupby(["start_s", "end_s"], sort=False).ngroups
    arms = [arm for arm in ARMS if arm in set(prediction.table.arm)]
    panels = len(arms) if windows > 1 else 1
    figure = Figure(figsize=(11, 5.0 + 1.6 * panels), layout="constrained")
    figure.suptitle(_title(prediction.path, prediction.table), fontsize=11, parse_math=False)
    heights = (1.8 if clip.frames else 0.3, 2.4 + 1.6 * panels)
    faces, rest = figure.subfigures(2, 1, squeeze=False, height_ratios=heights)[:, 0]
    draw_faces(faces, spread(clip.frames, COLUMNS), 1)
    axes = rest.subplots(1 + panels, 1, squeeze=False)[:, 0]
    draw_wave(axes[0], clip.waveform, clip.facts)
    if windows > 1:
        _draw_curves(axes[1:], arms, prediction)
    else:
        _draw_bars(axes[1], arms, prediction.table)
    return figure


def _title(path: str, table: pd.DataFrame) -> str:
    """The recording's name where the font can write it, on a line of its own for its own direction, and the
    labels.
    """
    labels = "   ".join(f"{row.arm} {row.label}" for row in table.itertuples())
    name = Path(path).name
    if len(name) > LONGEST_NAME:
        name = f"{name[: LONGEST_NAME // 2]}…{name[-LONGEST_NAME // 2 :]}"
    font = get_font(findfont(FontProperties()))
    return f"{name}\n{labels}" if all(font.get_char_index(ord(sign)) for sign in name) else labels


def _classes(table: pd.DataFrame) -> list[str]:
    return list(table.columns[table.columns.get_loc("label") + 1 :])


def _draw_curves(axes: np.ndarray, arms: list[str], prediction: Prediction) -> None:
    for axis, arm in zip(axes, arms, strict=True):
        rows = prediction.timeline[prediction.timeline.arm == arm]
        window = (rows.start_s / prediction.step_s).round().astype(int)
        # A window without a row breaks the line.
        rows = rows.set_index(window).reindex(range(window.max() + 1))
        for name in _classes(rows):
            axis.plot(
                (rows.start_s + rows.end_s) / 2,
                rows[name],
                color=COLOURS[colour_number(name)],
                label=name,
                linewidth=1.6,
                marker=".",
                markersize=4,
            )
        axis.set(xlim=(0, prediction.clip.facts["duration_s"]), ylim=(0, 1))
        axis.set_ylabel(arm, fontsize=9)
    axes[-1].set_xlabel("seconds: centre of the window", fontsize=8)
    axes[0].legend(
        *axes[0].get_legend_handles_labels(),
        ncols=8,
        fontsize=7,
        loc="lower center",
        bbox_to_anchor=(0.5, 1.0),
        frameon=False,
    )


def _draw_bars(axis: Axes, arms: list[str], table: pd.DataFrame) -> None:
    names = _classes(table)
    for index, arm in enumerate(arms):
        (row,) = table[table.arm == arm][names].to_numpy()
        positions = np.arange(len(names)) + 0.27 * (index - (len(arms) - 1) / 2)
        axis.bar(
            positions,
            row,
            0.25,
            color=[COLOURS[colour_number(name)] for name in names],
            hatch=HATCHES[arm],
            edgecolor="white",
            linewidth=0.5,
        )
        axis.bar(0, 0, color="0.6", hatch=HATCHES[arm], edgecolor="white", label=arm)
    axis.set_xticks(range(len(names)), names, fontsize=8)
    axis.set(ylim=(0, 1), ylabel="probability")
    axis.legend(fontsize=8)
