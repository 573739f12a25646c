"""Every training that is killed (SIGKILL, a real process) goes on after its last whole epoch, to the same
bytes.
"""

import os
import signal
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest

from mfer_core.base.settings import PretrainEmotion2vec, PretrainVit
from mfer_core.training import loop
from mfer_core.training.pretrain_emotion2vec import pretrain_emotion2vec
from mfer_core.training.pretrain_vit import pretrain_vit
from tests.encoders.conftest import VIT
from tests.training.synthetic import small_settings, train_visual_fold, write_benchmark

PROCESSES = get_context("forkserver")
PROCESSES.set_forkserver_preload([__name__])
KILLED_AFTER = 2  # epochs
FACES = PretrainVit(**{**VIT, "epochs": 4, "stem_channels": [4, 8, 8]})
SPEECH = PretrainEmotion2vec(
    **{"checkpoint": None, "revision": None, "hidden_size": 16, "prenet_layers": 1, "layers": 1, "heads": 2},
    **{"epochs": 4, "batch_size": 4, "learning_rate": 3e-3, "weight_decay": 0.01, "label_smoothing": 0.1},
)


def train_vit(folder: Path) -> Path:
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (48, 48, 48), dtype=np.uint8), ["happy", "sad", "angry"] * 16
    pretrain_vit(images, labels, ["Training"] * 36 + ["PublicTest"] * 12, FACES, 1, folder)
    return folder


def train_emotion2vec(folder: Path) -> Path:
    rng = np.random.default_rng(0)
    waveforms = [rng.normal(0, 0.1, 4000 + 400 * number).astype(np.float32) for number in range(12)]
    pretrain_emotion2vec(waveforms, ["happy", "sad"] * 6, [False] * 8 + [True] * 4, SPEECH, 1, folder)
    return folder


def train_fold(folder: Path) -> Path:
    settings = small_settings(train_visual={"schedule": "plateau"})
    write_benchmark(folder, settings, speakers=4)
    return train_visual_fold("groupk:2", 0, folder, settings)


TRAIN = {"pretrain_vit": train_vit, "pretrain_emotion2vec": train_emotion2vec, "train_visual": train_fold}


def killed(stage: str, folder: Path) -> None:
    """Train, and die without a word once the checkpoint of an epoch is written."""
    save, saved = loop._save_checkpoint, []

    def save_and_die(*arguments):
        save(*arguments)
        saved.append(1)
        if len(saved) == KILLED_AFTER:
            os.kill(os.getpid(), signal.SIGKILL)

    loop._save_checkpoint = save_and_die
    TRAIN[stage](folder)


@pytest.mark.parametrize("stage", TRAIN)
def test_a_killed_training_goes_on_and_ends_with_the_same_bytes(stage, tmp_path, monkeypatch):
    child = PROCESSES.Process(target=killed, args=(stage, tmp_path / "killed"))
    child.start()
    child.join()
    assert child.exitcode == -signal.SIGKILL
    epochs, save = [], loop._save_checkpoint
    monkeypatch.setattr(loop, "_save_checkpoint", lambda *given: epochs.append(1) or save(*given))
    resumed = TRAIN[stage](tmp_path / "killed")
    assert len(epochs) == 4 - KILLED_AFTER  # the epochs before it are not done again
    undisturbed = TRAIN[stage](tmp_path / "undisturbed")
    names = sorted(path.name for path in undisturbed.iterdir())
    assert names == sorted(path.name for path in resumed.iterdir())
    for name in names:
        assert (resumed / name).read_bytes() == (undisturbed / name).read_bytes(), name
    epochs.clear()
    (resumed / loop.CHECKPOINT).write_bytes(b"of a run that was killed after its mark")
    TRAIN[stage](tmp_path / "killed")
    assert not epochs  # what is done under its key is not trained again
    assert names == sorted(path.name for path in resumed.iterdir())
