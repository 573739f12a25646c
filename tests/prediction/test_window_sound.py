"""A window of a recording is heard as the clip that fills it is: the same steps, whatever is beside it."""

import numpy as np
import pytest

from mfer_core.media.sound import Waveform
from mfer_core.media.sound_windows import hear
from mfer_core.prediction.window_sound import steps_of, window_sounds
from mfer_core.prediction.windows import window_spans
from tests.media.recordings import write_clip
from tests.media.scenes import RATE, take

TOLERANCE = 1e-5  # of values about 1


@pytest.fixture(scope="module")
def sounds(tmp_path_factory):
    """2 s of two people each: one's sound is a hundred times as loud as the other's."""
    folder = tmp_path_factory.mktemp("takes")
    people = (("01", "male", "angry", 0.9), ("04", "female", "sad", 0.009))
    return [level * _scaled(take(folder, *who).sound) for *who, level in people]


def _scaled(sound):
    whole = np.zeros(2 * RATE, np.float32)
    whole[: len(sound)] = sound[: len(whole)]
    return whole / np.abs(whole).max()


@pytest.mark.parametrize("window_s", [2.0, 4.0])  # A clip of 2 s is kept whole, and of 4 s the speech is.
def test_a_window_of_a_recording_has_the_steps_of_the_clip_alone(predictor, sounds, tmp_path, window_s):
    clips = [np.tile(sound, round(window_s / 2)) for sound in sounds]
    paths = [write_clip(tmp_path / f"{number}.wav", sound=clip) for number, clip in enumerate(clips)]
    both = write_clip(tmp_path / "both.wav", sound=np.concatenate(clips))
    spans = window_spans(2 * window_s, window_s, window_s)
    within = window_sounds(
        [predictor.audio], predictor.settings.extract, *embedded(predictor, both, tmp_path / "both"), spans
    )
    for path, (values, times), (start_s, _) in zip(paths, within, spans, strict=True):
        _, alone = embedded(predictor, path, tmp_path / path.stem)
        assert len(alone.audio) > 40 and np.abs(alone.audio).mean() > 0.1
        np.testing.assert_allclose(values, alone.audio, atol=TOLERANCE)
        np.testing.assert_allclose(times - start_s, alone.audio_s, atol=1 / RATE)


def embedded(predictor, path, folder):
    folder.mkdir()
    parts = predictor.extract(path, folder)
    return parts, predictor.embed(parts)


def test_windows_that_share_a_batch_have_the_steps_of_windows_alone(predictor, sounds):
    windows = [
        Waveform((20_000 * sound[:length]).astype(np.int16), 0.0)
        for sound, length in zip(sounds, (32_000, 20_000), strict=True)
    ]
    heard = [hear(window, predictor.settings.extract, without_speech=True) for window in windows]
    together = list(steps_of([heard[0], None, heard[1]], predictor.audio))
    assert together[1][0].shape == (0, predictor.audio.dim)
    for alone, (values, times) in zip(heard, together[::2], strict=True):
        ((expected, expected_s),) = steps_of([alone], predictor.audio)
        np.testing.assert_allclose(values, expected, atol=1e-4)
        assert np.array_equal(times, expected_s)


def test_a_pause_between_two_who_speak_has_no_say_for_the_audio_arm(predictor, sounds, tmp_path):
    noise = np.random.default_rng(0).normal(0, 1e-4, 4 * RATE).astype(np.float32)
    path = write_clip(tmp_path / "pause.wav", sound=np.concatenate([sounds[0], noise, sounds[0]]))
    windows = predictor.examine(path, 2.0, 2.0).timeline
    assert list(windows.start_s[windows.arm == "audio"]) == [0.0, 6.0]
