"""VideoMAE over windows of a clip's images: its own processor and forward, window by window."""

import numpy as np
import pytest
import torch
from transformers import (
    VideoMAEConfig,
    VideoMAEForPreTraining,
    VideoMAEForVideoClassification,
    VideoMAEImageProcessorPil,
    VideoMAEModel,
)

from mfer_core.base.errors import MferError
from mfer_core.encoders.checkpoint_pointer import Source
from mfer_core.encoders.faces import load_faces
from mfer_core.encoders.transformers_video import nearest_window, window_starts
from tests.encoders.conftest import gib

CONFIG = VideoMAEConfig(
    image_size=32, patch_size=16, num_frames=8, hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
    intermediate_size=64, decoder_hidden_size=16, decoder_intermediate_size=16, decoder_num_hidden_layers=1,
    decoder_num_attention_heads=2,
)  # fmt: skip
PROCESSOR = VideoMAEImageProcessorPil(
    size={"shortest_edge": 36}, crop_size={"height": 32, "width": 32}, do_center_crop=True
)


@pytest.fixture(scope="module", params=[VideoMAEForPreTraining, VideoMAEForVideoClassification])
def folder(request, tmp_path_factory):
    """A checkpoint in the layout of pretraining, or of a classifier of actions."""
    folder = tmp_path_factory.mktemp("videomae")
    torch.manual_seed(4)
    request.param(CONFIG).eval().save_pretrained(folder)
    PROCESSOR.save_pretrained(folder)
    return folder


def load(folder):
    return load_faces(Source(str(folder)), "cpu", "fp32")


def images(count, seed=0):
    return list(np.random.default_rng(seed).integers(0, 256, (count, 40, 48), np.uint8))


def published(folder, clip):
    """[T, D]: each image's feature by the checkpoint's own processor and model, a window at a time."""
    model = VideoMAEModel.from_pretrained(folder).eval()
    filled = [*clip, *[clip[-1]] * (8 - len(clip))]
    windows = []
    for start in window_starts(len(clip), 8):
        window = [np.repeat(image[:, :, None], 3, 2) for image in filled[start : start + 8]]
        pixels = PROCESSOR(window, return_tensors="pt").pixel_values
        with torch.no_grad():
            tokens = model(pixels).last_hidden_state[0]  # [4 tubelets * 4 places, D]
        windows.append(tokens.reshape(4, 4, -1).mean(1).repeat_interleave(2, 0))  # [8, D]
    starts, chosen = window_starts(len(clip), 8), nearest_window(len(clip), 8)
    return np.stack([windows[chosen[i]][i - starts[chosen[i]]].numpy() for i in range(len(clip))])


@pytest.mark.parametrize("count", [3, 8, 13, 20])
def test_every_image_has_the_feature_that_the_published_model_gives_its_window(folder, count):
    encoder, clip = load(folder), images(count)
    np.testing.assert_allclose(encoder.embed(clip), published(folder, clip), atol=1e-4)
    assert encoder.dim == 32 and encoder.metadata["window"] == 8 and encoder.head() is None


def test_no_clip_sees_another_whatever_the_batch(folder):
    encoder, clips = load(folder), [images(5, 1), images(20, 2), images(8, 3)]
    together = encoder.prepare([image for clip in clips for image in clip])
    for windows in (1, 3):
        budget = gib(windows * encoder.frame_bytes)
        values = encoder.embed_prepared(together, budget, [len(clip) for clip in clips])
        for part, clip in zip(np.split(values, [5, 25]), clips, strict=True):
            np.testing.assert_allclose(part, encoder.embed(clip), atol=1e-5)
    learning = encoder.frames([encoder.prepare(clip) for clip in clips])
    np.testing.assert_allclose(learning[1].detach().numpy(), encoder.embed(clips[1]), atol=1e-4)
    assert learning[0].requires_grad and len(encoder.stack()) == 2 and encoder.rest()


def test_windows_cover_a_clip_and_an_image_takes_the_nearest():
    assert window_starts(3, 8) == [0] and window_starts(8, 8) == [0]
    assert window_starts(16, 8) == [0, 8] and window_starts(13, 8) == [0, 5]
    assert nearest_window(13, 8).tolist() == [0] * 7 + [1] * 6
    assert nearest_window(3, 8).tolist() == [0, 0, 0]


def test_weights_that_are_missing_are_refused(folder, tmp_path):
    VideoMAEConfig.from_dict(CONFIG.to_dict() | {"num_hidden_layers": 3}).save_pretrained(tmp_path)
    for name in ("model.safetensors", "preprocessor_config.json"):
        (tmp_path / name).symlink_to(folder / name)
    with pytest.raises(MferError, match="lack"):
        load(tmp_path)
