"""Stage 2a in tables: the audio arm on four corpora and four emotions, beside an SVM and beside the
reference.
"""

from collections.abc import Collection
from pathlib import Path

import numpy as np
import pandas as pd

from mfer_core.base.files import read_json, read_table
from mfer_core.base.labels import label_set
from mfer_core.base.paths import DataPaths
from mfer_core.base.settings import Settings
from mfer_core.dataset.modality import manifest_of
from mfer_core.encoders.labels_seen import labels_of
from mfer_core.evaluation.baseline import baseline_features, baseline_predictions
from mfer_core.evaluation.published_results import published
from mfer_core.evaluation.summary import class_recalls, summarise
from mfer_core.evaluation.tables import ReportTable, interval, over_seeds, percent
from mfer_core.protocol.predictions import NO_SEED
from mfer_core.protocol.speakers import four_classes, present_corpora

FOUR = label_set("four")
STAGE = "pretrain_audio"
SEEN = "labels seen by the encoder"
WITHOUT = "none (an encoder trained without it)"
TABLE_NOTE = (
    "Ours: speakers that the audio arm was not trained on; 95 % intervals by resampling speakers; recalls "
    "without. The SVM (statistics of MFCCs) learned from all other clips, of which the arm kept a part to "
    "choose its epoch on. An encoder that this pipeline trained on a corpus did not learn from these "
    "speakers; a published one that knows the corpus's labels may have. Reference: random clips, mean ± "
    "population deviation over five folds, its UAR our mean of its recalls; its SVM is that of Aljuhani et "
    "al. 2021, who learned from this corpus alone. Rows marked leaky: ours tested like that, on shuffled "
    "clips of people that were trained on, with the checkpoint picked on them."
)
MATRIX_NOTE = (
    "Diagonal: the audio arm was trained on nothing of the corpus; whether the encoder below it was, the "
    "column says (pretrain_emotion2vec.leave_one_out trains one without each)."
)


def pretraining_tables(data: Path, settings: Settings) -> dict[str, ReportTable]:
    """The tables ``pretraining`` and ``cross_corpus``; without rows of ours where the stage was left out."""
    folder = DataPaths(data).stage(STAGE)
    rows: list[dict] = []
    if (folder / "predictions.parquet").exists():
        rows = _our_rows(data, settings)
    rows += [_reference_row(corpus) for corpus in published()["pretraining"]]
    encoders = read_json(folder / "config.json").get("left_out_encoders", {})
    matrix = _matrix_rows(read_json(folder / "cross_corpus.json"), settings, encoders)
    return {
        "pretraining": ReportTable(
            "Stage 2a, four classes, per corpus and class (%)", pd.DataFrame(rows), TABLE_NOTE
        ),
        "cross_corpus": ReportTable(
            "Stage 2a trained on all corpora but one (UAR, %)", pd.DataFrame(matrix), MATRIX_NOTE
        ),
    }


def _our_rows(data: Path, settings: Settings) -> list[dict]:
    predictions = read_table(DataPaths(data).predictions(STAGE)).assign(fold=0, seed=NO_SEED)
    manifest = four_classes(manifest_of(data, present_corpora(settings)))
    svm = pretraining_baseline(data, settings, manifest, set(predictions.clip_id))
    leaky = read_table(DataPaths(data).stage(STAGE) / "leaky_predictions.parquet").assign(seed=NO_SEED)
    return [
        *(_our_row(corpus, rows, manifest, svm, settings) for corpus, rows in _by_corpus(predictions)),
        *(
            _our_row(corpus, rows, manifest, svm[:0], settings) | {"corpus": f"{corpus} (leaky)"}
            for corpus, rows in _by_corpus(leaky)
        ),
    ]


def _by_corpus(predictions: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """The predictions of all corpora together, then of each; nothing where there are none."""
    if predictions.empty:
        return []
    parts = [(str(name), rows.reset_index(drop=True)) for name, rows in predictions.groupby("corpus")]
    return [("all", predictions), *parts]


def _our_row(
    corpus: str, rows: pd.DataFrame, manifest: pd.DataFrame, svm: pd.DataFrame, settings: Settings
) -> dict:
    """One corpus, or all: clips, speakers, scores of arm and SVM, recall per class."""

    def scores(table: pd.DataFrame) -> dict:
        options = settings.evaluate
        speakers = table.clip_id.map(manifest.speaker)
        return summarise(table, speakers, FOUR, options.bootstrap, settings.seed)

    arm, svm_rows = scores(rows), svm[svm.clip_id.isin(set(rows.clip_id))].reset_index(drop=True)
    return {
        "corpus": corpus,
        "clips": str(len(rows)),
        "speakers": str(rows.clip_id.map(manifest.speaker).nunique()),
        "accuracy": interval(arm["accuracy"]),
        "SVM accuracy": interval(scores(svm_rows)["accuracy"]) if len(svm_rows) else "-",
        "UAR": interval(arm["uar"]),
        **{label: over_seeds(values) for label, values in class_recalls(rows, FOUR).items()},
        SEEN: "-" if corpus == "all" else labels_of(corpus, "audio", settings),
    }


def _reference_row(corpus: str) -> dict:
    figures = published()
    recalls, spreads = figures["pretraining"][corpus], figures["pretraining_std"][corpus]
    overall = figures["pretraining_accuracy"].get(corpus, {})
    return {
        "corpus": f"{corpus} (reference)",
        "clips": str(sum(figures["corpora"][corpus][label] for label in FOUR)),
        "speakers": "-",
        "accuracy": f"{overall.get('audio', '-')}",
        "SVM accuracy": f"{overall.get('svm', '-')}",
        "UAR": f"{sum(recalls.values()) / len(recalls):.1f}",
        **{label: f"{recalls[label]:.2f} ± {spreads[label]:.2f}" for label in FOUR},
        SEEN: "yes (EmoBox, by way of emotion2vec+ seed)" if corpus != "sdc" else "none",
    }


def pretraining_baseline(
    data: Path, settings: Settings, manifest: pd.DataFrame, tested: set[str]
) -> pd.DataFrame:
    """Predictions of the SVM on the ``tested`` clips of stage 2a, trained on all its other clips in
    ``manifest``.

    Without rows where the baseline is left out or no test clip has a waveform. Raises MferError when extract
    has not run.
    """
    values: dict[str, np.ndarray] = {}
    if settings.evaluate.baseline:
        for corpus in present_corpora(settings):
            values |= baseline_features(DataPaths(data).extract(corpus), set(manifest.index))
    if not tested & set(values):
        return pd.DataFrame({"clip_id": []})
    part = np.where(manifest.index.isin(tested), "test", "train")
    folds = pd.DataFrame({"protocol": STAGE, "fold": 0, "clip_id": list(manifest.index), "part": part})
    return baseline_predictions(values, manifest, folds, FOUR)


def _matrix_rows(
    matrix: dict[str, dict[str, float]], settings: Settings, encoders: Collection[str]
) -> list[dict]:
    """Stage 2a trained on all corpora but one: UAR on each; ``encoders``: the corpora without which an
    encoder was trained, too.
    """
    return [
        {
            "training left out": left_out,
            **{f"tested on {name}": percent(value) for name, value in row.items()},
            f"its {SEEN}": WITHOUT if left_out in encoders else labels_of(left_out, "audio", settings),
        }
        for left_out, row in matrix.items()
    ]
