"""Published heads: the classifiers that published encoders bring along, for an answer before any training.

Nothing here is trained. The classes are those of the project (``labels.classes``) that both heads know, by
name, so that the arms and their mean can be compared; what else a head knows is left out and its other
probabilities are made to sum to 1. Both heads' probabilities are averaged with equal weights.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from mfer_core.base.errors import MferError
from mfer_core.base.labels import EIGHT, head_classes
from mfer_core.base.modalities import MODALITIES
from mfer_core.base.settings import Predict
from mfer_core.cache.heads import Head, by_class, soften
from mfer_core.encoders.cards import labels_learned, licence_of, refuse_forbidden
from mfer_core.encoders.checkpoints import checkpoint_folder
from mfer_core.encoders.emotion2vec import Emotion2vecEncoder, load_emotion2vec
from mfer_core.encoders.vit import VitEncoder, load_vit
from mfer_core.prediction.classifiers import Decision
from mfer_core.prediction.run import HeadSource
from mfer_core.prediction.windows import Part, RecordingEmbeddings

FILES = {
    "visual": "config.json, preprocessor_config.json, model.safetensors",
    "audio": "config.yaml, configuration.json, tokens.txt, model.pt",
}


@dataclass
class PublishedHeads:
    """The heads of both encoders and the mean of their probabilities."""

    heads: dict[str, Head]  # modality -> head
    temperatures: Mapping[str, float]  # modality -> divisor of the logits
    declared: tuple[str, ...] = EIGHT  # the project's classes, in their order
    classes: tuple[str, ...] = field(init=False)  # those that both heads know
    names: dict[str, list[str | None]] = field(init=False)  # modality -> its head's labels as class names

    def __post_init__(self) -> None:
        """Raises MferError when the heads share fewer than two of the project's classes."""
        self.names = {
            modality: head_classes(head.labels, self.declared) for modality, head in self.heads.items()
        }
        shared = set(self.declared).intersection(*self.names.values())
        self.classes = tuple(name for name in self.declared if name in shared)
        if len(self.classes) < 2:
            labels = "; ".join(f"{name}: {', '.join(head.labels)}" for name, head in self.heads.items())
            raise MferError(
                f"the heads share {len(self.classes)} emotions, and need two ({labels}) of labels.classes: "
                f"{', '.join(self.declared)}"
            )

    @property
    def lacking(self) -> list[str]:
        """The project's classes that are not known to both heads."""
        return [name for name in self.declared if name not in self.classes]

    def decide(self, parts: Iterable[Part]) -> Iterator[Decision]:
        for visual, audio in parts:
            yield self._decide(visual.numpy(), audio.numpy())

    def decide_whole(self, embedded: RecordingEmbeddings) -> Decision:
        return self._decide(embedded.visual, embedded.audio)

    def _decide(self, *values: np.ndarray) -> Decision:
        shares = {
            modality: self._shares(modality, steps)
            for modality, steps in zip(MODALITIES, values, strict=True)
            if len(steps)
        }
        if shares:
            shares["fused"] = torch.stack(list(shares.values())).mean(0)
        return shares

    def shares(self, modality: str, clips: Sequence[np.ndarray], temperature: float) -> np.ndarray:
        """float64 [N, C], among the classes, of the logits of N clips (``Head.clip_logits``)."""
        lengths = [len(clip) for clip in clips]
        steps = soften(np.concatenate(clips), temperature)
        sums = np.add.reduceat(steps, np.cumsum([0, *lengths[:-1]]))
        shares = sums / np.array(lengths)[:, None]
        return by_class(self.names[modality], shares, self.classes)

    def _shares(self, modality: str, steps: np.ndarray) -> torch.Tensor:
        logits = self.heads[modality].clip_logits(modality, steps)
        return torch.from_numpy(self.shares(modality, [logits], self.temperatures[modality])[0])

    def left_out(self, modality: str) -> list[str]:
        """The head's labels that are not among the classes."""
        named = zip(self.heads[modality].labels, self.names[modality], strict=True)
        return [label for label, name in named if name not in self.classes]


def load_heads(
    chosen: Predict, device: str, declared: tuple[str, ...] = EIGHT
) -> tuple[VitEncoder, Emotion2vecEncoder, PublishedHeads, tuple[HeadSource, ...]]:
    """Both published encoders, their heads, which answer in the ``declared`` classes, and where these come
    from.

    Raises MferError naming the folder to fill where a checkpoint is neither here nor to be had, and for a
    speech encoder without a head.
    """
    named = {
        "visual": (chosen.image_encoder, chosen.image_revision),
        "audio": (chosen.speech_encoder, chosen.speech_revision),
    }
    # Both are fetched before either is loaded: transformers switches off the downloads' progress bars.
    folders = {modality: _locate(modality, *names) for modality, names in named.items()}
    visual, audio = (
        load_vit(*named["visual"], device, "fp32", chosen.image_hash),
        load_emotion2vec(*named["audio"], device, "fp32", chosen.speech_hash),
    )
    speech_head = audio.head()
    if speech_head is None:
        raise MferError(
            f"{chosen.speech_encoder} has no head of its own: name one that has, such as "
            "emotion2vec/emotion2vec_plus_base (--speech-encoder, or predict.speech_encoder)"
        )
    temperatures = {"visual": chosen.image_temperature, "audio": chosen.speech_temperature}
    heads = PublishedHeads({"visual": visual.head(), "audio": speech_head}, temperatures, declared)
    metadata = {"visual": visual.metadata, "audio": audio.metadata}
    sources = tuple(
        HeadSource(
            arm=modality,
            checkpoint=facts["name"],
            revision=facts["revision"],
            hash=facts["hash"],
            labels=heads.heads[modality].labels,
            left_out=heads.left_out(modality),
            labels_seen=labels_learned(facts["name"]),
            licence=licence_of(folders[modality], facts["name"]),
            temperature=temperatures[modality],
        )
        for modality, facts in metadata.items()
    )
    return visual, audio, heads, sources


def about(sources: tuple[HeadSource, ...], heads: PublishedHeads) -> list[str]:
    """What a person must know of published heads, in lines."""
    without = f" ({', '.join(heads.lacking)}: not known to both)" if heads.lacking else ""
    calibrated = any(source.temperature != 1 for source in sources)
    mean = "after the temperatures of these settings" if calibrated else "nothing was calibrated"
    return [
        "Published heads; nothing was trained here.",
        *map(str, sources),
        f"fused: the mean of both heads' probabilities, {mean}",
        f"classes: what both heads know{without}",
    ]


def _locate(modality: str, checkpoint: str, revision: str | None) -> Path:
    """The checkpoint's folder, downloaded where it is not here. Raises MferError that says which files go
    into which folder.
    """
    refuse_forbidden(checkpoint)  # Without the files: there are none to put anywhere.
    try:
        return checkpoint_folder(checkpoint, revision)
    except MferError as error:
        raise MferError(f"{error} (the files: {FILES[modality]})") from error
