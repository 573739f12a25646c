import numpy as np
import pytest
import torch

from mfer_core.encoders.face_augmentation import augment_faces
from mfer_core.encoders.waveform_augmentation import augment_waveform, change_speed


def test_faces_stay_faces_and_follow_from_the_seed():
    faces = torch.rand(16, 1, 24, 24, generator=torch.Generator().manual_seed(1))
    first, again, other = (augment_faces(faces, torch.Generator().manual_seed(seed)) for seed in (5, 5, 6))
    assert first.shape == faces.shape and float(first.min()) >= 0 and float(first.max()) <= 1
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_waveforms_change_a_little_and_follow_from_the_seed(random):
    waveform = random.normal(0, 0.1, 16000).astype(np.float32)
    views = [augment_waveform(waveform, np.random.default_rng(seed), 0.5) for seed in range(40)]
    assert {view.dtype for view in views} == {np.dtype(np.float32)}
    assert all(0.94 < len(view) / 16000 < 1.06 for view in views)
    assert len({view.tobytes() for view in views}) > 20
    np.testing.assert_array_equal(views[3], augment_waveform(waveform, np.random.default_rng(3), 0.5))


def level(waveform: np.ndarray) -> float:
    """Decibels against a full sine, without the edges."""
    return 20 * np.log10(np.sqrt(2 * np.mean(np.square(waveform[2000:-2000], dtype=np.float64))))


@pytest.mark.parametrize("speed", [0.88, 0.95, 1.05, 1.12])
def test_another_speed_moves_a_tone_and_keeps_its_level(speed):
    time = np.arange(40000) / 16000
    tone = np.sin(2 * np.pi * 6000 / speed * time).astype(np.float32)  # comes out at 6 kHz
    faster = change_speed(tone, speed)
    assert len(faster) == pytest.approx(40000 / speed, abs=1) and faster.dtype == np.float32
    spectrum = np.abs(np.fft.rfft(faster[2000:-2000] * np.hanning(len(faster) - 4000)))
    assert np.argmax(spectrum) / len(spectrum) * 8000 == pytest.approx(6000, abs=20)
    assert abs(level(faster)) < 0.1
    assert np.array_equal(change_speed(tone, 1.0), tone)


def test_what_a_higher_speed_would_carry_above_half_the_rate_is_gone():
    tone = np.sin(2 * np.pi * 7800 * np.arange(40000) / 16000).astype(np.float32)
    assert level(change_speed(tone, 1.12)) < -20  # it would alias to 7.3 kHz
