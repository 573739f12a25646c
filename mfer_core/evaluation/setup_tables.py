"""The tables that describe the experiment: corpora and hyperparameters."""

import pandas as pd

from mfer_core.base.labels import EMOTIONS
from mfer_core.base.settings import Settings
from mfer_core.evaluation.published_results import published

STAGES = {
    "train_visual": "1 visual",
    "pretrain_audio": "2a audio, 4 classes",
    "train_audio": "2b audio",
    "train_fused": "3 fused",
}


def corpora_table(manifests: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Clips and speakers per corpus and emotion; below, the counts that the reference used."""
    rows = []
    further = {label for manifest in manifests.values() for label in manifest.label} - set(EMOTIONS)
    labels = (*EMOTIONS, *sorted(further))
    for corpus, manifest in manifests.items():
        counts = manifest.label.value_counts()
        cells = {label: str(int(counts.get(label, 0))) for label in labels}
        known = manifest.speaker[~manifest.speaker.str.endswith("-unknown")].nunique()
        rows.append(
            {"corpus": corpus, "speakers": str(known or "not known"), "clips": str(len(manifest)), **cells}
        )
    for corpus, counts in published()["corpora"].items():
        cells = {label: str(counts.get(label, "-")) for label in labels}
        rows.append(
            {"corpus": f"{corpus} (reference)", "speakers": "-", "clips": str(sum(counts.values())), **cells}
        )
    return pd.DataFrame(rows)


def training_table(settings: Settings) -> pd.DataFrame:
    """The hyperparameters of each stage, a stage per column."""
    columns = {title: getattr(settings, stage).model_dump() for stage, title in STAGES.items()}
    names = list(dict.fromkeys(name for values in columns.values() for name in values))
    return pd.DataFrame(
        [
            {
                "hyperparameter": name,
                **{title: str(values.get(name, "-")) for title, values in columns.items()},
            }
            for name in names
        ]
    )
