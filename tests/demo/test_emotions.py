"""The rules of expression: deterministic people, disjoint confusions, a custom set that differs."""

import numpy as np
import pytest

from demo.emotions import FACE, FACE_PARTNER, VOICE, VOICE_PARTNER, express, manner
from demo.people import person
from demo.seeds import generator
from mfer_core.base.labels import EMOTIONS


def test_both_modalities_know_all_emotions_and_confuse_different_pairs():
    assert set(FACE.table) == set(VOICE.table) == set(EMOTIONS)
    assert not FACE_PARTNER.items() & VOICE_PARTNER.items()


def test_people_follow_from_their_names_alone():
    one, again, other = (person(1, "ravdess", speaker, "female") for speaker in ("02", "02", "04"))
    assert one.throat == again.throat != other.throat
    assert np.array_equal(one.face.targets["sad"], again.face.targets["sad"])
    assert not np.array_equal(one.face.targets["sad"], other.face.targets["sad"])


@pytest.mark.parametrize("modality", [FACE, VOICE])
def test_clips_of_one_person_are_closer_than_those_of_different_people(modality):
    def apexes(speaker: str) -> np.ndarray:
        personal = manner(modality, 1, "ravdess", speaker)
        return np.array([express(personal, "neutral", 1.0, generator(speaker, take)) for take in range(40)])

    people = np.array([apexes(str(number)) for number in range(20)])
    within, between = people.std(axis=1).mean(), people.mean(axis=1).std(axis=0).mean()
    assert between > 1.5 * within


@pytest.mark.parametrize("modality", [FACE, VOICE])
def test_the_custom_sets_people_share_another_mapping(modality):
    def middle(corpus: str, label: str) -> np.ndarray:
        return np.mean(
            [manner(modality, 1, corpus, str(number)).targets[label] for number in range(100)], axis=0
        )

    usual = np.mean([np.abs(middle("ravdess", label) - modality.table[label]).mean() for label in EMOTIONS])
    shifted = np.mean([np.abs(middle("custom", label) - modality.table[label]).mean() for label in EMOTIONS])
    assert shifted > 4 * usual
