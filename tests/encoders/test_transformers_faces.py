"""Published image encoders of transformers: their own processor and forward, image by image."""

import json
import shutil

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import (
    AutoImageProcessor,
    BitImageProcessorPil,
    CLIPConfig,
    CLIPImageProcessorPil,
    CLIPModel,
    CLIPVisionModel,
    ConvNextConfig,
    ConvNextImageProcessorPil,
    ConvNextModel,
    Dinov2Config,
    Dinov2Model,
    SiglipConfig,
    SiglipImageProcessorPil,
    SiglipModel,
    SiglipVisionModel,
    ViTConfig,
    ViTForMaskedImageModeling,
    ViTImageProcessorPil,
    ViTModel,
)

from mfer_core.base.errors import MferError
from mfer_core.encoders.checkpoint_pointer import Source
from mfer_core.encoders.faces import load_faces
from tests.encoders.conftest import gib

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
    "clip": (
        lambda: CLIPModel(CLIPConfig(text_config={**TEXT, **TOKENS}, vision_config=SEEN)),
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
    "convnext": (
        lambda: ConvNextModel(ConvNextConfig(hidden_sizes=[8, 16, 24, 32], depths=[1, 1, 2, 1])),
        ConvNextImageProcessorPil(size={"shortest_edge": 64}, crop_pct=0.875),
        ConvNextModel.from_pretrained,
        lambda output: output.pooler_output,
    ),
}


@pytest.fixture(scope="session")
def folders(tmp_path_factory):
    written = {}
    for name, (build, processor, _, _) in FAMILIES.items():
        torch.manual_seed(6)
        written[name] = tmp_path_factory.mktemp(name)
        build().eval().save_pretrained(written[name])
        processor.save_pretrained(written[name])
    return written


@pytest.fixture
def images(random):
    """Grey and coloured, square and not, smaller and larger than the encoders' size."""
    shapes = [(64, 56), (30, 47, 3), (32, 32), (90, 71)]
    return [random.integers(0, 256, shape, dtype=np.uint8) for shape in shapes]


def load(folder, precision="fp32"):
    return load_faces(Source(str(folder)), "cpu", precision)


@pytest.mark.parametrize("family", FAMILIES)
def test_equals_the_published_processor_and_forward_of_each_image_alone(folders, images, family):
    _, _, read, feature = FAMILIES[family]
    processor = AutoImageProcessor.from_pretrained(folders[family], backend="pil")
    model, encoder = read(folders[family]).eval(), load(folders[family])
    with torch.no_grad():
        pixels = [
            processor(Image.fromarray(image).convert("RGB"), return_tensors="pt")["pixel_values"]
            for image in images
        ]
        expected = np.concatenate([feature(model(values)).numpy() for values in pixels])
    for count in (1, 4):
        features = encoder.embed(images, gib(count * encoder.frame_bytes))
        np.testing.assert_allclose(features, expected, atol=1e-4)
    assert encoder.dim == 32 and encoder.metadata["family"] == family and encoder.head() is None
    near = load(folders[family], "bf16").embed(images)
    cosine = (near * expected).sum(1) / np.linalg.norm(near, axis=1) / np.linalg.norm(expected, axis=1)
    assert cosine.min() > 0.99


@pytest.mark.parametrize("family", FAMILIES)
def test_blocks_can_learn_and_a_clips_frames_have_gradients(folders, images, family):
    encoder = load(folders[family])
    assert len(encoder.stack()) == (4 if family == "convnext" else 2) and encoder.rest()
    prepared = encoder.prepare(images)
    one, other = encoder.frames([prepared[:3], prepared[3:]])
    assert one.shape == (3, 32) and other.shape == (1, 32)
    other.square().sum().backward()
    assert all(part.grad is not None for part in encoder.stack()[-1].parameters())


def test_what_is_no_image_encoder_or_lacks_weights_or_its_processor_is_refused(folders, tmp_path):
    folder = shutil.copytree(folders["vit"], tmp_path / "a")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "num_hidden_layers": 3}))
    with pytest.raises(MferError, match=r"lack layers\.2\."):
        load(folder)
    (folder / "config.json").write_text(json.dumps({**config, "num_hidden_layers": 1}))
    with pytest.raises(MferError, match="does not describe"):
        load(folder)
    (folder / "config.json").write_text(json.dumps({**config, "model_type": "resnet"}))
    with pytest.raises(MferError, match="'resnet' model: a face encoder is one of"):
        load(folder)
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "preprocessor_config.json").unlink()
    with pytest.raises(MferError, match="no image processor"):
        load(folder)
