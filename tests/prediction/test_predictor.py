"""What the arms see is what training saw: the same embeddings, on the recording's clock."""

import shutil

import numpy as np
import pytest
import torch

from mfer_core.base.errors import ClipError, MferError
from mfer_core.base.files import read_json, write_json
from mfer_core.prediction import Predictor
from mfer_core.prediction.notes import notes_on


def shares(table, arm):
    return table[table.arm == arm].iloc[:, 5:].to_numpy()


def test_a_recording_has_the_rows_of_what_it_has(predictor, recordings):
    expected = {
        "short.mp4": ["visual", "audio", "fused"],
        "inner/sound & <b>.wav": ["audio", "fused"],
        "inner/mute.mp4": ["visual", "fused"],
    }
    for name, arms in expected.items():
        table = predictor.predict([recordings / name])
        assert list(table.columns) == ["path", "start_s", "end_s", "arm", "label", *predictor.classes]
        assert list(table.arm) == arms
        assert table[list(predictor.classes)].sum(axis=1).to_numpy() == pytest.approx(1, abs=1e-6)
        assert all(
            row.label == max(predictor.classes, key=lambda name, row=row: getattr(row, name))
            for row in table.itertuples()
        )


def test_windows_see_the_pictures_within_them(predictor, recordings, tmp_path):
    result = predictor.examine(recordings / "long.mp4", 2.0, 1.0)
    embedded = predictor.embed(predictor.extract(recordings / "long.mp4", tmp_path))
    assert list(result.timeline.start_s.unique()) == [0, 1, 2, 3, 4, 5]
    inside = (embedded.visual_s >= 1.0) & (embedded.visual_s < 3.0)
    steps = torch.from_numpy(embedded.visual[inside])
    (arms,) = predictor.decide([(steps, torch.zeros(0, predictor.audio.dim))])
    probabilities = shares(result.timeline[result.timeline.start_s == 1.0], "visual")[0]
    assert probabilities == pytest.approx(arms["visual"].numpy(), abs=1e-6)
    assert set(result.timeline.arm[result.timeline.start_s == 4.0]) == {"visual", "fused"}, (
        "the sound ends after 3 s"
    )
    assert len(np.unique(shares(result.timeline, "visual"), axis=0)) > 3, "the face moves"


def test_a_window_as_long_as_the_recording_is_the_recording(predictor, recordings):
    result = predictor.examine(recordings / "long.mp4", 60.0, 1.0)
    assert result.timeline.equals(result.table)


def test_what_a_person_must_know_is_noted(predictor, recordings):
    def notes(name):
        return "; ".join(
            notes_on(predictor.examine(recordings / name).clip.facts, predictor.settings.extract)
        )

    assert "the image arm has no say" in notes("inner/sound & <b>.wav")
    assert "no sound: the audio arm has no say" in notes("inner/mute.mp4")
    assert notes(".hidden/two.mp4") == (
        "up to 2 faces: the one that is largest for longest counts; no speech found: all of the sound "
        "is heard"
    )


def test_a_file_that_is_none_says_why(predictor, recordings):
    with pytest.raises(ClipError, match="unreadable"):
        predictor.examine(recordings / "broken.mp4")


def test_a_models_folder_without_its_settings_is_named(model, tmp_path):
    with pytest.raises(MferError, match=r"settings\.json"):
        Predictor.load(tmp_path)
    write_json(tmp_path / "settings.json", {"extract": read_json(model / "settings.json")["extract"]})
    with pytest.raises(MferError, match="synthetic: Field required"):
        Predictor.load(tmp_path)


def test_other_weights_of_an_encoder_than_were_trained_on_are_refused(model, tmp_path):
    folder = shutil.copytree(model, tmp_path / "model")
    config = read_json(folder / "fused" / "config.json")
    write_json(
        folder / "fused" / "config.json",
        config | {"encoders": {"audio": {"name": "someone/speech", "hash": "0123456789abcdef"}}},
    )
    with pytest.raises(MferError, match=r"was trained on someone/speech \(0123456789abcdef\)"):
        Predictor.load(folder)
