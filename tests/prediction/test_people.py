"""Everyone in the picture has a timeline of their own face, and the main rows stay what they are."""

import cv2
import numpy as np
import pandas as pd
import pytest
import torch

from mfer_core.base.files import read_json
from mfer_core.media.people import FACES, find_people
from mfer_core.media.read import decode_image
from mfer_core.prediction.batch import Batch
from mfer_core.prediction.media_files import find_media
from mfer_core.prediction.people import PersonTurns
from mfer_core.prediction.results_folder import ResultsFolder
from tests.media.scenes import CENTRE, Shot, film, take

WINDOW_S, STEP_S = 2.0, 0.5
BOTH = {"first": "left", "second": "right"}
SHOTS = [Shot(BOTH, "first"), Shot({"second": CENTRE}, "second"), Shot(BOTH, "second")]


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scene")
    takes = {
        "first": [take(folder, "01", "male", "angry")],
        "second": [take(folder, "04", "female", "sad"), take(folder, "04", "female", "happy")],
    }
    return film(folder / "in" / "scene.mp4", takes, SHOTS)


@pytest.fixture(scope="module")
def seen(predictor, scene, tmp_path_factory):
    """The results of a run over the scene, and their folder."""
    out = tmp_path_factory.mktemp("out")
    Batch(predictor, "the model", WINDOW_S, STEP_S, out).run(find_media([scene.path], out))
    return ResultsFolder(out).read(scene.path), out


def shares(table, arm, classes):
    return table[table.arm == arm][list(classes)].to_numpy()


def test_a_person_is_judged_by_their_own_face_alone(predictor, scene, seen, tmp_path):
    """The crops are picked here by where the scene has the person, frame by frame."""
    result, _ = seen
    assert [one.name for one in result.people] == ["person 1", "person 2"]
    parts = predictor.extract(scene.path, tmp_path)
    rows = pd.concat(parts.faces("frame", "time_s", "main", "x0", "x1", "image"), ignore_index=True)
    pictures = [row["image"] for part in parts.pictures() for row in part]
    for one, person in zip(result.people, BOTH, strict=True):
        crops = [
            decode_image(pictures[row.frame] if row.main else row.image)
            for row in rows.itertuples()
            if person in (places := scene.at(row.time_s).places)
            and abs((row.x0 + row.x1) / 2 - scene.x_of(places[person])) < 60
        ]
        steps = torch.from_numpy(predictor.visual.embed(crops))
        (expected,) = predictor.decide([(steps, torch.zeros(0, predictor.audio.dim))])
        probabilities = shares(one.table, "visual", predictor.classes)[0]
        np.testing.assert_allclose(probabilities, expected["visual"].numpy(), atol=1e-4)
        assert one.seen_s == pytest.approx(len(crops) / 5)
        assert cv2.imdecode(np.frombuffer(one.picture, np.uint8), cv2.IMREAD_GRAYSCALE).shape == (224, 224)


def test_a_person_has_windows_where_they_are_on_screen_and_no_others(scene, seen):
    result, _ = seen
    spans = result.timeline[["start_s", "end_s"]].drop_duplicates()
    for one, person in zip(result.people, BOTH, strict=True):
        on_screen = [(a, b) for a, b, shot in scene.shots if person in shot.places]
        expected = {
            row.start_s
            for row in spans.itertuples()
            if any(
                a < row.start_s + (WINDOW_S + STEP_S) / 2 - 0.2
                and row.start_s + (WINDOW_S - STEP_S) / 2 < b - 0.2
                for a, b in on_screen
            )
            or (row.start_s == 0 and person == "first")
        }
        assert set(one.timeline.start_s) == expected
    assert len(result.people[0].timeline) < len(result.people[1].timeline)


def test_main_rows_are_those_of_a_recording_and_everyone_stands_beside_them(predictor, scene, seen):
    result, out = seen
    fresh = predictor.examine(scene.path, WINDOW_S, STEP_S)
    for name, kind, main in (("predictions", "table", fresh.table), ("timeline", "timeline", fresh.timeline)):
        table = pd.read_parquet(out / f"{name}.parquet")
        assert list(table.person.unique()) == ["main", "person 1", "person 2"]
        rows = table[table.person == "main"].drop(columns="person").reset_index(drop=True)
        pd.testing.assert_frame_equal(rows, main)
        pd.testing.assert_frame_equal(rows, getattr(result, kind))
    windows = pd.read_csv(out / "windows.csv")
    assert not windows.duplicated(["path", "person", "start_s"]).any()
    heard = windows[windows.audio_label.notna()]
    assert set(heard.person) == set(table.person) and len(heard) < len(windows)


def test_json_and_page_show_everyone(seen, scene):
    result, out = seen
    (clip,) = read_json(out / "predictions.json")["clips"]
    assert [one["name"] for one in clip["people"]] == ["person 1", "person 2"]
    assert clip["people"][1]["last_s"] == pytest.approx(scene.shots[-1][1], abs=0.3)
    assert len(clip["people"][0]["timeline"]) == result.people[0].timeline.start_s.nunique()
    page = (out / "report.html").read_text()
    assert page.count('<div class="person"><img src="data:image/jpeg') == 2
    assert page.count("<svg") == 3


def test_a_recording_of_one_person_has_the_main_rows_alone(predictor, recordings, tmp_path):
    assert predictor.examine(recordings / "long.mp4").people == []
    parts = predictor.extract(recordings / "long.mp4", tmp_path)
    assert find_people(parts.faces(*FACES)).count == 1


def test_a_pause_in_a_window_belongs_to_the_nearest_turn_and_alone_to_nobody():
    starts, ends = np.array([1.0, 4.0, 8.0]), np.array([2.0, 6.0, 9.0])
    first, second = (
        PersonTurns(starts, ends, np.array(mine)) for mine in ([True, False, True], [False, True, False])
    )
    times = np.array([0.5, 1.5, 2.9, 3.1, 5.0, 6.9, 7.1, 8.5])
    assert first.mask(times).tolist() == [True, True, True, False, False, False, True, True]
    assert second.mask(times).tolist() == [not chosen for chosen in first.mask(times)]
    assert not first.mask(times[2:4]).any(), "only a pause of theirs"
    assert not PersonTurns(*np.zeros((3, 0))).mask(times).any()
