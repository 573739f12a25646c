"""Batches are cut by how much working memory an item needs: these estimates must not be too low, nor far too
high.
"""

import pytest
import torch
from torch.distributed._tools.mem_tracker import MemTracker

from mfer_core.base.settings import PretrainVit
from mfer_core.encoders.emotion2vec import load_emotion2vec
from mfer_core.encoders.vit import load_vit
from mfer_core.encoders.vit_start import build_vit, preprocessing_of, save_vit


def peak(run):
    """Bytes of all tensors at the moment when they were most."""
    tracker = MemTracker()
    with torch.no_grad(), tracker:
        run()
    return tracker.get_tracker_snapshot("peak")[torch.device("cpu")]["Total"]


def grown(run, few, many):
    """Bytes that each item more adds to the peak."""
    return (peak(lambda: run(many)) - peak(lambda: run(few))) / (many - few)


@pytest.mark.parametrize(("stem", "side"), [([], 32), ([], 64), ([4, 8, 16], 64)])
def test_memory_of_a_frame(tmp_path, vit_settings, stem, side):
    settings = PretrainVit(**{**vit_settings.model_dump(), "stem_channels": stem, "image_size": side})
    save_vit(build_vit(settings), preprocessing_of(settings), tmp_path)
    encoder = load_vit(str(tmp_path), None, "cpu", "fp32")
    measured = grown(lambda count: encoder.features(torch.zeros(count, 3, side, side)), 16, 64)
    assert measured <= encoder.frame_bytes <= 2.5 * measured


@pytest.mark.parametrize("seconds", [1, 4, 20])
def test_memory_of_a_clip(emotion2vec_folder, random, seconds):
    encoder = load_emotion2vec(str(emotion2vec_folder), None, "cpu", "fp32")
    samples = 16000 * seconds

    def run(count):
        encoder.batches([torch.zeros(samples - 1000 * (index % 3)) for index in range(count)])

    measured = grown(run, 4, 16)
    assert measured <= encoder.clip_bytes(samples) <= 2.5 * measured
