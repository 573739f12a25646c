"""Checkpoints of the published encoders' families at their published sizes and in their layouts, with random
weights: a forward pass takes as long as with the real ones.

Each is named like the published checkpoint whose size it has.
"""

from collections.abc import Callable
from pathlib import Path

import torch
from transformers import (
    BitImageProcessorPil,
    CLIPImageProcessorPil,
    CLIPVisionConfig,
    CLIPVisionModel,
    ConvNextConfig,
    ConvNextImageProcessorPil,
    ConvNextModel,
    ConvNextV2Config,
    ConvNextV2Model,
    Data2VecAudioConfig,
    Data2VecAudioModel,
    Dinov2Config,
    Dinov2Model,
    Dinov2WithRegistersConfig,
    Dinov2WithRegistersModel,
    HubertConfig,
    HubertModel,
    PreTrainedModel,
    SeamlessM4TFeatureExtractor,
    SiglipImageProcessorPil,
    SiglipVisionConfig,
    SiglipVisionModel,
    UniSpeechConfig,
    UniSpeechModel,
    UniSpeechSatConfig,
    UniSpeechSatModel,
    VideoMAEConfig,
    VideoMAEImageProcessorPil,
    VideoMAEModel,
    Wav2Vec2BertConfig,
    Wav2Vec2BertModel,
    Wav2Vec2Config,
    Wav2Vec2ConformerConfig,
    Wav2Vec2ConformerModel,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2Model,
    WavLMConfig,
    WavLMModel,
    WhisperConfig,
    WhisperFeatureExtractor,
    WhisperModel,
)
from transformers.utils.logging import disable_progress_bar

from benchmarks.rehearsal.checkpoints import write_emotion2vec, write_vit
from mfer_core.base.settings import Settings
from mfer_core.encoders.emotion2vec_model import build_model, write_checkpoint
from mfer_core.encoders.vit_start import build_vit, preprocessing_of, save_vit
from mfer_core.training.pretrain_emotion2vec import compact_conf

LARGE = {
    **{"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16, "intermediate_size": 4096},
    **{"feat_extract_norm": "layer", "do_stable_layer_norm": True, "conv_bias": True},
}
DINO = {"patch_size": 14, "image_size": 518}
CUT = {"size": {"shortest_edge": 256}, "crop_size": {"height": 224, "width": 224}}
CONVNEXT = ConvNextImageProcessorPil(size={"shortest_edge": 224}, crop_pct=0.875)
WAVES, NORMALISED = Wav2Vec2FeatureExtractor(do_normalize=False), Wav2Vec2FeatureExtractor()
Build = Callable[[], PreTrainedModel]


def whisper(width: int, layers: int, heads: int) -> WhisperModel:
    """With one block in the decoder, which is not loaded."""
    shape = {"encoder_layers": layers, "encoder_attention_heads": heads, "encoder_ffn_dim": 4 * width}
    decoder = {"decoder_layers": 1, "decoder_attention_heads": heads, "decoder_ffn_dim": 4}
    return WhisperModel(WhisperConfig(d_model=width, **shape, **decoder))


# The base models are the defaults of transformers' configurations.
SPEECH: dict[str, tuple[Build, object]] = {
    "wav2vec2-base": (lambda: Wav2Vec2Model(Wav2Vec2Config()), NORMALISED),
    "hubert-base-ls960": (lambda: HubertModel(HubertConfig()), NORMALISED),
    "hubert-large-ll60k": (lambda: HubertModel(HubertConfig(**LARGE)), NORMALISED),
    "wavlm-base": (lambda: WavLMModel(WavLMConfig()), WAVES),
    "wavlm-large": (lambda: WavLMModel(WavLMConfig(**{**LARGE, "conv_bias": False})), WAVES),
    "data2vec-audio-base": (lambda: Data2VecAudioModel(Data2VecAudioConfig()), NORMALISED),
    "unispeech-large-1500h-cv": (lambda: UniSpeechModel(UniSpeechConfig(**LARGE)), NORMALISED),
    "unispeech-sat-base": (lambda: UniSpeechSatModel(UniSpeechSatConfig()), WAVES),
    "wav2vec2-conformer-rel-pos-large": (
        lambda: Wav2Vec2ConformerModel(Wav2Vec2ConformerConfig(**LARGE, position_embeddings_type="relative")),
        NORMALISED,
    ),
    "w2v-bert-2.0": (
        lambda: Wav2Vec2BertModel(Wav2Vec2BertConfig()),
        SeamlessM4TFeatureExtractor(padding_value=1),
    ),
    "whisper-tiny": (lambda: whisper(384, 4, 6), WhisperFeatureExtractor()),
    "whisper-base": (lambda: whisper(512, 6, 8), WhisperFeatureExtractor()),
    "whisper-small": (lambda: whisper(768, 12, 12), WhisperFeatureExtractor()),
}
PICTURES: dict[str, tuple[Build, object]] = {
    "dinov2-base": (lambda: Dinov2Model(Dinov2Config(**DINO)), BitImageProcessorPil(**CUT)),
    "dinov2-with-registers-base": (
        lambda: Dinov2WithRegistersModel(Dinov2WithRegistersConfig(**DINO)),
        BitImageProcessorPil(**CUT),
    ),
    "clip-vit-base-patch32": (lambda: CLIPVisionModel(CLIPVisionConfig()), CLIPImageProcessorPil()),
    "clip-vit-base-patch16": (
        lambda: CLIPVisionModel(CLIPVisionConfig(patch_size=16)),
        CLIPImageProcessorPil(),
    ),
    "siglip-base-patch16-224": (lambda: SiglipVisionModel(SiglipVisionConfig()), SiglipImageProcessorPil()),
    "convnext-tiny-224": (lambda: ConvNextModel(ConvNextConfig()), CONVNEXT),
    "convnextv2-tiny-1k-224": (lambda: ConvNextV2Model(ConvNextV2Config()), CONVNEXT),
    "videomae-base": (lambda: VideoMAEModel(VideoMAEConfig()), VideoMAEImageProcessorPil()),
}
# Those whose published layout is written elsewhere.
WRITERS: dict[str, dict[str, Callable[[Path], Path]]] = {
    "audio": {"emotion2vec_base": write_emotion2vec},
    "visual": {"facial_emotions_image_detection": write_vit},
}
NAMES = {"audio": [*WRITERS["audio"], *SPEECH], "visual": [*WRITERS["visual"], *PICTURES]}


def write_family(name: str, folder: Path) -> Path:
    """Write the checkpoint that is named in ``NAMES`` into a folder of its name below ``folder``; returns
    that.
    """
    out = folder / name
    for writers in WRITERS.values():
        if name in writers:
            return writers[name](out)
    build, processor = {**SPEECH, **PICTURES}[name]
    disable_progress_bar()
    torch.manual_seed(3)
    build().eval().save_pretrained(out)
    processor.save_pretrained(out)  # type: ignore[attr-defined]
    return out


def write_compact(modality: str, settings: Settings, folder: Path) -> Path:
    """The compact encoder that ``settings`` describe, with random weights."""
    torch.manual_seed(4)
    out = folder / f"the compact {'ViT' if modality == 'visual' else 'emotion2vec'}"
    if modality == "visual":
        section = settings.pretrain_vit
        save_vit(build_vit(section), preprocessing_of(section), out)
        return out
    conf = compact_conf(settings.pretrain_emotion2vec)
    write_checkpoint(build_model(conf, 3), conf, ["angry", "happy"], out)
    return out
