"""People are told apart through gaps, cuts of the film and changed seats."""

import numpy as np
import pandas as pd
import pytest

from mfer_core.media.looks import SIZE, look
from mfer_core.media.parts import RecordingParts, extract_parts
from mfer_core.media.people import FACES, MOST_PEOPLE, find_people
from tests.media.scenes import CENTRE, Shot, film, take

BOTH = {"first": "left", "second": "right"}
SHOTS = [
    Shot(BOTH, "first"),
    Shot(BOTH, "second"),
    Shot({"first": "left"}, "first"),  # the other one is away for longer than a track lasts
    Shot(BOTH, "second"),
    Shot({"second": CENTRE}, "second"),
    Shot({"first": CENTRE}, "first"),  # a cut: another face in the same place
    Shot({"first": "right", "second": "left"}, "second"),  # seats changed
]


@pytest.fixture(scope="module", params=[("female", "04"), ("male", "03")], ids=["two sexes", "one sex"])
def scene(request, tmp_path_factory):
    """Two people, and where each face of the recording is by the truth of the scene."""
    folder = tmp_path_factory.mktemp("scene")
    sex, speaker = request.param
    takes = {
        "first": [take(folder, "01", "male", label) for label in ("angry", "happy")],
        "second": [take(folder, speaker, sex, label) for label in ("sad", "happy")],
    }
    return film(folder / "scene.mp4", takes, SHOTS)


def whose(scene, people):
    """By the scene, the person of each face: the one whose place is nearest."""
    centres = (people.box[:, 0] + people.box[:, 2]) / 2
    return [
        min(shot.places, key=lambda person: abs(scene.x_of(shot.places[person]) - x))
        for shot, x in ((scene.at(time_s), x) for time_s, x in zip(people.time_s, centres, strict=True))
    ]


def test_each_face_is_given_to_the_right_person_through_gaps_cuts_and_changed_seats(
    scene, settings, tmp_path
):
    parts = RecordingParts(tmp_path, extract_parts(scene.path, settings, 1, tmp_path, part_s=5.0))
    tables = list(parts.faces(*FACES))
    people = find_people(tables)
    assert people.count == 2 and len(tables) > 2
    assert len(set(pd.concat(tables).track)) > 2, "tracks alone do not tell people apart"
    truth = np.array(whose(scene, people))
    number = {person: int(np.bincount(people.person[truth == person] + 1).argmax()) - 1 for person in BOTH}
    assert set(number.values()) == {0, 1}
    frames = {
        person: round(5 * sum(b - a for a, b, shot in scene.shots if person in shot.places))
        for person in BOTH
    }
    for person in BOTH:
        right = (truth == person) & (people.person == number[person])
        assert right.sum() >= 0.95 * frames[person], "of the time on screen"
        assert right.sum() >= 0.95 * (people.person == number[person]).sum(), "of the time given to them"


def rows(looks, times, track=0, x=0.0):
    """One track of faces in one place."""
    facts = {"frame": range(len(times)), "main": True, "time_s": times, "track": track}
    box = {"x0": x, "y0": 0.0, "x1": x + 10.0, "y1": 10.0}
    mouths = [np.zeros(4, np.uint8)] * len(times)
    return pd.DataFrame(facts | box | {"look": list(looks), "mouth": mouths})


def unit(number):
    return np.eye(64, dtype=np.float32)[number]


def test_who_is_seen_for_a_moment_is_not_followed_and_of_many_the_longest_are():
    times = np.arange(0, 40, 0.2)
    who = np.minimum(times // 2, 13).astype(int)  # fourteen people, the last one for 14 s
    moment = (times > 30) & (times < 30.7)
    who[moment] = 30
    people = find_people([rows([unit(number) for number in who], times)])
    assert people.count == MOST_PEOPLE
    assert set(people.person[moment]) == {-1}
    assert set(people.person[who == 13]) == {MOST_PEOPLE - 1}, "one person before and after the moment"
    assert [set(people.person[who == number]) for number in range(11)] == [{number} for number in range(11)]


def test_two_who_look_alike_at_one_moment_are_two():
    times = np.arange(0, 4, 0.2)
    pair = pd.concat([rows([unit(1)] * 20, times), rows([unit(1)] * 20, times, track=1, x=50.0)])
    people = find_people([pair.sort_values(["time_s", "track"], ignore_index=True)])
    assert people.count == 2


def test_nobody_is_nobody():
    assert find_people([]).count == 0
    assert find_people([rows([], [])]).count == 0


def test_a_look_is_of_length_one_and_of_the_place_in_the_picture(settings):
    picture = np.random.default_rng(1).integers(0, 256, (120, 160, 3), dtype=np.uint8)
    inside = look(picture, np.array([60.0, 40, 90, 80], np.float32))
    assert inside.shape == (SIZE,) and np.linalg.norm(inside) == pytest.approx(1, abs=1e-5)
    moved = look(np.roll(picture, (5, 9), (0, 1)), np.array([69.0, 45, 99, 85], np.float32))
    assert inside @ moved > 0.99
    assert np.isfinite(look(picture, np.array([-30.0, -20, 5, 20], np.float32))).all(), (
        "at the picture's edge"
    )
