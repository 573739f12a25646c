"""Which corpora's emotion labels the encoder of a run has learned from, before and in this pipeline."""

from mfer_core.base.settings import Corpus, Settings
from mfer_core.encoders.cards import NOT_STATED, card_of

NONE = "none"


def labels_of(corpus: str, modality: str, settings: Settings) -> str:
    """Whether the encoder behind a corpus's embeddings has learned from that corpus's emotion labels, in
    words.

    Features that were brought along, and encoders that the table does not know: not stated. Synthetic clips
    are new to every published checkpoint, not to an encoder that this pipeline trained on them.
    """
    facts, visual = settings.corpora[corpus], modality == "visual"
    if modality in facts.precomputed:
        return NOT_STATED
    section = settings.encoder(modality)
    trained_here = section.checkpoint is None or (visual and settings.pretrain_vit.finetune)
    learned_from = [settings.roles.faces] if visual else settings.roles.pretraining
    if trained_here and corpus in learned_from:
        return "yes (trained on it by this pipeline)"
    return NONE if section.checkpoint is None else published_labels(section.checkpoint, facts)


def published_labels(checkpoint: str, corpus: Corpus) -> str:
    """Whether a published encoder has learned from a corpus's emotion labels, in words."""
    if corpus.source == "demo":
        return NONE
    card = card_of(checkpoint)
    if card is None:
        return NOT_STATED
    return f"yes ({card.source})" if corpus.adapter in card.labels else NONE
