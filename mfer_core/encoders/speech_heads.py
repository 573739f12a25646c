"""The classifiers that transformers' speech encoders are published with, as one linear layer over the mean
frame.

Each projects the frames, takes their mean over time and classifies it. All of it is linear, so that it is the
same to take the mean first, which is what is kept beside the embeddings (see cache/heads.py). A classifier of
the weighted sum of all layers (``use_weighted_layer_sum``, as SUPERB's are) reads all of them side by side.
"""

from typing import Any

import torch
from transformers import MODEL_FOR_AUDIO_CLASSIFICATION_MAPPING, PreTrainedConfig, PreTrainedModel

from mfer_core.cache.heads import Head
from mfer_core.encoders.checkpoint_pointer import ALL_LAYERS


def classifier_class(config: PreTrainedConfig) -> type[PreTrainedModel] | None:
    """The class of the published model where it is such a classifier; None where it has none that a mean
    frame serves. Whisper's takes its mean over 30 s, silence included.
    """
    named = (config.architectures or [""])[0]
    if not named.endswith("ForSequenceClassification"):
        return None
    known: Any = MODEL_FOR_AUDIO_CLASSIFICATION_MAPPING.get(type(config), None)
    return known if known is not None and known.__name__ == named else None


@torch.no_grad()
def head_of(model: Any, config: Any, layer: int | str | None) -> Head | None:
    """The classifier of ``model`` for frames of ``layer``; None where it reads another layer."""
    weighted = getattr(config, "use_weighted_layer_sum", False)
    if layer != (ALL_LAYERS if weighted else None):
        return None
    projector, classifier = model.projector, model.classifier
    weight = classifier.weight @ projector.weight  # [L, D]
    if weighted:
        weight = torch.cat([share * weight for share in model.layer_weights.softmax(0)], 1)
    bias = classifier.weight @ projector.bias + classifier.bias
    labels = [str(config.id2label[number]) for number in range(len(bias))]
    return Head(weight.float().numpy(), bias.float().numpy(), labels)
