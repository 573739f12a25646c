"""The tables of stage transfer with what stands below them."""

from dataclasses import replace
from pathlib import Path

import pandas as pd

from mfer_core.base.modalities import MODALITIES
from mfer_core.base.settings import Settings
from mfer_core.encoders.labels_seen import labels_of
from mfer_core.evaluation.benchmark import seeds_note
from mfer_core.evaluation.published_results import published
from mfer_core.evaluation.tables import ReportTable, write_report_table
from mfer_core.evaluation.transfer_tables import (
    AS_TRAINED,
    collapse_table,
    folds_table,
    normalisation_table,
    pairs_table,
    scores_table,
    shift_table,
    shots_table,
    source_table,
    target_note,
)


def is_synthetic(settings: Settings) -> bool:
    """Whether models or target are a demonstration."""
    return settings.synthetic or settings.corpora[settings.roles.transfer].source == "demo"


def _beside_published(settings: Settings) -> bool:
    """Whether the corpus is a set like the one of the reference's figures."""
    return settings.corpora[settings.roles.transfer].adapter == "custom"


def _shots_note(settings: Settings, disjoint: bool) -> str:
    section, ways = settings.transfer, ""
    if section.normalisation != "none":
        ways = f", with embeddings normalised per {section.normalisation}"
    if section.normalisation == "speaker":
        ways += " (which assumes that each speaker's clips hold all emotions alike)"
    query = (
        "people that no clip was taken from"
        if disjoint
        else "other clips, partly of the same people, who are too few"
    )
    reference = f" *published: {published()['transfer']['corpus']}; population deviation."
    return (
        "± and range: over the folds, whose models are all scored on the same clips; in brackets the "
        "pooled value's 95 % interval, speakers resampled. After k clips per class: scored on "
        f"{query}{ways}."
    ) + (reference if _beside_published(settings) else "")


def _caption(settings: Settings, predictions: pd.DataFrame) -> str:
    """Which corpus, how many clips and people, and what of its labels the encoders have seen."""
    corpus = settings.roles.transfer
    known = predictions.drop_duplicates("clip_id")
    kind = " (synthetic)" if settings.corpora[corpus].source == "demo" else ""
    seen = {modality: labels_of(corpus, modality, settings) for modality in MODALITIES}
    words = ", ".join(f"{modality} {said}" for modality, said in seen.items())
    return (
        f"Transfer corpus: {corpus}{kind}, {len(known)} clips of {known.speaker.nunique()} speakers, "
        f"{known.label.nunique()} classes; its labels seen by the encoders: {words}. "
        f"{seeds_note(settings.seeds)}"
    )


def write_tables(
    out: Path,
    settings: Settings,
    metrics: dict,
    rows: pd.DataFrame,
    predictions: pd.DataFrame,
    moved: pd.DataFrame,
    others: dict[str, ReportTable],
) -> None:
    """Write every table of the stage, and ``others`` with the same caption."""
    section, options = settings.transfer, settings.evaluate
    as_trained = predictions[predictions.setting == AS_TRAINED]
    tables = others | {
        "transfer": ReportTable(
            "On the transfer corpus (accuracy, %)",
            shots_table(metrics, section.shots, section.normalisation, _beside_published(settings)),
            _shots_note(settings, bool(rows.speaker_disjoint.all())),
        ),
        "scores": ReportTable(
            "Zero-shot, as trained, pooled over folds (95 % intervals, speakers resampled)",
            scores_table(metrics),
            "UAR: the mean recall of the classes that the corpus has; chance is 1 / their number.",
        ),
        "pairs": pairs_table(as_trained, options.permutations, settings.seed),
        "folds": ReportTable(
            "Zero-shot, fold by fold (accuracy, %)", folds_table(metrics), target_note(metrics)
        ),
        "normalisation": ReportTable(
            "Zero-shot, by unsupervised normalisation (accuracy, %)", normalisation_table(metrics)
        ),
        "source": ReportTable("The same models on their own test parts (accuracy, %)", source_table(metrics)),
        "collapse": ReportTable(
            "Zero-shot: which emotion becomes which",
            collapse_table(as_trained),
            "All folds together, no normalisation.",
        ),
        "shift": ReportTable(
            "How far the corpus lies from the training data",
            shift_table(moved, metrics),
            "In standard deviations of the training steps. The guess without labels is an estimate, and "
            "may be far off.",
        ),
    }
    caption = _caption(settings, as_trained)
    for name, table in tables.items():
        write_report_table(
            out, name, replace(table, notes=f"{caption} {table.notes}".strip()), is_synthetic(settings)
        )
