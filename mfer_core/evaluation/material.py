"""Frames that describe what stands behind the results: corpora, hyperparameters, the 4-class stage."""

import pandas as pd

from mfer_core.evaluation.published import published
from mfer_core.evaluation.tables import percent
from mfer_core.labels import EMOTIONS, label_set
from mfer_core.settings import Settings

STAGES = {"train_visual": "1 visual", "pretrain_audio": "2a audio, 4 classes", "train_audio": "2b audio", "train_fused": "3 fused"}


def corpora_table(manifests: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Clips and speakers per corpus and emotion; below, the counts that the reference used."""
    rows = []
    for corpus, manifest in manifests.items():
        counts = manifest.label.value_counts()
        cells = {label: str(int(counts.get(label, 0))) for label in EMOTIONS}
        known = manifest.speaker[~manifest.speaker.str.endswith("-unknown")].nunique()
        rows.append({"corpus": corpus, "speakers": str(known or "not known"), "clips": str(len(manifest)), **cells})
    for corpus, counts in published()["corpora"].items():
        cells = {label: str(counts.get(label, "-")) for label in EMOTIONS}
        rows.append({"corpus": f"{corpus} (reference)", "speakers": "-", "clips": str(sum(counts.values())), **cells})
    return pd.DataFrame(rows)


def training_table(settings: Settings) -> pd.DataFrame:
    """The hyperparameters of each stage, a stage per column."""
    columns = {title: getattr(settings, stage).model_dump() for stage, title in STAGES.items()}
    names = list(dict.fromkeys(name for values in columns.values() for name in values))
    return pd.DataFrame(
        [{"hyperparameter": name, **{title: str(values.get(name, "-")) for title, values in columns.items()}} for name in names]
    )


def pretraining_table(metrics: dict[str, dict]) -> pd.DataFrame:
    """Stage 2a per corpus: accuracy, UAR and recall per class on unseen speakers, and what the reference published."""
    classes = label_set("four")
    rows = []
    for corpus, row in metrics.items():
        cells = {label: percent(row["recall"][label]) for label in classes}
        rows.append(
            {"corpus": corpus, "clips": str(row["clips"]), "accuracy %": percent(row["accuracy"]), "UAR %": percent(row["uar"]), **cells}
        )
    for corpus, recall in published()["pretraining"].items():
        uar = sum(recall.values()) / len(recall)
        cells = {label: f"{recall[label]:.1f}" for label in classes}
        rows.append({"corpus": f"{corpus} (reference)", "clips": "-", "accuracy %": "-", "UAR %": f"{uar:.1f}", **cells})
    return pd.DataFrame(rows)


def matrix_table(matrix: dict[str, dict[str, float]]) -> pd.DataFrame:
    """Stage 2a trained on all corpora but one: UAR on each; the diagonal is a corpus of which nothing was seen."""
    return pd.DataFrame(
        [
            {"training left out": left_out, **{f"tested on {name}": percent(value) for name, value in row.items()}}
            for left_out, row in matrix.items()
        ]
    )
