"""The spellings of a name are one person."""

from hypothesis import given
from hypothesis import strategies as st

from mfer_core.corpora.contract import Facts
from mfer_core.corpora.speakers import unify_speakers


def facts(*speakers):
    return {f"{number:02d}.wav": Facts(label="sad", speaker=name) for number, name in enumerate(speakers)}


def test_spellings_are_one_person_and_the_commonest_is_the_name():
    unified, notes = unify_speakers(facts("Amal", "amal", "AMAL ", "Amal", "Ámal", None, "Zoe\u0308", "Zoë"))
    names = [fact.speaker for fact in unified.values()]
    assert names == ["Amal", "Amal", "Amal", "Amal", "Ámal", None, "Zoe\u0308", "Zoe\u0308"]
    assert notes == [
        "speaker 'Amal' is taken for one person with 'AMAL ', 'amal'",
        "speaker 'Zoe\u0308' is taken for one person with 'Zoë'",
        "speakers 'Amal' and 'Ámal' are two people here: if they are one, write one name",
    ]


@given(st.lists(st.integers(1, 30).map("{:02d}".format)))
def test_codes_stay_as_they_are(codes):
    assert unify_speakers(facts(*codes)) == (facts(*codes), [])
