"""Name parsers: every valid name gives its own facts, and any other text is refused, never guessed."""

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mfer_core.base.errors import ClipError
from mfer_core.base.labels import EMOTIONS
from mfer_core.corpora import crema_d, custom, ravdess, sdc, shemo, urdu

PARSERS = {
    "ravdess": (ravdess, None),
    "crema_d": (crema_d, {}),
    "shemo": (shemo, {}),
    "urdu": (urdu, None),
    "sdc": (sdc, None),
}
PARSERS["custom"] = (custom, custom.Metadata())
texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1)


@pytest.mark.parametrize("name", PARSERS)
@given(text=texts)
def test_any_text_is_facts_or_a_reason(name, text):
    module, metadata = PARSERS[name]
    try:
        assert module.read(text, metadata).label in EMOTIONS
    except ClipError as error:
        assert error.reason in {
            "unknown name",
            "song",
            "no source folder",
            "no label",
            "folders disagree",
            "folder and name disagree",
        }


@given(
    st.sampled_from(sorted(ravdess.RANKS)),
    st.sampled_from(sorted(ravdess.EMOTIONS)),
    st.sampled_from(["01", "02"]),
    st.sampled_from(["01", "02"]),
    st.integers(1, 24),
    st.sampled_from(["", "Actor_01/", "ACTOR01/", "Video_Speech_Actor_01/Actor_01/"]),
    st.sampled_from([".mp4", ".wav", ".WAV", ".flac"]),
)
def test_ravdess_names_mean_their_codes_in_any_folder(
    modality, emotion, statement, repetition, actor, folder, suffix
):
    take = f"01-{emotion}-01-{statement}-{repetition}-{actor:02d}"
    facts = ravdess.read(f"{folder}{modality}-{take}{suffix}", None)
    assert facts.take == take and facts.speaker == f"{actor:02d}" and facts.repetition == repetition
    assert (
        facts.label
        == ["neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised"][int(emotion) - 1]
    )
    assert facts.sex == ("male" if actor % 2 else "female")
    assert facts.silent_track == (modality == "02") and facts.intensity == "normal"


@pytest.mark.parametrize(
    "name",
    [
        "01-01-09-01-01-01-01",
        "03-01-01-02-01-01-01",
        "03-01-03-01-01-01-25",
        "03-01-03-01-01-01",
        "a03-01-03-01-01-01-01",
    ],
)
def test_ravdess_refuses_codes_that_do_not_exist(name):
    with pytest.raises(ClipError, match="unknown name"):
        ravdess.read(f"{name}.wav", None)


@given(
    st.integers(1001, 1091),
    st.sampled_from(sorted(crema_d.EMOTIONS)),
    st.sampled_from(sorted(crema_d.LEVELS)),
)
def test_crema_d_names(actor, emotion, level):
    facts = crema_d.read(f"AudioWAV/{actor}_ITH_{emotion}_{level}.wav", {"1001": {"sex": "male"}})
    assert (
        facts.label == crema_d.EMOTIONS[emotion] and facts.speaker == str(actor) and facts.statement == "ITH"
    )
    assert facts.sex == ("male" if actor == 1001 else None)
    assert facts.intensity == {"LO": "low", "MD": "medium", "HI": "high"}.get(level)


def test_crema_d_old_copies_with_one_x_are_the_same_take():
    assert crema_d.read("1040_ITH_SAD_X.wav", {}).take == crema_d.read("1040_ITH_SAD_XX.wav", {}).take


@given(st.sampled_from("MF"), st.integers(1, 56), st.sampled_from(sorted(shemo.EMOTIONS)), st.integers(1, 99))
def test_shemo_names(sex, speaker, emotion, number):
    facts = shemo.read(f"any/{sex}{speaker:02d}{emotion}{number:02d}.wav", {})
    assert facts.label == shemo.EMOTIONS[emotion] and facts.speaker == f"{sex}{speaker:02d}"
    assert facts.sex == {"M": "male", "F": "female"}[sex]


@given(
    st.sampled_from("MF"),
    st.integers(1, 30),
    st.sampled_from(sorted(urdu.EMOTIONS)),
    st.integers(2, 4).flatmap(lambda n: st.integers(0, 10**n - 1).map(lambda x: f"{x:0{n}d}")),
)
def test_urdu_names(sex, speaker, emotion, number):
    label = urdu.EMOTIONS[emotion]
    facts = urdu.read(f"{label.title()}/S{sex}{speaker}_F72_{emotion}{number}.wav", None)
    assert (
        facts.label == label
        and facts.speaker == f"S{sex}{speaker}"
        and facts.sex == {"M": "male", "F": "female"}[sex]
    )


@pytest.mark.parametrize(
    ("path", "label", "speaker"),
    [
        ("8Njah_Mn_Almot/x_12seg_ang.wav", "angry", "8Njah_Mn_Almot"),
        ("khalatt_20/wavs/3seg_nat.wav", "neutral", "khalatt_20"),
        ("MANDOOB (Night Courier)/hap/4.WAV", "happy", "MANDOOB (Night Courier)"),
        ("TikTok/SEG_SAD.wav", "sad", "TikTok"),
    ],
)
def test_sdc_groups_by_source_folder(path, label, speaker):
    facts = sdc.read(path, None)
    assert (facts.label, facts.speaker) == (label, speaker)


def test_sdc_without_source_folders_is_refused():
    with pytest.raises(ClipError, match="no source folder"):
        sdc.read("1seg_ang.wav", None)


@given(st.sampled_from(EMOTIONS), texts.filter(lambda text: "/" not in text and "_" not in text))
def test_custom_reads_the_third_field_or_the_folder(label, word):
    assert custom.read(f"{word}_{word}_{label}_1.mov", custom.Metadata()).label == label
    assert custom.read(f"{label}/take 1.mov", custom.Metadata()).label == label


def test_custom_refuses_a_folder_and_a_name_that_disagree():
    with pytest.raises(ClipError, match="folder and name disagree"):
        custom.read("happy/x_P1_sad_1.mov", custom.Metadata())


def test_a_speaker_pattern_reads_the_name_or_with_a_slash_the_path():
    corpus = SimpleNamespace(aliases={}, manifest=None, speaker_pattern=r"^[^_]+_(?P<speaker>[^_]+)_")
    metadata = custom.prepare(None, corpus)
    assert custom.read("calm/x_Zoë 2_calm.mov", metadata).speaker == "Zoë 2"
    corpus.speaker_pattern = r"^([^/]+)/"
    assert custom.read("Omar/calm/1.mov", custom.prepare(None, corpus)).speaker == "Omar"
    with pytest.raises(ClipError, match="no speaker"):
        custom.read("calm/1.mov", metadata)
