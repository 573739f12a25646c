import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mfer_core.base.errors import MferError
from mfer_core.base.labels import (
    ALIASES,
    EMOTIONS,
    LABEL_SETS,
    canonical,
    count_labels,
    label_set,
)


def test_label_sets_have_the_reference_orders():
    assert label_set("eight") == (
        "neutral",
        "calm",
        "happy",
        "sad",
        "angry",
        "fearful",
        "disgust",
        "surprised",
    )
    assert label_set("seven") == ("angry", "disgust", "fearful", "happy", "sad", "surprised", "neutral")
    assert label_set("four") == ("angry", "happy", "neutral", "sad")
    assert all(set(names) <= set(EMOTIONS) and len(set(names)) == len(names) for names in LABEL_SETS.values())


def test_unknown_label_set_lists_the_choices():
    with pytest.raises(MferError, match="eight, seven, four"):
        label_set("six")


def test_a_class_that_does_not_occur_is_absent_not_zero():
    assert count_labels(["sad", "sad", "happy"], label_set("four")) == {
        "angry": None,
        "happy": 1,
        "neutral": None,
        "sad": 2,
    }


def test_counting_refuses_labels_outside_the_set():
    with pytest.raises(MferError, match="calm"):
        count_labels(["calm"], label_set("four"))


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("natural", "neutral"),
        ("Fear", "fearful"),
        ("DISGUSTED", "disgust"),
        (" surprise ", "surprised"),
        ("غضب", "angry"),
        ("الغضب", "angry"),
        ("فرح", "happy"),
        ("حزن", "sad"),
        ("خوف", "fearful"),
        ("محايد", "neutral"),
        ("هادئ", "calm"),
        ("إشمئزاز", "disgust"),
        ("مُفاجأة", "surprised"),
    ],
)
def test_names_met_in_the_wild(name, label):
    assert canonical(name) == label


@given(
    st.sampled_from([*EMOTIONS, *ALIASES]),
    st.sampled_from(["NFC", "NFD", "NFKC", "NFKD"]),
    st.sampled_from([str.upper, str.title, str.lower]),
)
def test_spelling_of_a_known_name_does_not_matter(name, form, case):
    assert canonical(f" {unicodedata.normalize(form, case(name))}\n") == ALIASES.get(name, name)


@given(st.text())
def test_any_text_is_one_of_the_eight_or_an_error_that_names_the_choices(text):
    try:
        assert canonical(text) in EMOTIONS
    except MferError as error:
        assert repr(text) in str(error) and "surprised" in str(error)


def test_own_aliases_win_and_must_lead_to_a_known_label():
    assert canonical("Normal", {"normal": "calm"}) == "calm"
    with pytest.raises(MferError, match="unknown label"):
        canonical("x", {"x": "bored"})
