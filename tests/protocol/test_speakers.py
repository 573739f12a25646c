"""Which speakers of the pretraining corpora are held out, from encoder and arm alike."""

import pandas as pd

from mfer_core.protocol.speakers import four_classes, held_out_speakers, speaker_parts


def clips_of(corpora: dict[str, int], labels=("angry", "happy", "disgust")) -> pd.DataFrame:
    rows = [
        {
            "clip_id": f"{corpus}/{speaker}-{label}-{take}",
            "corpus": corpus,
            "label": label,
            "speaker": f"{corpus}-{speaker}",
        }
        for corpus, speakers in corpora.items()
        for speaker in range(speakers)
        for label in labels
        for take in range(2)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def test_no_speaker_is_in_two_parts_and_every_corpus_of_three_speakers_is_in_each():
    clips = clips_of({"a": 5, "b": 7, "c": 2}).set_index("clip_id", drop=False)
    parts = speaker_parts(clips, 1)
    assert sorted(clip for members in parts.values() for clip in members) == sorted(clips.clip_id)
    speakers = {part: set(clips.speaker[ids]) for part, ids in parts.items()}
    assert not speakers["test"] & speakers["train"] and not speakers["valid"] & speakers["train"]
    assert not speakers["test"] & speakers["valid"]
    assert {name[0] for name in speakers["test"]} == {"a", "b"} == {name[0] for name in speakers["valid"]}


def test_the_encoder_never_learns_from_the_people_that_stage_2a_is_tested_on():
    clips = clips_of({"a": 6, "b": 5})
    tested = set(speaker_parts(four_classes(clips), 3)["test"])
    assert tested and held_out_speakers(clips, 3) == set(clips.speaker[clips.clip_id.isin(tested)])
    assert held_out_speakers(clips.sample(frac=1, random_state=0), 3) == held_out_speakers(clips, 3)
