"""Small encoders with random weights, written once a session in the layouts of the published ones."""

import numpy as np
import pytest
import torch

from mfer_core.encoders.device import one_thread
from mfer_core.encoders.emotion2vec_config import model_conf
from mfer_core.encoders.emotion2vec_model import build_model
from mfer_core.encoders.pretrain_emotion2vec import write_checkpoint
from mfer_core.encoders.pretrain_vit import build_vit, save_vit
from mfer_core.settings import PretrainVit

NARROW = [(8, 10, 5)] + [(8, 3, 2)] * 4 + [(8, 2, 2)] * 2  # published kernels and strides
VIT = {
    **{"checkpoint": None, "revision": None, "image_size": 32, "patch_size": 8, "hidden_size": 32, "layers": 2, "heads": 2, "epochs": 2},
    **{"batch_size": 16, "learning_rate": 3e-3, "weight_decay": 0.01, "label_smoothing": 0.1, "patience": 0},
}


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
    save_vit(build_vit(vit_settings), vit_settings, folder)
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
