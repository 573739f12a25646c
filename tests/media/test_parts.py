"""A recording in parts is the recording: the same pictures at the same times, the same sound but at the
cuts.
"""

import numpy as np
import pytest

from mfer_core.base.errors import ClipError
from mfer_core.media.clip import extract_clip
from mfer_core.media.parts import RecordingParts, extract_parts
from tests.media.recordings import face_picture, tone, write_clip


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    """6.4 s of a face that moves, with sound for the first 3 s."""
    path = tmp_path_factory.mktemp("parts") / "long.mp4"
    pictures = [face_picture((80 + 2 * step, 90, 100 + step)) for step in range(32)]
    return write_clip(path, pictures, range(0, 6400, 200), tone(3.0))


def in_parts(recording, settings, folder, part_s):
    folder.mkdir()
    return RecordingParts(folder, extract_parts(recording, settings, 1, folder, part_s))


def pictures(frames):
    return [(round(frame["time_s"], 6), frame["image"], frame["face_source"]) for frame in frames]


def test_a_recording_of_one_part_is_the_clip(recording, settings, tmp_path):
    clip, parts = extract_clip(recording, settings), in_parts(recording, settings, tmp_path / "one", 300.0)
    ((frames,), (sound,)) = parts.pictures(), parts.sounds()
    assert pictures(frames) == pictures(clip.frames)
    assert np.array_equal(sound["samples"], clip.waveform["samples"])
    assert (sound["offset_s"], sound["speech"]) == (clip.waveform["offset_s"], clip.waveform["speech"])
    assert {name: parts.facts[name] for name in clip.facts} == clip.facts
    assert parts.facts["most_faces"] == 1 and parts.facts["sound_s"] == len(sound["samples"]) / 16_000
    assert np.array_equal(parts.outline()["samples"], sound["samples"])


def test_parts_lie_end_to_end_on_one_clock(recording, settings, tmp_path):
    clip, parts = extract_clip(recording, settings), in_parts(recording, settings, tmp_path / "many", 1.0)
    assert [len(frames) for frames in parts.pictures()] == [5, 5, 5, 5, 5, 5, 2]
    assert pictures([frame for frames in parts.pictures() for frame in frames]) == pictures(clip.frames)
    sounds = list(parts.sounds())
    assert len(sounds) == 3
    whole = np.zeros(len(clip.waveform["samples"]) + 1000)
    for sound in sounds:
        start = round(16_000 * (sound["offset_s"] - clip.waveform["offset_s"]))
        whole[start : start + len(sound["samples"])] = sound["samples"]
    different = np.abs(whole[: len(clip.waveform["samples"])] - clip.waveform["samples"]) > 300
    assert different.mean() < 0.02, "but at the cuts"
    assert parts.facts["duration_s"] == pytest.approx(clip.facts["duration_s"], abs=0.001)
    assert parts.facts["frame_count"] == clip.facts["frame_count"]
    assert parts.facts["speech_s"] is not None
    assert [frame["time_s"] for frame in parts.some_frames(3)] == [0.0, 3.0, 6.2]
    outline = parts.outline()
    assert len(outline["samples"]) / outline["sample_rate"] == pytest.approx(
        clip.facts["duration_s"], abs=0.1
    )
    assert abs(int(outline["samples"].max()) - int(clip.waveform["samples"].max())) < 300


def test_the_limit_of_length_counts_all_parts(recording, settings, tmp_path):
    with pytest.raises(ClipError, match="too long"):
        in_parts(recording, settings.model_copy(update={"max_duration_s": 2.5}), tmp_path / "video", 1.0)
    sound = write_clip(tmp_path / "sound.wav", sound=tone(3.0))
    with pytest.raises(ClipError, match="too long"):
        in_parts(sound, settings.model_copy(update={"max_duration_s": 2.5}), tmp_path / "sound", 1.0)
