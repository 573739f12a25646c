"""Which corpora's emotion labels an encoder has learned from, before this project sees it.

A figure on a corpus whose labels the encoder knows is not a figure on new people, whatever the folds hold
out: where a number stands, this stands beside it.
"""

from dataclasses import dataclass

from mfer_core.base.settings import Settings

# What EmoBox (Ma et al. 2024, 32 corpora) shares with this project; the "+" checkpoints of emotion2vec were
# fine-tuned on it (emotion2vec's own README: the seed checkpoint on EmoBox's labels, base and large from the
# seed on pseudo-labels).
EMOBOX = ("ravdess", "crema_d", "shemo", "urdu")
EMOBOX_SOURCE = "EmoBox, by way of emotion2vec+ seed"
# Published checkpoint -> adapters of the corpora whose labels it was trained on, and where that is written.
PUBLISHED: dict[str, tuple[tuple[str, ...], str]] = {
    "emotion2vec_base": ((), "self-supervised (Ma et al. 2023)"),
    "emotion2vec_plus_seed": (EMOBOX, "EmoBox"),
    "emotion2vec_plus_base": (EMOBOX, EMOBOX_SOURCE),
    "emotion2vec_plus_large": (EMOBOX, EMOBOX_SOURCE),
    "facial_emotions_image_detection": (("fer2013",), "the checkpoint's card, test images included"),
    "vit-face-expression": (("fer2013",), "the checkpoint's card (FER-2013, MMI, AffectNet)"),
}
# Pretrained on speech or its transcripts alone. Exact names: fine-tuned ones begin alike
# (hubert-large-superb-er).
SPEECH_ALONE = """
wavlm-base wavlm-base-plus wavlm-large hubert-base-ls960 hubert-large-ll60k hubert-xlarge-ll60k
wav2vec2-base wav2vec2-large wav2vec2-large-robust wav2vec2-large-xlsr-53 wav2vec2-xls-r-300m
data2vec-audio-base data2vec-audio-large
whisper-tiny whisper-base whisper-small whisper-medium whisper-large whisper-large-v2 whisper-large-v3
whisper-large-v3-turbo whisper-tiny.en whisper-base.en whisper-small.en whisper-medium.en
"""
NOT_STATED = "not stated"
NONE = "none"


@dataclass(frozen=True)
class LabelsSeen:
    """Adapters of the corpora whose emotion labels a published encoder was trained on, and where that is
    written.
    """

    adapters: tuple[str, ...]
    source: str


def labels_seen(encoder: str) -> LabelsSeen | None:
    """The labels that a published encoder has seen, by hub id or folder name; None for an encoder that is not
    in the table.
    """
    name = encoder.rsplit("/", 1)[-1].lower()
    if name in PUBLISHED:
        return LabelsSeen(*PUBLISHED[name])
    return LabelsSeen((), "pretrained on speech alone") if name in SPEECH_ALONE.split() else None


def labels_of(corpus: str, modality: str, settings: Settings) -> str:
    """Whether the encoder behind a corpus's embeddings has learned from that corpus's emotion labels, in
    words.

    Features that were brought along, and encoders that the table does not know: not stated. Synthetic clips
    are new to every published checkpoint, not to an encoder that this pipeline trained on them.
    """
    facts, visual = settings.corpora[corpus], modality == "visual"
    if modality in facts.precomputed:
        return NOT_STATED
    section = settings.pretrain_vit if visual else settings.pretrain_emotion2vec
    trained_here = section.checkpoint is None or (visual and settings.pretrain_vit.finetune)
    learned_from = [settings.roles.faces] if visual else settings.roles.pretraining
    if trained_here and corpus in learned_from:
        return "yes (trained on it by this pipeline)"
    if section.checkpoint is None or facts.source == "demo":
        return NONE
    published = labels_seen(section.checkpoint)
    if published is None:
        return NOT_STATED
    return f"yes ({published.source})" if facts.adapter in published.adapters else NONE
