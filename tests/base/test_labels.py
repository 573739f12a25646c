import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mfer_core.base.errors import MferError
from mfer_core.base.labels import (
    ALIASES,
    EMOTIONS,
    LABEL_SETS,
    MAPPINGS,
    canonical,
    count_labels,
    label_set,
    mapping,
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


@pytest.mark.parametrize("source", LABEL_SETS)
@pytest.mark.parametrize("target", LABEL_SETS)
def test_every_mapping_is_declared_for_every_name_and_stays_in_its_target(source, target):
    names = mapping(source, target)
    assert set(names) == set(label_set(source))
    assert {name for name in names.values() if name} <= set(label_set(target))
    assert all(names[name] == name for name in set(label_set(source)) & set(label_set(target)))
    assert set(MAPPINGS) == {(one, other) for one in LABEL_SETS for other in LABEL_SETS}


def test_mappings_between_sets_are_these():
    assert mapping("eight", "seven")["calm"] == "neutral"
    extra = {name: to for name, to in mapping("eight", "four").items() if to != name}
    assert extra == {"calm": "neutral", "disgust": None, "fearful": None, "surprised": None}
    assert mapping("four", "eight") == {name: name for name in label_set("four")}
    with pytest.raises(MferError, match="choose one of"):
        mapping("eight", "five")


def test_a_mapping_handed_out_cannot_change_the_declared_one():
    mapping("eight", "four")["calm"] = "sad"
    assert mapping("eight", "four")["calm"] == "neutral"


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
