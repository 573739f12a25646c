"""Who speaks when, and whose face the voice belongs to."""

from dataclasses import replace
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest

from mfer_core.base.files import read_json
from mfer_core.media.pitch import PITCH_FRAME, PITCH_HOP, pitch
from mfer_core.prediction.batch import Batch
from mfer_core.prediction.media_files import find_media
from mfer_core.prediction.results_folder import ResultsFolder
from mfer_core.prediction.speakers import Voices
from tests.media.recordings import write_clip
from tests.media.scenes import CENTRE, Shot, film, take

BOTH = {"first": "left", "second": "right"}
SHOTS = [
    Shot(BOTH, "first"),
    Shot(BOTH, "second"),
    Shot({"second": CENTRE}, "second"),
    Shot(BOTH, "first"),
    Shot(BOTH, "second"),
    Shot({"first": CENTRE}, "first"),
]


class ByPitch:
    """Stands in for a trained speaker encoder: the direction of an embedding is the pitch of the voice."""

    metadata: ClassVar = {"name": "pitch"}

    def embed(self, waveforms):
        angles = []
        for waveform in waveforms:
            frames = np.lib.stride_tricks.sliding_window_view(waveform, PITCH_FRAME)[::PITCH_HOP]
            power = np.square(frames).mean(1)
            angles.append(2 * np.log2(np.median(pitch(waveform)[power > 0.2 * power.max()]) / 100))
        return np.stack([np.cos(angles), np.sin(angles)], 1).astype(np.float32)


VOICES = Voices(ByPitch(), 0.88)


@pytest.fixture(scope="module")
def takes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("takes")
    # Two takes whose pitches are steady: a strongly played one wanders as far as to the other's.
    people = {"first": ("01", "male", "neutral"), "second": ("04", "female", "calm")}
    return {name: [take(folder, *facts)] for name, facts in people.items()}


@pytest.fixture(scope="module")
def scene(takes, tmp_path_factory):
    return film(tmp_path_factory.mktemp("scene") / "in" / "scene.mp4", takes, SHOTS)


def share_right(turns, scene, names):
    """The share of the speech that ``turns`` give to whom the scene has speaking; ``names``: who -> name."""
    right = spoken = 0.0
    for first, last, shot in scene.shots:
        for start, end, name in turns:
            common = max(0.0, min(last, end) - max(first, start))
            spoken += common
            right += common * (name == names[shot.speaker])
    return right / spoken


def test_voices_are_told_apart_and_given_to_their_faces(predictor, scene):
    result = replace(predictor, voices=VOICES).examine(scene.path, 2.0, 0.5)
    assert {turn.speaker for turn in result.turns} == {"speaker 1", "speaker 2"}
    by_voice = [(turn.start_s, turn.end_s, turn.speaker) for turn in result.turns]
    assert share_right(by_voice, scene, {"first": "speaker 1", "second": "speaker 2"}) >= 0.95
    by_face = [(turn.start_s, turn.end_s, turn.person) for turn in result.turns]
    assert share_right(by_face, scene, {"first": "person 1", "second": "person 2"}) >= 0.95
    speech_s = sum(turn.end_s - turn.start_s for turn in result.turns)
    assert speech_s > 0.5 * scene.shots[-1][1]
    assert sum(one.spoken_s for one in result.people) == pytest.approx(speech_s)
    assert [set(one.table.arm) for one in result.people] == [{"visual", "audio", "fused"}] * 2


def test_without_a_speaker_model_turns_go_to_whose_mouth_moves_and_it_is_said(predictor, scene, tmp_path):
    Batch(predictor, "the model", 2.0, 0.5, tmp_path).run(find_media([scene.path], tmp_path))
    seen = ResultsFolder(tmp_path).read(scene.path)
    assert {turn.speaker for turn in seen.turns} == {"speaker 1"}
    by_face = [(turn.start_s, turn.end_s, turn.person) for turn in seen.turns]
    assert share_right(by_face, scene, {"first": "person 1", "second": "person 2"}) >= 0.95
    assert "speakers are not told apart: no speaker model is here" in seen.notes
    (clip,) = read_json(tmp_path / "predictions.json")["clips"]
    assert [turn["person"] for turn in clip["turns"]] == [turn.person for turn in seen.turns]
    table = pd.read_csv(tmp_path / "turns.csv")
    assert list(table.columns) == ["path", "start_s", "end_s", "speaker", "person"]
    assert len(table) == len(seen.turns) and set(table.person.dropna()) == {"person 1", "person 2"}


def test_a_person_is_heard_in_their_own_turns_alone(predictor, scene, tmp_path):
    both = replace(predictor, voices=VOICES).examine(scene.path, 2.0, 0.5)
    embedded = predictor.embed(predictor.extract(scene.path, tmp_path))
    for one in both.people:
        spans = [(turn.start_s, turn.end_s) for turn in both.turns if turn.person == one.name]
        inside = np.any(
            [(embedded.audio_s >= start) & (embedded.audio_s < end) for start, end in spans], axis=0
        )
        alone = replace(embedded, audio=embedded.audio[inside], audio_s=embedded.audio_s[inside])
        expected = predictor.classifier.decide_whole(alone)["audio"].numpy()
        probabilities = one.table[one.table.arm == "audio"][list(predictor.classes)].to_numpy()[0]
        np.testing.assert_allclose(probabilities, expected, atol=1e-5)


def test_voices_without_faces_are_people_too(predictor, takes, tmp_path):
    sound = np.concatenate([takes[name][0].sound for _ in range(2) for name in ("first", "second")])
    path = write_clip(tmp_path / "interview.wav", sound=sound, sound_rate=16_000)
    result = replace(predictor, voices=VOICES).examine(path, 2.0, 0.5)
    assert [one.name for one in result.people] == ["speaker 1", "speaker 2"]
    assert all(set(one.table.arm) == {"audio", "fused"} and not one.picture for one in result.people)
    assert not any(turn.person for turn in result.turns)
