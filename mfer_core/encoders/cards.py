"""What is known of published encoders: their licence, what they were trained on, whose emotion labels they
have seen, and which may not be used for emotion recognition.

A figure on a corpus whose labels the encoder knows is not a figure on new people, whatever the folds hold
out: where a number stands, this stands beside it. docs/encoders.md shows the table.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mfer_core.base.errors import MferError

# What EmoBox (Ma et al. 2024, 32 corpora) shares with this project; the "+" checkpoints of emotion2vec were
# fine-tuned on it (emotion2vec's own README: the seed checkpoint on EmoBox's labels, base and large from the
# seed on pseudo-labels).
EMOBOX = ("ravdess", "crema_d", "shemo", "urdu")
UNLABELLED = "pretrained without emotion labels"
NOT_STATED = "not stated"
_LICENCE = re.compile(r"^(license|license_name):[ \t]*[\"']?([^\"'\n]+)", re.MULTILINE)


@dataclass(frozen=True)
class Card:
    """What the publishers of an encoder say of it."""

    licence: str
    trained_on: str
    labels: tuple[str, ...] = ()  # Adapters of the corpora whose emotion labels it was trained on.
    source: str = UNLABELLED  # The page on which the labels are stated.


LIBRISPEECH, LIBRI_LIGHT = "LibriSpeech, 960 h", "Libri-Light, 60,000 h"
MIXED = "Libri-Light, GigaSpeech and VoxPopuli, 94,000 h"
WAVLM = "MIT in its repository, CC BY-SA 3.0 by its hub card"
FUNASR = "FunASR model licence"
TRANSCRIPTS = "680,000 h of speech with transcripts"
PSEUDO = "EmoBox, by way of emotion2vec+ seed"
# Names of repositories, exact: fine-tuned checkpoints begin alike (hubert-large-superb-er).
CARDS: dict[str, Card] = {
    "emotion2vec_base": Card(FUNASR, "262 h of unlabelled speech", source="self-supervised (Ma et al. 2023)"),
    "emotion2vec_plus_seed": Card(FUNASR, "EmoBox, 201 h with emotion labels", EMOBOX, "EmoBox"),
    "emotion2vec_plus_base": Card(FUNASR, "4,788 h with pseudo-labels", EMOBOX, PSEUDO),
    "emotion2vec_plus_large": Card(FUNASR, "42,526 h with pseudo-labels", EMOBOX, PSEUDO),
    "facial_emotions_image_detection": Card(
        "Apache-2.0",
        "FER-2013 and others, shuffled",
        ("fer2013",),
        "the checkpoint's card, test images included",
    ),
    "vit-face-expression": Card(
        "Apache-2.0",
        "FER-2013, MMI, AffectNet",
        ("fer2013",),
        "the checkpoint's card (FER-2013, MMI, AffectNet)",
    ),
}
# (licence, trained on, names) of encoders that have seen no emotion label.
PRETRAINED: tuple[tuple[str, str, str], ...] = (
    ("Apache-2.0", LIBRISPEECH, "wav2vec2-base wav2vec2-large hubert-base-ls960"),
    ("Apache-2.0", LIBRISPEECH, "data2vec-audio-base data2vec-audio-large"),
    ("Apache-2.0", LIBRI_LIGHT, "wav2vec2-large-lv60 hubert-large-ll60k hubert-xlarge-ll60k"),
    ("Apache-2.0", "Libri-Light, Common Voice, Switchboard and Fisher", "wav2vec2-large-robust"),
    ("Apache-2.0", "56,000 h in 53 languages", "wav2vec2-large-xlsr-53"),
    ("Apache-2.0", "436,000 h in 128 languages", "wav2vec2-xls-r-300m wav2vec2-xls-r-1b"),
    (WAVLM, LIBRISPEECH, "wavlm-base"),
    (WAVLM, MIXED, "wavlm-base-plus wavlm-large"),
    ("not stated by its hub card", LIBRISPEECH, "unispeech-sat-base"),
    ("not stated by its hub card", MIXED, "unispeech-sat-base-plus unispeech-sat-large"),
    ("not stated by its hub card", "Common Voice, phonetic labels", "unispeech-large-1500h-cv"),
    ("MIT", "4.5 million h in 143 languages", "w2v-bert-2.0"),
    ("MIT", TRANSCRIPTS, "whisper-tiny whisper-base whisper-small whisper-medium whisper-large"),
    ("MIT", TRANSCRIPTS, "whisper-tiny.en whisper-base.en whisper-small.en whisper-medium.en"),
    ("MIT", TRANSCRIPTS, "whisper-large-v2 whisper-tiny-en-encoder"),
    ("MIT", "5 million h, most with pseudo-transcripts", "whisper-large-v3 whisper-large-v3-turbo"),
    ("Apache-2.0", "ImageNet-21k", "vit-base-patch16-224-in21k vit-large-patch16-224-in21k"),
    ("Apache-2.0", "ImageNet-21k and ImageNet-1k", "vit-base-patch16-224 vit-large-patch16-224"),
    ("Apache-2.0", "142 million images (LVD-142M)", "dinov2-small dinov2-base dinov2-large dinov2-giant"),
    (
        "Apache-2.0",
        "142 million images (LVD-142M)",
        "dinov2-with-registers-small dinov2-with-registers-base dinov2-with-registers-large",
    ),
    ("MIT", "400 million pairs of image and text", "clip-vit-base-patch32 clip-vit-base-patch16"),
    ("MIT", "400 million pairs of image and text", "clip-vit-large-patch14"),
    ("Apache-2.0", "WebLI, pairs of image and text", "siglip-base-patch16-224 siglip-large-patch16-256"),
    ("CC BY-NC 4.0", "Kinetics-400, unlabelled", "videomae-base videomae-large"),
    ("Apache-2.0", "ImageNet-1k", "convnext-tiny-224 convnext-small-224 convnext-base-224"),
)
# Beginnings of repositories' names -> why their licence forbids this use.
FORBIDDEN = {"sapiens2": "the Sapiens2 License excludes biometric processing and surveillance"}


def _pretrained() -> Iterator[tuple[str, Card]]:
    for licence, trained_on, names in PRETRAINED:
        for name in names.split():
            yield name, Card(licence, trained_on)


CARDS |= dict(_pretrained())


def card_of(encoder: str) -> Card | None:
    """The card of a published encoder, by hub id or folder name; None for one that is not in the table."""
    return CARDS.get(encoder.rstrip("/").rsplit("/", 1)[-1].lower())


def licence_of(folder: Path, checkpoint: str) -> str:
    """What the card in a checkpoint's ``folder`` says, or else what is known of its name."""
    card = folder / "README.md"
    if card.is_file():
        facts = dict(_LICENCE.findall(card.read_text(encoding="utf-8", errors="replace")))
        if facts:
            return (facts.get("license_name") or facts["license"]).strip()
    known = card_of(checkpoint)
    return known.licence if known else NOT_STATED


def labels_learned(checkpoint: str) -> str:
    """The corpora whose emotion labels a published encoder has learned from, in words."""
    known = card_of(checkpoint)
    if known is None:
        return NOT_STATED
    return f"{', '.join(known.labels) or 'none'} ({known.source})"


def why_forbidden(encoder: str) -> str | None:
    """One line where the licence of ``encoder`` forbids emotion recognition; None where it does not."""
    name = encoder.rstrip("/").rsplit("/", 1)[-1].lower()
    reasons = [reason for beginning, reason in FORBIDDEN.items() if name.startswith(beginning)]
    return f"{encoder} is not for emotion recognition: {reasons[0]}; take another" if reasons else None


def refuse_forbidden(encoder: str) -> None:
    """Raises MferError where the licence of ``encoder`` forbids emotion recognition."""
    if reason := why_forbidden(encoder):
        raise MferError(reason)
