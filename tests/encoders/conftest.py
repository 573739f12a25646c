"""Small encoders with random weights, written once a session in the layouts of the published ones."""

import cv2
import numpy as np
import pytest
import torch

from mfer_core.base.settings import Embed, PretrainVit
from mfer_core.cache.shards import partition
from mfer_core.encoders.device import one_thread
from mfer_core.encoders.embed import embed_corpus_audio, embed_corpus_visual
from mfer_core.encoders.emotion2vec import load_emotion2vec
from mfer_core.encoders.emotion2vec_config import model_conf
from mfer_core.encoders.emotion2vec_model import build_model, write_checkpoint
from mfer_core.encoders.vit import load_vit
from mfer_core.encoders.vit_start import build_vit, preprocessing_of, save_vit
from mfer_core.media.extracted import ExtractedShards, extracted_row, open_extracted
from mfer_core.media.result import ExtractedClip

NARROW = [(8, 10, 5)] + [(8, 3, 2)] * 4 + [(8, 2, 2)] * 2  # published kernels and strides
VIT = {
    **{
        "checkpoint": None,
        "revision": None,
        "image_size": 32,
        "patch_size": 8,
        "hidden_size": 32,
        "layers": 2,
        "heads": 2,
        "epochs": 2,
    },
    **{"batch_size": 16, "learning_rate": 3e-3, "weight_decay": 0.01, "label_smoothing": 0.1, "patience": 0},
}


def gib(count):
    """``count`` bytes as settings give them, and a little more."""
    return 1.01 * count / 2**30


@pytest.fixture(autouse=True)
def _one_thread():
    with one_thread():
        yield


@pytest.fixture
def random():
    return np.random.default_rng(7)


@pytest.fixture(scope="session")
def vit_settings():
    return PretrainVit(**VIT)


@pytest.fixture(scope="session")
def vit_folder(tmp_path_factory, vit_settings):
    torch.manual_seed(1)
    folder = tmp_path_factory.mktemp("vit")
    save_vit(build_vit(vit_settings), preprocessing_of(vit_settings), folder)
    return folder


@pytest.fixture(scope="session")
def emotion2vec_folder(tmp_path_factory):
    torch.manual_seed(2)
    conf = model_conf(32, 2, 1, 4, NARROW, pos_groups=4)
    folder = tmp_path_factory.mktemp("emotion2vec")
    write_checkpoint(build_model(conf, 3), conf, ["angry", "happy"], folder)
    return folder


@pytest.fixture
def waveforms(random):
    """Five clips of 0.02 to 1.6 s, float32 in -1..1 at 16 kHz."""
    return [random.normal(0, 0.1, length).astype(np.float32) for length in (25600, 399, 8000, 16001, 15999)]


EMBED = Embed(dtype="float32", precision="fp32", device="cpu")
SHARD_CLIPS = 4
SPEECH = [{"start_s": 0.5, "end_s": 1.0}, {"start_s": 1.5, "end_s": 2.0}]


def extracted(folder, keys):
    """Frames and waveforms of clips in ``folder``/toy; what a clip holds follows from its id and key
    alone.
    """
    store, shards = ExtractedShards(folder / "toy"), partition(keys, 3)
    for shard in shards:
        store.fill(
            shard, lambda clip_id: extracted_row(clip_id, keys[clip_id], _clip(clip_id, keys[clip_id]))
        )
    store.prune(shards)


def _clip(clip_id, key):
    random = np.random.default_rng(sum((clip_id + key).encode()))
    images = random.integers(0, 256, (random.integers(1, 7), 40, 40), dtype=np.uint8)
    encoded = [cv2.imencode(".png", image)[1].tobytes() for image in images]
    frames = [
        {"time_s": index / 5, "image": data, "face_source": "centre"} for index, data in enumerate(encoded)
    ]
    random = np.random.default_rng(sum((clip_id + key).encode()))
    samples = random.integers(-3000, 3000, 40000).astype(np.int16)
    waveform = {"sample_rate": 16000, "offset_s": 0.25, "samples": samples, "speech": SPEECH}
    return ExtractedClip(frames, waveform, {"frame_count": len(frames), "speech_s": 1.0})


@pytest.fixture
def embed(tmp_path, vit_folder, emotion2vec_folder):
    vit, speech = (
        load_vit(str(vit_folder), None, "cpu", "fp32"),
        load_emotion2vec(str(emotion2vec_folder), None, "cpu", "fp32"),
    )

    def run(keys, out="embed", settings=EMBED, vad_min_clip_s=3.0, view=0, threads=1):
        extracted(tmp_path / "extract", keys)
        clips = open_extracted(tmp_path / "extract" / "toy")
        visual, audio = (tmp_path / out / modality / "toy" for modality in ("visual", "audio"))
        shape = {"shard_clips": SHARD_CLIPS, "threads": threads}
        seen = embed_corpus_visual(clips, visual, vit, settings, view, **shape)
        heard = embed_corpus_audio(clips, audio, speech, settings, vad_min_clip_s, view, **shape)
        return seen, heard

    return run
