import numpy as np
import torch

from mfer_core.encoders.face_augmentation import augment_faces
from mfer_core.encoders.waveform_augmentation import augment_waveform


def test_faces_stay_faces_and_follow_from_the_seed():
    faces = torch.rand(16, 1, 24, 24, generator=torch.Generator().manual_seed(1))
    first, again, other = (augment_faces(faces, torch.Generator().manual_seed(seed)) for seed in (5, 5, 6))
    assert first.shape == faces.shape and float(first.min()) >= 0 and float(first.max()) <= 1
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_waveforms_change_a_little_and_follow_from_the_seed(random):
    waveform = random.normal(0, 0.1, 16000).astype(np.float32)
    views = [augment_waveform(waveform, np.random.default_rng(seed)) for seed in range(40)]
    assert {view.dtype for view in views} == {np.dtype(np.float32)}
    assert all(0.94 < len(view) / 16000 < 1.06 for view in views)
    assert len({view.tobytes() for view in views}) > 20
    np.testing.assert_array_equal(views[3], augment_waveform(waveform, np.random.default_rng(3)))
