"""From the benchmark to the transfer corpus and back: linear probes on the classes that both share.

The arms are trained on the benchmark alone, so they show one way. A probe costs next to nothing, so that it
is trained on each corpus and tested on all of the other; both ways have the same classes and the same
encoders.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import softmax

from mfer_core.base.labels import LabelSet
from mfer_core.base.modalities import MODALITIES
from mfer_core.base.paths import DataPaths
from mfer_core.base.settings import Settings
from mfer_core.dataset.modality import manifest_of
from mfer_core.evaluation.arms import PROBES
from mfer_core.evaluation.probe import Statistics, design, embedding_statistics, strongest
from mfer_core.evaluation.shared_classes import SharedClasses
from mfer_core.evaluation.summary import summarise
from mfer_core.evaluation.tables import ReportTable, interval
from mfer_core.models.regression import fit_regression
from mfer_core.protocol.folds import inner_speakers
from mfer_core.protocol.predictions import prediction_rows

NOTE = (
    "Each probe is a logistic regression on mean and deviation over time of the embeddings, trained on all "
    "clips of one corpus that have a shared class and tested on all such clips of the other; its strength is "
    "chosen on a part of the training speakers. Nothing of the tested corpus is used, its moments neither."
)
Corpus = tuple[str, pd.DataFrame]  # name, and its manifest by shared class, indexed by clip_id


def cross_corpus(data: Path, settings: Settings, classes: SharedClasses) -> list[dict]:
    """Figures of every probe from benchmark to transfer corpus and back: trained_on, tested_on, probe, clips,
    speakers, accuracy and uar (statistics with intervals by speaker). A corpus of one speaker trains none.
    """
    labels = LabelSet.read(DataPaths(data).labels)
    known = labels.classify(manifest_of(data, [settings.roles.benchmark]))
    corpora = [
        (settings.roles.benchmark, classes.source(known)),
        (settings.roles.transfer, classes.classify(manifest_of(data, [settings.roles.transfer]))),
    ]
    arms: list[str] = [arm for arm in MODALITIES if arm in settings.arms]
    values = {(arm, name): embedding_statistics(data, arm, name) for arm in arms for name, _ in corpora}
    figures = []
    for source, target in (corpora, corpora[::-1]):
        for probe, names in PROBES.items():
            if set(names) <= set(arms) and source[1].speaker.nunique() > 1:
                pair = [{arm: values[arm, corpus[0]] for arm in names} for corpus in (source, target)]
                figures += _one_way(probe, (source, target), pair, classes.shared, settings)
    return figures


def _one_way(
    probe: str,
    corpora: tuple[Corpus, Corpus],
    features: list[dict[str, Statistics]],
    shared: list[str],
    settings: Settings,
) -> list[dict]:
    """The figures of one probe on one corpus after training on the other; none where one has no such
    clips.
    """
    (source, known), (target, asked) = corpora
    trained, tested = (
        sorted(set(manifest.index).intersection(*values.values()))
        for (_, manifest), values in zip(corpora, features, strict=True)
    )
    if not trained or not tested:
        return []
    shares = _predict(known.loc[trained], tested, features, shared, settings)
    table = prediction_rows(asked.label[tested], source, 0, probe, shares, tuple(shared))
    speakers, options = table.clip_id.map(asked.speaker), settings.evaluate
    scores = summarise(table, speakers, tuple(shared), options.bootstrap, settings.seed)
    facts = {"trained_on": source, "tested_on": target, "probe": probe, "clips": len(tested)}
    return [
        facts | {"speakers": int(speakers.nunique()), "accuracy": scores["accuracy"], "uar": scores["uar"]}
    ]


def _predict(
    known: pd.DataFrame,
    tested: list[str],
    features: list[dict[str, Statistics]],
    shared: list[str],
    settings: Settings,
) -> np.ndarray:
    """Probabilities [N, C] of the tested clips by a probe on the clips of ``known``."""
    ids, rng = known.label.map(shared.index), np.random.default_rng(settings.seed)
    people = known.drop_duplicates("speaker")[["speaker", "sex"]]
    held = known.speaker.isin(inner_speakers(people, settings.folds.inner_share, rng))
    train, valid = known.index[~held].tolist(), known.index[held].tolist()
    best = strongest(features[0], ids, train, valid, len(shared))
    first, last = design(_joined(features), known.index.tolist(), tested)
    (final,) = fit_regression(first, ids.to_numpy(), len(shared), [best])
    return softmax(final.logits(last), 1)


def _joined(features: list[dict[str, Statistics]]) -> Mapping[str, Statistics]:
    """Modality -> the statistics of both corpora."""
    return {name: features[0][name] | features[1][name] for name in features[0]}


def cross_corpus_table(figures: list[dict]) -> ReportTable:
    """The figures as a table."""
    rows = [
        {
            "trained on": row["trained_on"],
            "tested on": row["tested_on"],
            "probe": row["probe"],
            "clips": str(row["clips"]),
            "speakers": str(row["speakers"]),
            "accuracy % (95 % CI)": interval(row["accuracy"]),
            "UAR % (95 % CI)": interval(row["uar"]),
        }
        for row in figures
    ]
    return ReportTable(
        "From one corpus to the other and back, on the shared classes", pd.DataFrame(rows), NOTE
    )
