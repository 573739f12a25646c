"""An arm over a long recording, piece by piece, is the arm."""

import numpy as np
import pytest
import torch

from mfer_core.models.arm import Arm, ArmConfig
from mfer_core.prediction import classifiers as module
from mfer_core.prediction.running import read_running


@pytest.mark.parametrize("readout", ["last", "mean", "statistics"])
@pytest.mark.parametrize(
    ("pool", "standardise", "probe"), [(1, True, False), (4, True, True), (4, False, False), (1, True, True)]
)
def test_piece_by_piece_is_in_one_piece(readout, pool, standardise, probe):
    torch.manual_seed(1)
    config = ArmConfig(
        modality="audio",
        input_dim=6,
        hidden_size=5,
        layers=2,
        dropout=0.0,
        pool=pool,
        standardise=standardise,
        readout=readout,
        probe=probe,
        pyramid=(1, 2, 4),
        classes=("a",),
    )
    arm = Arm(config).eval()
    arm.standardise(torch.randn(6), torch.rand(6) + 0.5)
    for length in (0, 1, 39, 40, 41, 203):
        values = np.random.default_rng(length).normal(size=(length, 6)).astype(np.float32)
        padded = torch.from_numpy(values if length else np.zeros((1, 6), np.float32))[None]
        with torch.no_grad():
            expected = arm.encode(padded, torch.tensor([length]))
            torch.testing.assert_close(read_running(arm, values, steps=40)[0], expected, atol=2e-5, rtol=1e-4)


def test_a_long_recording_is_judged_as_a_short_one(predictor, recordings, monkeypatch):
    for name in ("long.mp4", "inner/mute.mp4", "inner/sound & <b>.wav"):
        whole = predictor.examine(recordings / name, 2.0, 1.0).table
        with monkeypatch.context() as patched:
            patched.setattr(module, "STEPS", 3)
            pieces = predictor.examine(recordings / name, 2.0, 1.0).table
        assert list(pieces.arm) == list(whole.arm) and list(pieces.label) == list(whole.label)
        np.testing.assert_allclose(pieces[list(predictor.classes)], whole[list(predictor.classes)], atol=1e-5)
