"""File names: those of the real corpora, balanced, and stable when a size changes."""

import re
from collections import Counter

import pytest

from demo.plans import CREMA_CODES, MOST_SPEAKERS, clips
from mfer_core.base.errors import MferError
from mfer_core.corpora.custom import Metadata
from mfer_core.corpora.registry import adapter
from mfer_core.protocol.protocols import HELD_OUT

METADATA = {
    "custom": Metadata(speaker=re.compile(r"^(?:[^_]+_){1}(?P<speaker>[^_]+)_")),
    "crema_d": {},
    "shemo": {},
}


@pytest.mark.parametrize("name", MOST_SPEAKERS)
def test_importers_read_the_names_as_meant(name):
    for clip in clips(name, 6, 12, seed=1):
        facts = adapter(name).read(clip.path, METADATA.get(name))
        assert facts.label == clip.label
        assert str(facts.speaker).lstrip("0") == clip.speaker.lstrip("0")
        assert facts.sex in (clip.sex, None)


@pytest.mark.parametrize("name", MOST_SPEAKERS)
def test_another_size_keeps_the_clips_that_both_hold(name):
    small, large = clips(name, 3, 5, seed=1), clips(name, 4, 9, seed=1)
    assert len(small) == 15
    assert len({clip.path for clip in large}) == 36
    assert set(small) <= set(large)


def test_an_actors_sixteen_clips_are_balanced_and_differ_between_actors():
    planned = clips("ravdess", 24, 16, seed=42)
    for actor in {clip.speaker for clip in planned}:
        of_actor = [clip for clip in planned if clip.speaker == actor]
        assert set(Counter(clip.label for clip in of_actor).values()) == {2}
        for label in {clip.label for clip in of_actor}:
            pair = [clip for clip in of_actor if clip.label == label]
            assert {clip.statement for clip in pair} == {"1", "2"}
            assert {clip.intensity for clip in pair} == (
                {"normal"} if label == "neutral" else {"normal", "strong"}
            )
    assert (
        len(
            {
                frozenset(
                    clip.path.rsplit("-", 1)[0].split("/")[1] for clip in planned if clip.speaker == actor
                )
                for actor in ("01", "02", "03")
            }
        )
        == 3
    )


def test_an_actor_has_the_sixty_clips_of_the_real_corpus_and_no_more():
    planned = clips("ravdess", 1, 60, seed=42)
    assert Counter(clip.label for clip in planned) == {"neutral": 4} | dict.fromkeys(
        ("calm", "happy", "sad", "angry", "fearful", "disgust", "surprised"), 8
    )
    with pytest.raises(MferError, match="at most 60 clips per speaker"):
        clips("ravdess", 1, 61, seed=42)
    with pytest.raises(MferError, match="at most 24 speakers"):
        clips("ravdess", 25, 1, seed=42)


def test_the_custom_set_has_every_emotion_in_every_sentence():
    planned = clips("custom", 1, 24, seed=42)
    assert Counter((clip.label, clip.statement) for clip in planned).most_common(1)[0][1] == 1
    assert len({clip.label for clip in planned}) == 8


def test_the_seen_crema_d_has_actors_in_every_fold_of_hicmae5_and_six_emotions():
    planned = clips("crema_d", 12, 6, seed=42, pictures=True)
    per_fold = [
        {clip.speaker for clip in planned if int(clip.speaker) in held} for held in HELD_OUT["hicmae5"]
    ]
    assert [len(people) for people in per_fold] == [3, 2, 3, 2, 2]
    assert {clip.label for clip in planned} == set(CREMA_CODES.values())
    for clip in planned:
        facts = adapter("crema_d").read(clip.path, {})
        assert clip.path.endswith(".flv") and (facts.speaker, facts.label) == (clip.speaker, clip.label)
