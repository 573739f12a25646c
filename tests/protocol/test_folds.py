"""Folds: who is held out, who picks the checkpoint, and that nothing leaks."""

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mfer_core.base.errors import MferError
from mfer_core.base.manifest import clips_frame
from mfer_core.base.settings import Folds
from mfer_core.base.settings.types import PRESETS, PROTOCOLS
from mfer_core.protocol.fold_checks import check_corpora, check_folds
from mfer_core.protocol.folds import accepted_clips, make_folds
from mfer_core.protocol.protocols import HELD_OUT, protocol
from tests.training.synthetic import EIGHT, clips_of

# Who is held out, fold by fold, as published (Luna-Jimenez et al., EmoBox, HiCMAE).
PUBLISHED = {
    "luna5": [
        {2, 5, 14, 15, 16},
        {3, 6, 7, 13, 18},
        {10, 11, 12, 19, 20},
        {8, 17, 21, 23, 24},
        {1, 4, 9, 22},
    ],
    "emobox6": [
        {1, 11, 20, 21},
        {4, 10, 12, 14},
        {8, 9, 19, 23},
        {3, 5, 7, 24},
        {2, 15, 16, 18},
        {6, 13, 17, 22},
    ],
    "hicmae6": [
        {1, 2, 3, 4},
        {5, 6, 7, 8},
        {9, 10, 11, 12},
        {13, 14, 15, 16},
        {17, 18, 19, 20},
        {21, 22, 23, 24},
    ],
}
RAVDESS_PRESETS = [*PUBLISHED, "chumachenko"]


def manifest_of(speakers=24, repeats=2, first=1, corpus="ravdess"):
    return clips_frame(clips_of(corpus, speakers, repeats, EIGHT, first))


def folds_for(manifest, *protocols, share=0.2, seed=42, adapter="ravdess"):
    return make_folds(manifest, Folds(protocols=list(protocols), inner_share=share), seed, adapter)


def parts(folds):
    """Yield per fold: part -> set of clip_ids."""
    for _, rows in folds.groupby(["protocol", "fold"]):
        yield {part: set(group.clip_id) for part, group in rows.groupby("part")}


@settings(max_examples=12, deadline=None)
@given(
    name=st.sampled_from([*RAVDESS_PRESETS, "loso", "groupk:3", "groupk:5"]),
    actors=st.sets(st.integers(1, 24), min_size=6, max_size=24),
    share=st.floats(0.05, 0.9),
    seed=st.integers(0, 5),
)
def test_honest_folds_never_share_a_speaker_and_cover_every_clip_once(name, actors, share, seed):
    manifest = pd.concat([manifest_of(1, 1, actor) for actor in sorted(actors)], ignore_index=True)
    speaker = dict(zip(manifest.clip_id, manifest.speaker, strict=True))
    try:
        folds = folds_for(manifest, name, share=share, seed=seed)
    except MferError:
        assert (
            name == "chumachenko"
        )  # one published split: none of its validation or test actors may be there
        return
    tested = []
    for part in parts(folds):
        people = {key: {speaker[clip] for clip in clips} for key, clips in part.items()}
        assert (
            not people["train"] & people["valid"] and not (people["train"] | people["valid"]) & people["test"]
        )
        assert set().union(*part.values()) == set(manifest.clip_id)
        tested += part["test"]
    assert len(tested) == len(set(tested))
    if name != "chumachenko":
        assert set(tested) == set(manifest.clip_id)


def test_chumachenkos_one_split_holds_out_and_validates_on_the_published_actors():
    (part,) = parts(folds_for(manifest_of(), "chumachenko"))
    actors = {name: {int(clip.split("/")[1][:2]) for clip in clips} for name, clips in part.items()}
    assert (actors["test"], actors["valid"], len(actors["train"])) == ({5, 10, 16, 19}, {11, 13, 18, 22}, 16)


def test_every_actor_of_crema_d_is_held_out_once():
    assert sorted(actor for group in HELD_OUT["hicmae5"] for actor in group) == list(range(1001, 1092))


def test_presets_shrink_to_the_actors_present_and_keep_their_numbers(caplog):
    manifest = pd.concat([manifest_of(1, first=actor) for actor in (2, 5, 3, 6, 8)], ignore_index=True)
    with caplog.at_level("INFO", "mfer"):
        folds = folds_for(manifest, "luna5")
    assert sorted(folds.fold.unique()) == [0, 1, 3]
    assert "fold 2 dropped" in caplog.text


def test_the_inner_split_balances_the_sexes():
    folds = folds_for(manifest_of(), "luna5", share=0.25)
    for part in parts(folds):
        actors = {int(clip.split("/")[1][:2]) for clip in part["valid"]}
        assert abs(sum(actor % 2 for actor in actors) * 2 - len(actors)) <= 1


def test_report5_is_the_references_leaky_split_and_says_so():
    folds = folds_for(manifest_of(), "report5", "report5-inner")
    for part in parts(folds[folds.protocol == "report5"]):
        assert part["valid"] == part["test"]
        assert not part["train"] & part["test"]
    for part in parts(folds[folds.protocol == "report5-inner"]):
        assert not part["valid"] & (part["test"] | part["train"])
    assert "leaky" in protocol("report5").label and "test" in protocol("report5").checkpoint
    assert "leaky" in protocol("report5-inner").label


def test_statement_holds_out_a_sentence_and_is_called_by_what_it_shares():
    manifest = manifest_of(6)
    statement = dict(zip(manifest.clip_id, manifest.statement, strict=True))
    (part,) = parts(folds_for(manifest, "statement"))
    assert {statement[clip] for clip in part["test"]} == {"s2"}
    assert {statement[clip] for clip in part["train"] | part["valid"]} == {"s1"}
    assert protocol("statement").label == "statement (same speakers)"
    assert not protocol("statement").honest and not protocol("statement").leaky


@pytest.mark.parametrize("speakers_by", ["luna5", "loso", "groupk:4"])
def test_statement_and_speaker_are_both_held_out(speakers_by):
    manifest = manifest_of()
    both, plain = folds_for(manifest, f"statement+{speakers_by}"), folds_for(manifest, speakers_by)
    manifest = manifest.set_index("clip_id")
    for part, whole in zip(parts(both), parts(plain), strict=True):
        assert {name: set(manifest.statement[list(clips)]) for name, clips in part.items()} == {
            "train": {"s1"},
            "valid": {"s1"},
            "test": {"s2"},
        }
        for name, clips in part.items():
            assert set(manifest.speaker[list(clips)]) == set(manifest.speaker[list(whole[name])])
    assert protocol(f"statement+{speakers_by}").honest


@pytest.mark.parametrize("name", [*RAVDESS_PRESETS, "statement+luna5"])
def test_a_preset_numbers_the_people_of_its_own_corpus_only(name):
    strangers = manifest_of(5, corpus="custom")
    with pytest.raises(MferError, match=r"numbers the actors of ravdess.*adapter custom"):
        folds_for(strangers, name, adapter="custom")


def test_a_preset_over_some_of_its_actors_says_how_many_there_are():
    assert protocol("luna5").label_with(24) == "luna5"
    assert protocol("luna5").label_with(11) == "luna5, 11 of 24 actors"
    assert protocol("statement+luna5").label_with(11) == "statement+luna5, 11 of 24 actors"
    assert protocol("hicmae5").partial(12) and not protocol("loso").partial(2)
    assert protocol("statement").label_with(11) == "statement (same speakers)"


@pytest.mark.parametrize(
    ("name", "say"),
    [
        ("groupk:99", "needs 99 speakers"),
        ("hicmae5", "actors of crema_d"),
    ],
)
def test_a_protocol_that_does_not_fit_the_corpus_is_refused_in_words(name, say):
    with pytest.raises(MferError, match=say):
        folds_for(manifest_of(6), name)


@pytest.mark.parametrize(
    ("name", "say"),
    [
        ("luna6", "luna5"),
        ("groupk:1", "groupk:<folds>"),
        ("statement+report5", "statement.loso"),
        ("", "loso"),
    ],
)
def test_an_unknown_protocol_names_the_choices(name, say):
    with pytest.raises(MferError, match=say):
        protocol(name)


def test_choices_are_all_known():
    assert set(PRESETS) == set(HELD_OUT)
    assert all(protocol(name).name == name for name in PROTOCOLS[:-1])


@pytest.mark.parametrize(("column", "what"), [("speaker", "speaker"), ("sha256", "content")])
def test_a_leak_is_caught(column, what):
    manifest = manifest_of(6)
    folds = folds_for(manifest, "groupk:3")
    first = folds[folds.fold == 0]
    test_clip, train_clip = (first.clip_id[first.part == part].iloc[0] for part in ("test", "train"))
    manifest.loc[manifest.clip_id == test_clip, column] = manifest.loc[
        manifest.clip_id == train_clip, column
    ].item()
    with pytest.raises(MferError, match=f"leaks: {what}"):
        check_folds(folds, manifest, protocol("groupk:3"))


def test_a_recording_that_two_corpora_share_is_caught():
    ours, theirs = manifest_of(3), manifest_of(2, corpus="urdu")
    check_corpora(pd.concat([ours, theirs]))
    theirs.loc[0, "sha256"] = ours.sha256[5]
    with pytest.raises(
        MferError, match=f"{ours.clip_id[5]} and {theirs.clip_id[0]} are one and the same recording"
    ):
        check_corpora(pd.concat([ours, theirs]))


def test_the_same_take_under_two_names_is_caught_under_the_statement_protocol():
    manifest = manifest_of(6)
    folds = folds_for(manifest, "statement")
    test_clip, train_clip = (folds.clip_id[folds.part == part].iloc[0] for part in ("test", "train"))
    take = ["speaker", "label", "intensity", "statement", "repetition"]
    manifest.loc[manifest.clip_id == test_clip, take] = manifest.loc[
        manifest.clip_id == train_clip, take
    ].to_numpy()
    with pytest.raises(MferError, match="leaks: take"):
        check_folds(folds, manifest, protocol("statement"))


def extracted_facts(manifest, **changes):
    """Facts of extraction, by clip_id: every clip whole but for what ``changes`` say of some rows."""
    facts = pd.DataFrame({"reason": None, "frame_count": 5, "speech_s": 1.0}, index=manifest.clip_id)
    for row, values in changes.items():
        facts.loc[manifest.clip_id[int(row.removeprefix("row"))], list(values)] = list(values.values())
    return facts


def test_folds_name_what_extraction_accepted_and_the_log_says_what_is_missing(caplog):
    manifest = clips_frame(clips_of("ravdess", 3, 1, EIGHT))
    facts = extracted_facts(manifest, row0={"reason": "no face", "frame_count": 0}, row4={"frame_count": 0})
    facts.loc[manifest.clip_id[7], "speech_s"] = float("nan")
    with caplog.at_level("INFO", "mfer"):
        accepted = accepted_clips(manifest, facts)
    assert list(accepted.clip_id) == list(manifest.clip_id[1:])
    first, second, third = (record.getMessage() for record in caplog.records)
    assert "1 of 24 clips rejected by extraction" in first and manifest.clip_id[0] in first
    assert "without sound" in second and manifest.clip_id[7] in second
    assert "without pictures" in third and manifest.clip_id[4] in third


def test_a_clip_that_extraction_has_not_seen_is_named():
    manifest = clips_frame(clips_of("ravdess", 2, 1, EIGHT))
    with pytest.raises(MferError, match=f"{manifest.clip_id[3]} was not extracted"):
        accepted_clips(manifest, extracted_facts(manifest).drop(index=manifest.clip_id[3]))
    with pytest.raises(MferError, match="accepted no clip"):
        accepted_clips(manifest, extracted_facts(manifest).assign(reason="no sound"))
