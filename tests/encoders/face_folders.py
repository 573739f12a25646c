"""Image encoders of transformers' own classes, narrow, with random weights, in their published layouts."""

import torch
from transformers import (
    BitImageProcessorPil,
    CLIPConfig,
    CLIPImageProcessorPil,
    CLIPModel,
    CLIPVisionConfig,
    CLIPVisionModel,
    ConvNextConfig,
    ConvNextImageProcessorPil,
    ConvNextModel,
    ConvNextV2Config,
    ConvNextV2Model,
    Dinov2Config,
    Dinov2Model,
    Dinov2WithRegistersConfig,
    Dinov2WithRegistersModel,
    SiglipConfig,
    SiglipImageProcessorPil,
    SiglipModel,
    SiglipVisionConfig,
    SiglipVisionModel,
    ViTConfig,
    ViTForMaskedImageModeling,
    ViTImageProcessorPil,
    ViTModel,
)

NARROW = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
SEEN = {**NARROW, "image_size": 32, "patch_size": 8}
TEXT = {**NARROW, "vocab_size": 50, "max_position_embeddings": 8}
TOKENS = {"pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2}
# family -> model, processor, and the class and output that transformers reads an image's feature from
FAMILIES = {
    "vit": (
        lambda: ViTForMaskedImageModeling(ViTConfig(**SEEN, encoder_stride=8)),
        ViTImageProcessorPil(size={"height": 32, "width": 32}),
        lambda folder: ViTModel.from_pretrained(folder, add_pooling_layer=False),
        lambda output: output.last_hidden_state[:, 0],
    ),
    "dinov2": (
        lambda: Dinov2Model(Dinov2Config(**{**SEEN, "image_size": 40})),
        BitImageProcessorPil(size={"shortest_edge": 36}, crop_size={"height": 32, "width": 32}),
        Dinov2Model.from_pretrained,
        lambda output: output.last_hidden_state[:, 0],
    ),
    "dinov2_with_registers": (
        lambda: Dinov2WithRegistersModel(Dinov2WithRegistersConfig(**{**SEEN, "image_size": 40})),
        BitImageProcessorPil(size={"shortest_edge": 36}, crop_size={"height": 32, "width": 32}),
        Dinov2WithRegistersModel.from_pretrained,
        lambda output: output.last_hidden_state[:, 0],
    ),
    "clip": (
        lambda: CLIPModel(CLIPConfig(text_config={**TEXT, **TOKENS}, vision_config=SEEN)),
        CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}),
        CLIPVisionModel.from_pretrained,
        lambda output: output.pooler_output,
    ),
    "clip_vision_model": (
        lambda: CLIPVisionModel(CLIPVisionConfig(**SEEN)),
        CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}),
        CLIPVisionModel.from_pretrained,
        lambda output: output.pooler_output,
    ),
    "siglip": (
        lambda: SiglipModel(SiglipConfig(text_config={**TEXT, **TOKENS}, vision_config=SEEN)),
        SiglipImageProcessorPil(size={"height": 32, "width": 32}),
        SiglipVisionModel.from_pretrained,
        lambda output: output.pooler_output,
    ),
    "siglip_vision_model": (
        lambda: SiglipVisionModel(SiglipVisionConfig(**SEEN)),
        SiglipImageProcessorPil(size={"height": 32, "width": 32}),
        SiglipVisionModel.from_pretrained,
        lambda output: output.pooler_output,
    ),
    "convnext": (
        lambda: ConvNextModel(ConvNextConfig(hidden_sizes=[8, 16, 24, 32], depths=[1, 1, 2, 1])),
        ConvNextImageProcessorPil(size={"shortest_edge": 64}, crop_pct=0.875),
        ConvNextModel.from_pretrained,
        lambda output: output.pooler_output,
    ),
    "convnextv2": (
        lambda: ConvNextV2Model(ConvNextV2Config(hidden_sizes=[8, 16, 24, 32], depths=[1, 1, 2, 1])),
        ConvNextImageProcessorPil(size={"shortest_edge": 64}, crop_pct=0.875),
        ConvNextV2Model.from_pretrained,
        lambda output: output.pooler_output,
    ),
}


def write_face_encoder(family, folder):
    """Save the family's model and image processor into ``folder``."""
    torch.manual_seed(6)
    build, processor, _, _ = FAMILIES[family]
    build().eval().save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder
