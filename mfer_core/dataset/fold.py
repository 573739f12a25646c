"""One fold's data, read once: which clips are in which part, their labels and speakers, their embeddings, and
a digest of it all.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pandas as pd

from mfer_core.base.errors import MferError
from mfer_core.base.files import digest, read_table
from mfer_core.base.labels import LabelSet, label_set
from mfer_core.base.paths import DataPaths
from mfer_core.dataset.clips import Clips
from mfer_core.dataset.crowd import crowd_column, soft_targets
from mfer_core.dataset.modality import ModalityEmbeddings, load_modality, make_clips, manifest_of
from mfer_core.protocol.protocols import PARTS
from mfer_core.protocol.speakers import four_classes, speaker_parts


@dataclass(frozen=True)
class Fold:
    """Clips of some corpora in parts: a fold of the benchmark under a protocol, all of the benchmark, or the
    parts of stage 2a.
    """

    paths: DataPaths
    corpora: tuple[str, ...]
    protocol: str
    number: int | None  # None: every clip of the protocol's folds is trained on
    classes: tuple[str, ...]
    parts: dict[str, list[str]]  # part -> clip_ids, in order
    manifest: pd.DataFrame  # the corpora's manifests, indexed by clip_id
    # The benchmark's classes, and how much of its crowd's votes is learned.
    labels: LabelSet = field(default_factory=LabelSet)
    _opened: dict[str, ModalityEmbeddings] = field(default_factory=dict, repr=False)

    @classmethod
    def read(cls, data: Path, corpus: str, protocol: str, number: int | None) -> "Fold":
        """A fold of the folds table; without a ``number`` all clips of the protocol's folds to be trained on,
        and nothing held out. Raises MferError when the table does not hold it.
        """
        paths = DataPaths(Path(data))
        rows = read_table(paths.folds)
        rows = rows[rows.protocol == protocol]
        if number is None:
            rows = rows.drop_duplicates("clip_id").assign(part="train")
        else:
            rows = rows[rows.fold == number]
        if rows.empty:
            wanted = "no fold" if number is None else f"no fold {number}"
            raise MferError(
                f"folds.parquet holds {wanted} of {protocol}: run the folds stage after changing its settings"
            )
        parts = {part: sorted(rows.clip_id[rows.part == part]) for part in PARTS}
        labels = LabelSet.read(paths.labels)
        manifest = labels.classify(manifest_of(data, [corpus]))
        return cls(paths, (corpus,), protocol, number, labels.classes, parts, manifest, labels)

    @classmethod
    def of_pretraining(cls, data: Path, corpora: Sequence[str], seed: int) -> "Fold":
        """Stage 2a's clips: the four classes of the pretraining corpora, speakers held out."""
        manifest = four_classes(manifest_of(data, corpora))
        parts, paths = speaker_parts(manifest, seed), DataPaths(Path(data))
        return cls(paths, tuple(corpora), "pretrain_audio", 0, label_set("four"), parts, manifest)

    @property
    def name(self) -> str:
        """For log lines and errors."""
        return f"{self.protocol}, all clips" if self.number is None else f"{self.protocol} fold {self.number}"

    def model_folder(self, stage: str, seed: int) -> Path:
        """Where a training stage keeps the model of this fold."""
        if self.number is None:
            return self.paths.final(stage)
        return self.paths.fold(stage, self.protocol, seed, self.number)

    def with_valid(self) -> "Fold":
        """The same fold with the validation clips among those that are trained on."""
        train = sorted({*self.parts["train"], *self.parts["valid"]})
        return replace(self, parts={**self.parts, "train": train})

    def modality(self, name: str) -> ModalityEmbeddings:
        """The embeddings of "visual" or "audio" with their augmented views, opened once."""
        if name not in self._opened:
            self._opened[name] = load_modality(self.paths.root, name, self.corpora)
        return self._opened[name]

    def digest(self, modalities: Sequence[str]) -> str:
        """A hash of all that a model of ``modalities`` reads: its clips' parts, labels, speakers and
        embeddings.
        """
        facts = []
        for name in modalities:
            for metadata, keys in self.modality(name).content:
                clips = [[part, [[clip, keys.get(clip)] for clip in ids]] for part, ids in self.parts.items()]
                facts.append([name, metadata, clips])
        known = sorted({clip for ids in self.parts.values() for clip in ids})
        rows = self.manifest.loc[known]
        values = [facts, self.classes, rows[["label", "speaker"]].values.tolist()]
        if self.labels.crowd_share:
            values += [self.labels.crowd_share, rows[crowd_column(modalities)].tolist()]
        return digest(*values)

    def clips(self, modalities: Mapping[str, ModalityEmbeddings]) -> dict[str, Clips]:
        """The clips by part, each with those of ``modalities`` that it has.

        Raises MferError when no clip is left to train on, or none of a validation part.
        """
        clips = {part: self._clips(part, modalities) for part in PARTS}
        for part in ["train", *(["valid"] if self.parts["valid"] else [])]:
            if not len(clips[part]):
                names = " or ".join(modalities)
                raise MferError(f"{self.name}: no {part} clips with {names} embeddings")
        return clips

    def _clips(self, part: str, modalities: Mapping[str, ModalityEmbeddings]) -> Clips:
        clips = make_clips(self.parts[part], self.manifest, self.classes, modalities)
        if not self.labels.crowd_share:
            return clips
        rows = self.manifest.loc[list(clips.clip_ids)]
        return replace(clips, targets=soft_targets(rows.label, rows[crowd_column(modalities)], self.labels))
