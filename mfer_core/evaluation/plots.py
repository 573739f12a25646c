"""Figures as PNG, which `dvc plots` and a browser show offline; their data are the predictions and
histories.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from mfer_core.base.files import atomic_path
from mfer_core.protocol.metrics import calibration, confusion

DPI = 80


def _codes(labels: pd.Series, classes: tuple[str, ...]) -> np.ndarray:
    return pd.Categorical(labels, categories=list(classes)).codes.astype(int)


def _panels(count: int, side: float = 3.6) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=(side * count, side), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, list(figure.subplots(1, count, squeeze=False)[0])


def _save(figure: Figure, path: Path) -> None:
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=DPI, metadata={"Software": None})


def draw_confusion(axes: Axes, table: pd.DataFrame, classes: tuple[str, ...], title: str) -> None:
    """Confusion matrix in per cent of the true class (rows) on ``axes``."""
    matrix = confusion(_codes(table.label, classes), table[list(classes)].to_numpy().argmax(1), len(classes))
    share = 100 * matrix / np.maximum(matrix.sum(1, keepdims=True), 1)
    axes.imshow(share, cmap="Blues", vmin=0, vmax=100)
    for row, column in np.ndindex(share.shape):
        if matrix[row, column]:
            colour = "white" if share[row, column] > 50 else "black"
            axes.text(
                column, row, f"{share[row, column]:.0f}", ha="center", va="center", fontsize=7, color=colour
            )
    axes.set_xticks(range(len(classes)), classes, rotation=60, ha="right", fontsize=7)
    axes.set_yticks(range(len(classes)), classes, fontsize=7)
    axes.set(xlabel="predicted", ylabel="true")
    axes.set_title(title, fontsize=9)


def confusion_figure(table: pd.DataFrame, classes: tuple[str, ...] | list[str], title: str) -> Figure:
    """One confusion matrix of a predictions table."""
    figure, axes = _panels(1, 4.2)
    draw_confusion(axes[0], table, tuple(classes), title)
    return figure


def plot_confusions(
    folder: Path, name: str, arms: Mapping[str, pd.DataFrame], classes: tuple[str, ...], note: str
) -> None:
    """``confusion_<name>.png`` with a panel per arm."""
    figure, panels = _panels(len(arms))
    for axes, (arm, table) in zip(panels, arms.items(), strict=True):
        draw_confusion(axes, table, classes, arm)
    figure.suptitle(f"{name}: recall in %{note}", fontsize=9)
    _save(figure, folder / f"confusion_{name}.png")


def plot_reliability(
    folder: Path, name: str, arms: Mapping[str, pd.DataFrame], classes: tuple[str, ...], note: str
) -> None:
    """``reliability_<name>.png``: accuracy against confidence, per arm."""
    figure, (axes,) = _panels(1, 4.2)
    axes.plot([0, 1], [0, 1], color="grey", linewidth=0.8)
    for arm, table in arms.items():
        sums = calibration(table[list(classes)].to_numpy(), _codes(table.label, classes))
        filled = sums[sums[:, 0] > 0]
        confidence, accuracy = filled[:, 1] / filled[:, 0], filled[:, 2] / filled[:, 0]
        (line,) = axes.plot(confidence, accuracy, linewidth=0.8, alpha=0.5)
        axes.scatter(
            confidence,
            accuracy,
            400 * filled[:, 0] / len(table),
            color=line.get_color(),
            alpha=0.7,
            linewidths=0,
            label=arm,
        )
    axes.set(xlabel="confidence", ylabel="accuracy", xlim=(0, 1), ylim=(0, 1))
    axes.set_title(f"{name}: reliability, a dot's area is its clips{note}", fontsize=9)
    for handle in axes.legend(fontsize=8).legend_handles:
        if isinstance(handle, PathCollection):
            handle.set_sizes([30])
    _save(figure, folder / f"reliability_{name}.png")


def plot_curves(folder: Path, name: str, histories: Mapping[str, pd.DataFrame], note: str) -> None:
    """``curves_<name>.png``: loss and validation UAR by epoch, a line per fold and seed, a panel per arm.

    ``histories``: arm -> rows of every fold (columns seed, fold, epoch, train_loss, valid_loss, valid_uar).
    """
    figure, panels = _panels(len(histories))
    colours = {"valid_uar": "C0", "train_loss": "C1", "valid_loss": "C2"}
    for axes, (arm, rows) in zip(panels, histories.items(), strict=True):
        for _, fold in rows.groupby(["seed", "fold"]):
            for column, colour in colours.items():
                axes.plot(
                    fold.epoch, fold[column], color=colour, alpha=0.6, linewidth=1, marker=".", markersize=3
                )
        axes.set(xlabel="epoch", ylim=(0, None))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_title(arm, fontsize=9)
    for colour, label in (("C0", "valid UAR"), ("C1", "train loss"), ("C2", "valid loss")):
        panels[0].plot([], [], color=colour, label=label)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=8)
    figure.suptitle(f"{name}: training curves, a line per fold and seed{note}", fontsize=9)
    _save(figure, folder / f"curves_{name}.png")
