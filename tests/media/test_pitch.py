"""Pitch by autocorrelation."""

import numpy as np
import pytest

from mfer_core.media.pitch import pitch


@pytest.mark.parametrize("hertz", [80, 150, 400])
def test_the_pitch_of_a_tone_is_its_frequency(hertz):
    tone = np.sin(2 * np.pi * hertz * np.arange(16000) / 16000).astype(np.float32)
    assert np.median(pitch(tone)) == pytest.approx(hertz, rel=0.03)
