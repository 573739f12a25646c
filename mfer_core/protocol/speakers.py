"""Speakers of the pretraining corpora held out: the same ones from the speech encoder's training and from
stage 2a's test.
"""

from collections.abc import Iterator

import pandas as pd
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from mfer_core.base.labels import label_set
from mfer_core.base.settings import Settings
from mfer_core.protocol.protocols import PARTS

SPLITS = 5  # a fifth of each corpus's speakers for the test, a fifth for the choice of the epoch
FEWEST_SPEAKERS = 3  # a corpus of fewer goes to training as a whole


def present_corpora(settings: Settings) -> list[str]:
    """The pretraining corpora that are not left out on purpose."""
    return [name for name in settings.roles.pretraining if settings.corpora[name].source != "absent"]


def four_classes(clips: pd.DataFrame) -> pd.DataFrame:
    """The clips of the four emotions that the pretraining corpora share."""
    return clips[clips.label.isin(label_set("four"))]


def held_out_speakers(clips: pd.DataFrame, seed: int) -> set[str]:
    """Speakers whose clips nothing is trained on before stage 2a is tested on them; ``clips`` as for
    ``speaker_parts``.
    """
    tested = speaker_parts(four_classes(clips), seed)["test"]
    return {*clips.speaker[clips.clip_id.isin(tested)]}


def speaker_parts(clips: pd.DataFrame, seed: int) -> dict[str, list[str]]:
    """clip_ids per part (train, valid, test) of ``clips`` (columns clip_id, corpus, label, speaker).

    Speaker-disjoint within each corpus, and balanced by emotion as far as its speakers allow.
    """
    parts: dict[str, list[str]] = {part: [] for part in PARTS}
    for _, rows in clips.reset_index(drop=True).sort_values("clip_id").groupby("corpus"):
        splits = min(SPLITS, rows.speaker.nunique())
        if splits < FEWEST_SPEAKERS:
            parts["train"] += list(rows.clip_id)
            continue
        splitter = StratifiedGroupKFold(splits, shuffle=True, random_state=seed)
        names = ("test", "valid", *["train"] * (splits - 2))
        for part, (_, chosen) in zip(names, splitter.split(rows, rows.label, rows.speaker), strict=True):
            parts[part] += rows.clip_id.iloc[chosen].tolist()
    return {part: sorted(members) for part, members in parts.items()}


def shuffled_parts(clips: pd.DataFrame, folds: int) -> Iterator[dict[str, list[str]]]:
    """Yield clip_ids per part for each fold of the reference's own test of stage 2a (its Table II): clips
    shuffled and stratified by corpus and emotion, so that speakers are on both sides, and the checkpoint
    picked on the test part.
    """
    rows = clips.reset_index(drop=True).sort_values("clip_id", ignore_index=True)
    splitter = StratifiedKFold(folds, shuffle=True, random_state=42)
    for train, test in splitter.split(rows, rows.corpus + " " + rows.label):
        held = sorted(rows.clip_id.iloc[test])
        yield {"train": sorted(rows.clip_id.iloc[train]), "valid": held, "test": held}
