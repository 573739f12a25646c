"""Speech encoders of transformers' own classes, narrow, with random weights, in their published layouts."""

import torch
from transformers import (
    Data2VecAudioConfig,
    Data2VecAudioModel,
    HubertConfig,
    HubertModel,
    SeamlessM4TFeatureExtractor,
    UniSpeechConfig,
    UniSpeechModel,
    UniSpeechSatConfig,
    UniSpeechSatModel,
    Wav2Vec2BertConfig,
    Wav2Vec2BertModel,
    Wav2Vec2Config,
    Wav2Vec2ConformerConfig,
    Wav2Vec2ConformerModel,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2ForPreTraining,
    WavLMConfig,
    WavLMModel,
    WhisperConfig,
    WhisperFeatureExtractor,
    WhisperForConditionalGeneration,
)

NARROW = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 64}
# Published kernels, strides and reach of the positional convolution.
FRONT = {"conv_dim": (8,) * 7, "num_conv_pos_embedding_groups": 4}
LAYER_NORM = {"feat_extract_norm": "layer", "do_stable_layer_norm": True, "conv_bias": True}


def _wav2vec2_base():
    """Group normalisation, as the base models have it, in the layout of pretraining."""
    config = Wav2Vec2Config(**NARROW, **FRONT, codevector_dim=16, proj_codevector_dim=16)
    return Wav2Vec2ForPreTraining(config), Wav2Vec2FeatureExtractor(return_attention_mask=False)


def _hubert_large():
    return HubertModel(HubertConfig(**NARROW, **FRONT, **LAYER_NORM)), Wav2Vec2FeatureExtractor()


def _wavlm_large():
    config = WavLMConfig(**NARROW, **FRONT, **LAYER_NORM)
    return WavLMModel(config), Wav2Vec2FeatureExtractor(do_normalize=False)


def _w2v_bert():
    config = Wav2Vec2BertConfig(**NARROW)
    return Wav2Vec2BertModel(config), SeamlessM4TFeatureExtractor(padding_value=1)


def _whisper(window_s=30):
    """The whole model, decoder included."""
    half = {"layers": 3, "attention_heads": 4, "ffn_dim": 64}
    sides = {f"{side}_{name}": value for side in ("encoder", "decoder") for name, value in half.items()}
    tokens = {"vocab_size": 60, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
    config = WhisperConfig(
        d_model=32, decoder_start_token_id=1, max_source_positions=50 * window_s, **sides, **tokens
    )
    return WhisperForConditionalGeneration(config), WhisperFeatureExtractor(chunk_length=window_s)


def _data2vec():
    """Five positional convolutions in a row, through which padding would leak."""
    return Data2VecAudioModel(Data2VecAudioConfig(**NARROW, **FRONT)), Wav2Vec2FeatureExtractor()


def _unispeech():
    config = UniSpeechConfig(**NARROW, **FRONT, **LAYER_NORM)
    return UniSpeechModel(config), Wav2Vec2FeatureExtractor()


def _unispeech_sat():
    """Group normalisation, as the base model has it."""
    config = UniSpeechSatConfig(**NARROW, **FRONT)
    return UniSpeechSatModel(config), Wav2Vec2FeatureExtractor(do_normalize=False)


def _conformer():
    config = Wav2Vec2ConformerConfig(**NARROW, **FRONT, **LAYER_NORM, position_embeddings_type="relative")
    return Wav2Vec2ConformerModel(config), Wav2Vec2FeatureExtractor()


FAMILIES = {
    "wav2vec2-base": _wav2vec2_base,
    "hubert-large": _hubert_large,
    "wavlm-large": _wavlm_large,
    "w2v-bert": _w2v_bert,
    "whisper": _whisper,
    "data2vec": _data2vec,
    "unispeech-large": _unispeech,
    "unispeech-sat-base": _unispeech_sat,
    "conformer-large": _conformer,
}


def write_speech_encoder(family, folder, **options):
    """Save the family's model and feature extractor into ``folder``."""
    torch.manual_seed(5)
    model, extractor = FAMILIES[family](**options)
    model.eval().save_pretrained(folder)
    extractor.save_pretrained(folder)
    return folder
