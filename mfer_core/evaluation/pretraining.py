"""Stage 2a in tables: the audio arm on four corpora and four emotions, beside an SVM and beside the reference."""

from pathlib import Path

import numpy as np
import pandas as pd

from mfer_core.base.files import read_table
from mfer_core.base.paths import DataPaths
from mfer_core.base.settings import Settings
from mfer_core.dataset.modality import manifest_of
from mfer_core.evaluation.baseline import baseline_features, baseline_predictions
from mfer_core.evaluation.published import published
from mfer_core.evaluation.tables import percent
from mfer_core.protocol.corpus_scores import CLASSES, corpus_of, corpus_scores
from mfer_core.protocol.speakers import four_classes, present_corpora

STAGE = "pretrain_audio"
PRETRAINING_NOTE = (
    "Ours: unseen speakers; the SVM (statistics of MFCCs) learned from all other clips, of which the arm kept a part to choose its "
    "epoch on. Reference: random clips; "
    "its SVM is that of Aljuhani et al. 2021, who learned from this corpus alone."
)


def pretraining_baseline(data: Path, settings: Settings) -> dict[str, dict]:
    """The SVM on the test clips of stage 2a, trained on all its other clips: what ``corpus_scores`` makes of it.

    Nothing where the stage or the baseline is left out, or no test clip has a waveform. Raises MferError when extract has not run.
    """
    predictions = data / STAGE / "predictions.parquet"
    if not (settings.evaluate.baseline and predictions.exists()):
        return {}
    tested, corpora = set(read_table(predictions, ["clip_id"]).clip_id), present_corpora(settings)
    manifest = four_classes(manifest_of(data, corpora))
    values = {
        clip: found
        for corpus in corpora
        for clip, found in baseline_features(DataPaths(data).extract(corpus), set(manifest.index)).items()
    }
    if not tested & set(values):
        return {}
    part = np.where(manifest.index.isin(tested), "test", "train")
    folds = pd.DataFrame({"protocol": STAGE, "fold": 0, "clip_id": list(manifest.index), "part": part})
    found = baseline_predictions(values, manifest, folds, CLASSES)
    return corpus_scores(found.assign(corpus=found.clip_id.map(corpus_of)))


def pretraining_table(metrics: dict[str, dict], svm: dict[str, dict]) -> pd.DataFrame:
    """Per corpus: accuracy of the arm and of the SVM, UAR and recall per class on unseen speakers, and what the reference published."""
    rows = []
    for corpus, row in metrics.items():
        cells = {label: percent(row["recall"][label]) for label in CLASSES}
        scores = {
            "accuracy %": percent(row["accuracy"]),
            "SVM accuracy %": percent(svm.get(corpus, {}).get("accuracy")),
        }
        rows.append(
            {"corpus": corpus, "clips": str(row["clips"]), **scores, "UAR %": percent(row["uar"]), **cells}
        )
    for corpus, recall in published()["pretraining"].items():
        uar = sum(recall.values()) / len(recall)
        cells = {label: f"{recall[label]:.1f}" for label in CLASSES}
        overall = published()["pretraining_accuracy"].get(corpus, {})
        scores = {
            "accuracy %": f"{overall.get('audio', '-')}",
            "SVM accuracy %": f"{overall.get('svm', '-')}",
        }
        rows.append(
            {"corpus": f"{corpus} (reference)", "clips": "-", **scores, "UAR %": f"{uar:.1f}", **cells}
        )
    return pd.DataFrame(rows)


def matrix_table(matrix: dict[str, dict[str, float]]) -> pd.DataFrame:
    """Stage 2a trained on all corpora but one: UAR on each; the diagonal is a corpus of which nothing was seen."""
    return pd.DataFrame(
        [
            {
                "training left out": left_out,
                **{f"tested on {name}": percent(value) for name, value in row.items()},
            }
            for left_out, row in matrix.items()
        ]
    )
