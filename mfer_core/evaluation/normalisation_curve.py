"""What standardising by speaker assumes: the same clips, their speaker's moments taken from other mixes of
clips.

A test speaker's mean and deviation are those of the voice only where the clips hold all emotions alike. The
curve shows the SVM baseline when they do not: taken from few clips, from a session of a few emotions, or from
neutral clips alone.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd

from mfer_core.evaluation.baseline import by_speaker, fit_baseline, standardised
from mfer_core.evaluation.benchmark import Benchmark
from mfer_core.evaluation.tables import ReportTable, percent
from mfer_core.protocol.protocols import protocol

DRAWS = 5  # Random draws of the clips or emotions from which moments are taken.
COUNTS = (4, 8, 16)  # clips
SESSIONS = (4, 2)  # emotions in one session
RAW, ALL, NEUTRAL = "none: not standardised", "all their clips", "their neutral clips"
Values = dict[str, np.ndarray]
Standardise = Callable[
    [list[str], np.random.Generator], Values
]  # From one speaker's clips to their features.
NOTE = (
    "The SVM on MFCC statistics, trained on features standardised by all clips of each training speaker "
    "(but for the first row). The test clips are the same in every row; only the clips that a test "
    "speaker's mean and deviation come from differ. Sessions: a speaker's clips are split by emotion, each "
    f"clip standardised by its own session. Means over {DRAWS} draws. Every figure that is standardised by "
    f"speaker assumes the row `{ALL}`."
)


def normalisation_curve(values: Values, benchmark: Benchmark, folds: pd.DataFrame, seed: int) -> ReportTable:
    """The curve under the first protocol that holds speakers out. ``values``: the baseline's features."""
    names = [name for name in folds.protocol.unique() if protocol(name).honest]
    rows = _rows(values, benchmark, folds[folds.protocol == names[0]], seed) if names else []
    protocol_note = f"Under {benchmark.label(names[0])}. " if names else "No protocol holds speakers out. "
    return ReportTable("What standardising by speaker assumes", pd.DataFrame(rows), protocol_note + NOTE)


def _rows(values: Values, benchmark: Benchmark, folds: pd.DataFrame, seed: int) -> list[dict]:
    labels = benchmark.manifest.label
    standardised_all = by_speaker(values, benchmark.manifest)
    known = benchmark.manifest[benchmark.manifest.clip_id.isin(list(values))]
    ways = _ways(values, known.label, known.speaker)
    hits: dict[str, list[np.ndarray]] = {name: [] for name in ways}
    for _, rows in folds[folds.clip_id.isin(list(values))].groupby("fold", sort=False):
        test = sorted(rows.clip_id[rows.part == "test"])
        train = sorted(set(rows.clip_id) - set(test))
        raw, moved = (fit_baseline(each, labels, train) for each in (values, standardised_all))
        for name, standardise in ways.items():
            model = raw if name == RAW else moved
            for draw in range(1 if name in (RAW, ALL, NEUTRAL) else DRAWS):
                shown = _shown(standardise, benchmark.manifest.speaker[test], [seed, draw])
                guesses = model.predict(np.stack([shown[clip] for clip in test]))
                hits[name].append(guesses == labels[test].to_numpy())
    return [
        {"a test speaker's moments from": name, "accuracy %": percent(np.concatenate(right).mean())}
        for name, right in hits.items()
    ]


def _shown(standardise: Standardise, speakers: pd.Series, seed: list[int]) -> Values:
    """The features of test clips, each speaker's standardised on their own; ``speakers`` by clip_id."""
    shown: Values = {}
    for number, (_, clips) in enumerate(speakers.groupby(speakers)):
        shown |= standardise(list(clips.index), np.random.default_rng([*seed, number]))
    return shown


def _ways(values: Values, labels: pd.Series, speakers: pd.Series) -> dict[str, Standardise]:
    """The rows of the curve: which of a speaker's clips the moments come from."""

    def of_some(count: int) -> Standardise:
        return lambda clips, rng: standardised(
            values, clips, list(rng.choice(clips, min(count, len(clips)), replace=False))
        )

    def of_session(emotions: int) -> Standardise:
        def standardise(clips: list[str], rng: np.random.Generator) -> Values:
            present = rng.permutation(sorted(set(labels[clips])))
            shown: Values = {}
            for first in range(0, len(present), emotions):
                session = [clip for clip in clips if labels[clip] in present[first : first + emotions]]
                shown |= standardised(values, session, session)
            return shown

        return standardise

    def of_neutral(clips: list[str], _: np.random.Generator) -> Values:
        return standardised(values, clips, [clip for clip in clips if labels[clip] == "neutral"])

    several_neutral = (labels == "neutral").groupby(speakers).sum().min() > 1
    return {
        RAW: lambda clips, _: {clip: values[clip] for clip in clips},
        ALL: lambda clips, _: standardised(values, clips, clips),
        **{f"{count} of their clips, at random": of_some(count) for count in COUNTS},
        **{f"sessions of {count} emotions": of_session(count) for count in SESSIONS},
        **({NEUTRAL: of_neutral} if several_neutral else {}),
    }
