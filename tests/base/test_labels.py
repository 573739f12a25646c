import unicodedata

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mfer_core.base.errors import MferError
from mfer_core.base.labels import (
    ALIASES,
    EMOTIONS,
    LABEL_SETS,
    NAMES,
    LabelSet,
    canonical,
    count_labels,
    label_set,
)

DECLARED = {name: name for name in NAMES}


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
    st.sampled_from([*NAMES, *ALIASES]),
    st.sampled_from(["NFC", "NFD", "NFKC", "NFKD"]),
    st.sampled_from([str.upper, str.title, str.lower]),
)
def test_spelling_of_a_known_name_does_not_matter(name, form, case):
    spelt = f" {unicodedata.normalize(form, case(name))}\n"
    assert canonical(spelt, DECLARED) == ALIASES.get(name, name)


@given(st.text())
def test_any_text_is_one_of_the_eight_or_an_error_that_names_the_choices(text):
    try:
        assert canonical(text, DECLARED) in NAMES
    except MferError as error:
        assert repr(text) in str(error) and "surprised" in str(error)


def test_own_aliases_win_and_must_lead_to_a_known_label():
    assert canonical("Normal", {"normal": "calm"}) == "calm"
    with pytest.raises(MferError, match="unknown label"):
        canonical("x", {"x": "grumpy"})


def test_a_further_label_is_known_once_it_is_declared():
    with pytest.raises(MferError, match="unknown label 'Grumpy'"):
        canonical("Grumpy")
    assert canonical("Grumpy", {"grumpy": "grumpy"}) == "grumpy"
    with pytest.raises(MferError, match="unknown label 'Boredom'"):
        canonical("Boredom")
    assert canonical("Boredom", {"bored": "bored"}) == "bored"


def manifest(*labels: str) -> pd.DataFrame:
    return pd.DataFrame({"clip_id": [f"c/{number}" for number in range(len(labels))], "label": labels})


def test_clips_are_of_the_class_that_their_label_is_mapped_to_or_left_out():
    labels = LabelSet(("happy", "neutral"), {"calm": "neutral", "bored": None})
    classified = labels.classify(manifest("calm", "happy", "bored", "neutral"))
    assert dict(zip(classified.clip_id, classified.label, strict=True)) == {
        "c/0": "neutral",
        "c/1": "happy",
        "c/3": "neutral",
    }


def test_a_label_that_is_no_class_is_named_with_what_to_do():
    with pytest.raises(MferError, match=r"'excited'.*\(happy, sad\): add it to labels.classes, or say in"):
        LabelSet(("happy", "sad")).classify(manifest("happy", "excited"))


def test_a_class_that_never_occurs_is_not_in_the_set_and_the_others_keep_their_order(tmp_path):
    six = LabelSet(mapping={"calm": "neutral"}).occurring(["sad", "happy", "neutral"])
    assert six.classes == ("neutral", "happy", "sad")
    six.write(tmp_path / "labels.json")
    assert LabelSet.read(tmp_path / "labels.json") == six
