"""Several encoders of one modality on the same folds: a linear probe and the arm of each, with cost,
intervals and paired tests.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

from mfer_core.base.errors import MferError
from mfer_core.base.settings import Evaluate
from mfer_core.cache.embeddings import Embeddings
from mfer_core.evaluation.benchmark import FREE_SPEECH, Benchmark
from mfer_core.evaluation.pairs import compare, holm
from mfer_core.evaluation.summary import summarise
from mfer_core.evaluation.tables import ReportTable, interval, p_value, points

READERS = ("probe", "arm", "SVM")  # what reads an encoder's embeddings, in the order of the rows
ENCODERS = {"audio": "Speech encoders", "visual": "Picture encoders"}
RECORDED = {"audio": "sound", "visual": "recording"}
NOTE = (
    "The probe is a logistic regression on mean and deviation over time of the embeddings; the arm is that "
    "of the settings, trained from scratch for every encoder; no encoder is fine-tuned, and no arm begins at "
    "stage 2a. Both choose on the inner split of the training speakers. Computing: measured when the "
    "embeddings were computed, loading included, on this machine and whatever else it did."
)
PAIRS_NOTE = (
    "Two-sided, differences are first minus second, in points; permutations exchange whole speakers; p are "
    "corrected by Holm's method over the rows. All pairs of encoders are tested, none was named in advance."
)


@dataclass(frozen=True)
class Contender:
    """One row of the comparison: an encoder and what reads its embeddings."""

    encoder: str
    reader: str  # one of READERS
    facts: dict[str, str]  # Further cells of its row.
    predictions: pd.DataFrame

    def __str__(self) -> str:
        return f"{self.encoder}, {self.reader}"


def cost_column(modality: str) -> str:
    """The heading of what an encoder's embeddings took."""
    return f"computing, s per s of {RECORDED[modality]}"


def recorded_s(embeddings: Embeddings) -> float:
    """Seconds of recording behind all embeddings. Raises MferError where no clip has two steps, which alone
    say how far they are apart.
    """
    several = [times for times in embeddings.times().values() if len(times) > 1]
    if not several:
        raise MferError("every clip is shorter than two steps: no cost per second can be told")
    return float(embeddings.lengths.sum() * np.median(np.diff(several[0])))


def comparison_table(
    contenders: Sequence[Contender],
    benchmark: Benchmark,
    options: Evaluate,
    protocol: str,
    modality: str,
    seed: int,
) -> ReportTable:
    """Accuracy, UAR and macro F1 of every contender under one protocol, with the facts of its encoder."""
    rows = []
    for contender in contenders:
        table = contender.predictions
        stats = summarise(
            table, benchmark.speaker_of(table.clip_id), benchmark.classes, options.bootstrap, seed
        )
        figures = {
            "accuracy %, pooled (95 % CI by speaker)": interval(stats["accuracy"]),
            "UAR %, pooled (95 % CI)": interval(stats["uar"]),
            "macro F1 %, pooled (95 % CI)": interval(stats["macro_f1"]),
        }
        rows.append({"encoder": contender.encoder, "read by": contender.reader} | figures | contender.facts)
    title = f"{ENCODERS[modality]} on the same folds ({benchmark.label(protocol)})"
    notes = [benchmark.caption, NOTE, *([FREE_SPEECH] if modality == "audio" else [])]
    return ReportTable(title, pd.DataFrame(rows).fillna("-"), " ".join(notes))


def comparison_pairs(
    contenders: Sequence[Contender], benchmark: Benchmark, options: Evaluate, seed: int
) -> ReportTable:
    """Paired tests between encoders that are read alike, and of each probe against the SVM."""
    pairs = list(_pairs(contenders))
    speakers, permutations = benchmark.manifest.speaker, options.permutations
    tests = [
        compare(first.predictions, second.predictions, speakers, benchmark.classes, permutations, seed)
        for first, second in pairs
    ]
    corrected = holm([test["accuracy_p"] for test in tests])
    rows = [
        {
            "first": str(first),
            "second": str(second),
            "accuracy difference, points": points(test["accuracy_difference"]),
            "accuracy p (permutation by speaker)": p_value(test["accuracy_p"]),
            "p corrected (Holm)": p_value(after),
            "uar difference, points": points(test["uar_difference"]),
            "clips": test["clips"],
            "speakers": test["speakers"],
        }
        for (first, second), test, after in zip(pairs, tests, corrected, strict=True)
    ]
    return ReportTable(
        "Paired tests between encoders", pd.DataFrame(rows), f"{benchmark.caption} {PAIRS_NOTE}"
    )


def _pairs(contenders: Sequence[Contender]) -> Iterator[tuple[Contender, Contender]]:
    for first, second in combinations(contenders, 2):
        if first.reader == second.reader or (first.reader, second.reader) == ("probe", "SVM"):
            yield first, second
