import json
import os
import shutil

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import ViTConfig, ViTForImageClassification
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

from mfer_core.base.errors import MferError
from mfer_core.base.settings import PretrainVit
from mfer_core.encoders.images import read_preprocessing
from mfer_core.encoders.vit import load_vit
from mfer_core.encoders.vit_start import build_vit, preprocessing_of, save_vit
from tests.encoders.conftest import gib


@pytest.fixture
def faces(random):
    return [random.integers(0, 256, (64, 56), dtype=np.uint8) for _ in range(5)]


def umask() -> int:
    """The permissions that this process withholds from new files."""
    os.umask(value := os.umask(0))
    return value


def plain_forward(folder, images):
    """transformers' own processor and model, one image at a time."""
    processor, model = (
        ViTImageProcessorPil.from_pretrained(folder),
        ViTForImageClassification.from_pretrained(folder).eval(),
    )
    with torch.no_grad():
        pixels = [
            processor(Image.fromarray(image).convert("RGB"), return_tensors="pt")["pixel_values"]
            for image in images
        ]
        return np.concatenate([model.vit(pixel).last_hidden_state[:, 0].numpy() for pixel in pixels])


def test_equals_transformers_and_does_not_depend_on_the_batch(vit_folder, faces):
    encoder = load_vit(str(vit_folder), None, "cpu", "fp32")
    expected = plain_forward(vit_folder, faces)
    for frames in (1, 2, 64):
        np.testing.assert_allclose(
            encoder.embed(faces, gib(frames * encoder.frame_bytes)), expected, atol=1e-5
        )
    assert encoder.embed([]).shape == (0, 32)


def test_equals_transformers_at_the_size_of_vit_base(tmp_path, vit_folder, random):
    torch.manual_seed(4)
    ViTForImageClassification(ViTConfig(num_labels=7)).save_pretrained(tmp_path)
    config = json.loads((vit_folder / "preprocessor_config.json").read_text())
    (tmp_path / "preprocessor_config.json").write_text(
        json.dumps({**config, "size": {"height": 224, "width": 224}})
    )
    images = [
        random.integers(0, 256, (224, 224), dtype=np.uint8),
        random.integers(0, 256, (100, 90), dtype=np.uint8),
    ]
    encoder = load_vit(str(tmp_path), None, "cpu", "fp32")
    expected = plain_forward(tmp_path, images)
    features = encoder.embed(images)
    assert features.shape == (2, 768)
    np.testing.assert_allclose(features, expected, atol=1e-4)
    for precision in ("bf16", "int8"):
        near = load_vit(str(tmp_path), None, "cpu", precision).embed(images)
        lengths = np.linalg.norm(near, axis=1) * np.linalg.norm(features, axis=1)
        assert 0.999 < ((near * features).sum(1) / lengths).min() < 1


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"size": 40},
        {"resample": 3},
        {"image_mean": [0.4, 0.5, 0.6]},
        {"do_normalize": False},
        {"rescale_factor": 1 / 127.5},
    ],
)
def test_preprocessing_is_that_of_the_checkpoints_processor(tmp_path, vit_folder, random, change):
    config = json.loads((vit_folder / "preprocessor_config.json").read_text())
    (tmp_path / "preprocessor_config.json").write_text(json.dumps({**config, **change}))
    image = random.integers(0, 256, (64, 56, 3), dtype=np.uint8)
    expected = ViTImageProcessorPil.from_pretrained(tmp_path)(Image.fromarray(image), return_tensors="np")[
        "pixel_values"
    ]
    preprocessing = read_preprocessing(tmp_path)
    np.testing.assert_allclose(
        preprocessing.normalise(preprocessing.resize([image])).numpy(), expected, atol=1e-5
    )


def test_gray_and_colour_images_mix(vit_folder, faces):
    encoder = load_vit(str(vit_folder), None, "cpu", "fp32")
    colour = np.repeat(faces[0][:, :, None], 3, axis=2)
    np.testing.assert_allclose(
        encoder.embed([faces[0], colour]), np.repeat(encoder.embed([faces[0]]), 2, axis=0), atol=1e-6
    )


def test_the_head_is_the_checkpoints_own_classifier(vit_folder, faces):
    encoder = load_vit(str(vit_folder), None, "cpu", "fp32")
    head = encoder.head()
    assert head.labels[0] == "angry" and len(head.labels) == 7
    with torch.no_grad():
        pixels = encoder.preprocessing.normalise(encoder.prepare(faces))
        expected = encoder.model(pixels).logits.softmax(1)
    np.testing.assert_allclose(head.probabilities(encoder.embed(faces)), expected, atol=1e-5)


def test_a_convolutional_stem_is_read_back(tmp_path, vit_settings, faces):
    settings = PretrainVit(**{**vit_settings.model_dump(), "stem_channels": [4, 8, 8]})
    model = build_vit(settings).eval()
    save_vit(model, preprocessing_of(settings), tmp_path)
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o666 & ~umask()}
    encoder = load_vit(str(tmp_path), None, "cpu", "fp32")
    for name, tensor in model.state_dict().items():
        assert torch.equal(encoder.model.state_dict()[name], tensor), name
    assert encoder.embed(faces).shape == (5, 32)


def test_what_is_no_vit_is_refused(tmp_path, vit_folder):
    folder = shutil.copytree(vit_folder, tmp_path / "copy")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "model_type": "resnet"}))
    with pytest.raises(MferError, match="'resnet' model"):
        load_vit(str(folder), None, "cpu", "fp32")
    (folder / "config.json").write_text(json.dumps({**config, "num_hidden_layers": 3}))
    with pytest.raises(MferError, match=r"lack vit\.layers\.2"):
        load_vit(str(folder), None, "cpu", "fp32")


def test_a_vit_without_classes_is_refused(tmp_path, vit_folder):
    config = ViTConfig.from_pretrained(vit_folder)
    config.num_labels = 0
    ViTForImageClassification(config).save_pretrained(tmp_path)
    shutil.copy(vit_folder / "preprocessor_config.json", tmp_path)
    with pytest.raises(MferError, match="has no classes"):
        load_vit(str(tmp_path), None, "cpu", "fp32")
