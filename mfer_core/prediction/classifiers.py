"""From embeddings to emotions: what decides in ``Predictor``, trained arms or published heads."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from mfer_core.base.modalities import ARMS
from mfer_core.models.fusion import CrossAttentionHead, Fused
from mfer_core.prediction.running import STEPS, read_running
from mfer_core.prediction.windows import Part, RecordingEmbeddings

BATCH = 64  # windows through the arms at a time
Decision = dict[str, Tensor]  # arm -> probabilities [C], for the arms that have a say


class Classifier(Protocol):
    """Decides on parts of a recording, and on all of it."""

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the C classes, in order."""

    def decide(self, parts: Iterable[Part]) -> Iterator[Decision]:
        """One decision per part; an arm without its modality has no say, ``fused`` has one where either is
        there.
        """

    def decide_whole(self, embedded: RecordingEmbeddings) -> Decision:
        """The decision on a recording of any length, whose embeddings may lie on disk."""


@dataclass
class TrainedArms:
    """The fused model that the pipeline trains."""

    model: Fused

    @property
    def classes(self) -> tuple[str, ...]:
        return self.model.classes

    def decide(self, parts: Iterable[Part]) -> Iterator[Decision]:
        waiting = iter(parts)
        while batch := list(islice(waiting, BATCH)):
            visual, audio = (_padded(side) for side in zip(*batch, strict=True))
            with torch.no_grad():
                logits = self.model.visual(*visual), self.model.audio(*audio), self.model(*visual, *audio)
            shares = [values.softmax(1) for values in logits]
            present = visual[1] > 0, audio[1] > 0, visual[1] + audio[1] > 0
            for index in range(len(visual[1])):
                yield {
                    arm: values[index]
                    for arm, values, has in zip(ARMS, shares, present, strict=True)
                    if has[index]
                }

    def decide_whole(self, embedded: RecordingEmbeddings) -> Decision:
        lengths = len(embedded.visual), len(embedded.audio)
        if max(lengths) <= STEPS:
            return next(self.decide([embedded.whole()]))
        model = self.model
        with torch.no_grad():
            keep = isinstance(model.head, CrossAttentionHead)
            visual = read_running(model.visual, embedded.visual, keep)
            audio = read_running(model.audio, embedded.audio, keep)
            rows = (*model.head.rows(model.visual, *visual), *model.head.rows(model.audio, *audio))
            logits = (model.visual.classifier(visual[0]), model.audio.classifier(audio[0]), model.head(*rows))
        has = (*map(bool, lengths), True)
        return {
            arm: values.softmax(1)[0]
            for arm, values, is_there in zip(ARMS, logits, has, strict=True)
            if is_there
        }


def _padded(parts: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
    """Right-padded [B, T, D] with T at least 1, and the lengths [B]."""
    filled = [part if len(part) else part.new_zeros(1, part.shape[1]) for part in parts]
    return pad_sequence(filled, batch_first=True), torch.tensor([len(part) for part in parts])
