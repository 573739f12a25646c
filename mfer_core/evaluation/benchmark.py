"""The benchmark of stage evaluate: corpus, clips, speakers, classes, and whether the encoders have seen its
labels.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from mfer_core.base.labels import LabelSet
from mfer_core.base.modalities import MODALITIES
from mfer_core.base.settings import Settings
from mfer_core.encoders.labels_seen import labels_of
from mfer_core.evaluation.arms import BASELINE, LATE, OF_SPEAKER, PROBES
from mfer_core.protocol.protocols import protocol

# The suffix of the speaker that ingest gives clips whose speaker the corpus does not name.
UNKNOWN = "-unknown"
SYNTHETIC = "synthetic"
FEW_SPEAKERS = 10
FREE_SPEECH = (
    "Acted speech: on free speech good systems reach a macro F1 of about 41 % "
    "(MSP-Podcast, eight classes, Interspeech 2025 challenge)."
)


def seeds_note(seeds: Sequence[int]) -> str:
    """A sentence about what the figures of trained models say about training noise."""
    if len(seeds) == 1:
        return f"Trained with one seed ({seeds[0]}): training noise is in no interval."
    names = ", ".join(map(str, seeds))
    return (
        f"Trained models: means over the seeds {names}; `seeds ±` is the sample deviation of a figure over "
        "them. Intervals resample speakers, each with the predictions of all seeds. Encoders and stage 2a "
        "are trained once."
    )


@dataclass(frozen=True)
class Benchmark:
    """The corpus that is trained and tested on, as far as its clips are in a fold."""

    name: str  # The corpus's name in the settings.
    adapter: str
    synthetic: bool
    labels: LabelSet  # the classes that occur
    manifest: pd.DataFrame  # a row per clip that is in a fold, indexed by clip_id
    seeds: tuple[int, ...]  # with which each fold model was trained
    seen: dict[str, str]  # modality -> whether its encoder has seen the corpus's labels, in words

    @property
    def clips(self) -> int:
        return len(self.manifest)

    @property
    def classes(self) -> tuple[str, ...]:
        return self.labels.classes

    @property
    def speakers(self) -> int:
        """The number of speakers; clips of unknown speakers count as one."""
        return int(self.manifest.speaker.nunique())

    def speaker_of(self, clips: pd.Series) -> pd.Series:
        return clips.map(self.manifest.speaker)

    def label(self, name: str) -> str:
        """A protocol's name for tables, with the number of its actors that are there."""
        return protocol(name).label_with(self.speakers)

    def labels_seen(self, arm: str) -> str:
        """Whether the encoders behind an arm have seen the benchmark's labels."""
        arm = arm.removesuffix(OF_SPEAKER).removeprefix("zero_shot_")
        if arm == BASELINE:
            return "no encoder"
        modalities = MODALITIES if arm == "fused" or arm in LATE else (arm,)
        labels = {modality: self.seen[modality] for modality in PROBES.get(arm, modalities)}
        if len(set(labels.values())) == 1:
            return next(iter(labels.values()))
        return "; ".join(f"{modality}: {words}" for modality, words in labels.items())

    @property
    def caption(self) -> str:
        """The line that stands below every table of figures."""
        kind = f" ({SYNTHETIC})" if self.synthetic else ""
        facts = f"{self.clips} clips of {self.speakers} speakers, {len(self.classes)} classes"
        unknown = int(self.manifest.speaker.str.endswith(UNKNOWN).sum())
        sentences = [f"Benchmark: {self.name}{kind}, {facts}."]
        if unknown:
            sentences.append(
                f"{unknown} clips of unknown speakers count as one person, so folds may share a person "
                "among them."
            )
        if self.speakers < FEW_SPEAKERS:
            sentences.append(
                f"Intervals over {self.speakers} speakers are too narrow (in simulations, one over four "
                "covers in 82 % of trials, not 95 %)."
            )
        return " ".join([*sentences, seeds_note(self.seeds)])


def open_benchmark(
    settings: Settings, manifest: pd.DataFrame, folds: pd.DataFrame, labels: LabelSet
) -> Benchmark:
    """The benchmark of the settings, with those clips of its ``manifest``, by their classes, that are in a
    fold.
    """
    name = settings.roles.benchmark
    corpus = settings.corpora[name]
    used = manifest[manifest.clip_id.isin(set(folds.clip_id))].set_index("clip_id", drop=False)
    seen = {modality: labels_of(name, modality, settings) for modality in MODALITIES}
    return Benchmark(name, corpus.adapter, settings.synthetic, labels, used, tuple(settings.seeds), seen)


def few_tested(tested: dict[str, int]) -> str:
    """A sentence for the protocols that test few speakers (chumachenko: four); ``tested``: protocol -> how
    many.
    """
    by_count: dict[int, list[str]] = {}
    for name, count in tested.items():
        if count < FEW_SPEAKERS:
            by_count.setdefault(count, []).append(name)
    return " ".join(
        f"{', '.join(names)}: {count} tested speakers, so no p below {2 / 2**count:.3g} exists and "
        "intervals are too narrow."
        for count, names in by_count.items()
    )
