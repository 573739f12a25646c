"""Published image encoders of transformers: their own processor and forward, image by image."""

import json
import shutil

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import AutoImageProcessor

from mfer_core.base.errors import MferError
from mfer_core.encoders.checkpoint_pointer import Source
from mfer_core.encoders.faces import load_faces
from tests.encoders.conftest import gib
from tests.encoders.face_folders import FAMILIES, write_face_encoder


@pytest.fixture(scope="session")
def folders(tmp_path_factory):
    return {name: write_face_encoder(name, tmp_path_factory.mktemp(name)) for name in FAMILIES}


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
    for precision in ("bf16", "int8"):
        near = load(folders[family], precision).embed(images)
        cosine = (near * expected).sum(1) / np.linalg.norm(near, axis=1) / np.linalg.norm(expected, axis=1)
        assert cosine.min() > 0.99


@pytest.mark.parametrize("family", FAMILIES)
def test_blocks_can_learn_and_a_clips_frames_have_gradients(folders, images, family):
    encoder = load(folders[family])
    assert len(encoder.stack()) == (4 if family.startswith("convnext") else 2) and encoder.rest()
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
