"""A published classifier of speech is kept with its encoder, and says of a clip what its own model says."""

import numpy as np
import pytest
import torch
from transformers import (
    HubertConfig,
    HubertForSequenceClassification,
    Wav2Vec2BertConfig,
    Wav2Vec2BertForSequenceClassification,
    Wav2Vec2Config,
    Wav2Vec2ForSequenceClassification,
    WavLMConfig,
    WavLMForSequenceClassification,
    WhisperConfig,
    WhisperForAudioClassification,
)

from mfer_core.cache.heads import known_classes
from mfer_core.encoders.checkpoint_pointer import Source
from mfer_core.encoders.speech import load_speech
from tests.encoders.speech_folders import FAMILIES, FRONT, LAYER_NORM, NARROW

LABELS = {0: "neu", 1: "hap", 2: "ang", 3: "sad"}  # as SUPERB's checkpoints spell them
NAMED = {
    "id2label": LABELS,
    "label2id": {name: number for number, name in LABELS.items()},
    "classifier_proj_size": 8,
}
CLASSIFIERS = {
    "hubert-large": lambda **more: HubertForSequenceClassification(
        HubertConfig(**NARROW, **FRONT, **LAYER_NORM, **NAMED, **more)
    ),
    "wavlm-large": lambda **more: WavLMForSequenceClassification(
        WavLMConfig(**NARROW, **FRONT, **LAYER_NORM, **NAMED, **more)
    ),
    "wav2vec2-base": lambda **more: Wav2Vec2ForSequenceClassification(
        Wav2Vec2Config(**NARROW, **FRONT, **NAMED, **more)
    ),
    "w2v-bert": lambda **more: Wav2Vec2BertForSequenceClassification(
        Wav2Vec2BertConfig(**NARROW, **NAMED, **more)
    ),
}


def write_classifier(family, folder, **more):
    torch.manual_seed(5)
    model, extractor = CLASSIFIERS[family](**more).eval(), FAMILIES[family]()[1]
    with torch.no_grad():
        model.classifier.weight *= 20  # as sure as a trained head
        if more:
            model.layer_weights.copy_(torch.tensor([0.1, 1.5, -0.4, 0.7]))
    model.save_pretrained(folder)
    extractor.save_pretrained(folder)
    return model, extractor


def load(folder, layer=None):
    return load_speech(Source(str(folder), None, layer), "cpu", "fp32")


@pytest.mark.parametrize("family", CLASSIFIERS)
@pytest.mark.parametrize("weighted", [False, True])
def test_the_head_says_of_each_clip_what_the_published_model_says(tmp_path, random, family, weighted):
    more = {"use_weighted_layer_sum": True} if weighted else {}
    model, extractor = write_classifier(family, tmp_path, **more)
    encoder = load(tmp_path, "all" if weighted else None)
    clips = [random.normal(0, 0.1, length).astype(np.float32) for length in (16000, 8000, 24160)]
    for clip, frames in zip(clips, encoder.embed(clips), strict=True):
        with torch.no_grad():
            logits = model(**extractor(clip, sampling_rate=16000, return_tensors="pt")).logits
        np.testing.assert_allclose(
            encoder.head().of_clip("audio", frames), logits.softmax(1)[0].numpy(), atol=2e-4
        )
    assert known_classes(encoder.head().labels, ("angry", "calm", "happy")) == ["angry", "happy"]


def test_a_head_that_reads_another_layer_is_left_out(tmp_path):
    write_classifier("hubert-large", tmp_path / "last")
    write_classifier("hubert-large", tmp_path / "sum", use_weighted_layer_sum=True)
    assert load(tmp_path / "last").head() is not None
    assert load(tmp_path / "last", 2).head() is None and load(tmp_path / "last", "all").head() is None
    assert load(tmp_path / "sum").head() is None


def test_whispers_classifier_takes_its_mean_over_silence_and_is_left_out(tmp_path):
    half = {"layers": 2, "attention_heads": 4, "ffn_dim": 64}
    sides = {f"{side}_{name}": value for side in ("encoder", "decoder") for name, value in half.items()}
    config = WhisperConfig(d_model=32, vocab_size=60, pad_token_id=0, **sides, **NAMED)
    WhisperForAudioClassification(config).save_pretrained(tmp_path)
    FAMILIES["whisper"]()[1].save_pretrained(tmp_path)
    assert load(tmp_path).head() is None
