"""Stage transfer on a trained synthetic world, and its parts."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mfer_core.base.errors import MferError
from mfer_core.base.files import read_table, sha256_file, write_table
from mfer_core.base.labels import EIGHT
from mfer_core.dataset.clips import Clips
from mfer_core.dataset.fold import Fold
from mfer_core.dataset.modality import load_modality
from mfer_core.evaluation.few_shot import adapt, draw_supports
from mfer_core.evaluation.robust_fusion import (
    atc_accuracy,
    estimated_accuracy,
    in_domain,
    matched_temperature,
    robust_fusion,
)
from mfer_core.evaluation.target_features import Features, normalise, shift
from mfer_core.evaluation.transfer import honest_folds, transfer
from mfer_core.evaluation.transfer_fold import FoldTransfer, load_models
from mfer_core.models.arm import Arm, ArmConfig


@pytest.fixture(scope="module")
def transferred(trained):
    data, settings = trained
    return data, settings, transfer(data, settings)


def test_every_arm_is_reported_zero_shot_and_after_a_few_clips(transferred):
    _, options, metrics = transferred
    assert set(metrics) == {"about", "groupk:2"}  # never the leaky protocols' models
    assert metrics["about"]["data"] == "synthetic"
    assert set(metrics["groupk:2"]) == {"visual", "audio", "fused", "robust"}
    for arm in metrics["groupk:2"].values():
        assert {f"{shots}-shot" for shots in options.transfer.shots} <= set(arm)
        assert all(len(stats["folds"]) == 2 for setting in arm.values() for stats in setting.values())


def test_normalisation_and_a_few_clips_help_a_shifted_arm(transferred):
    visual = transferred[2]["groupk:2"]["visual"]
    raw = visual["zero-shot, none normalisation"]["accuracy"]["mean"]
    assert visual["zero-shot, corpus normalisation"]["accuracy"]["mean"] > raw
    assert visual["10-shot"]["accuracy"]["mean"] > raw


def test_tables_say_what_collapses_into_what_and_how_far_the_corpus_is(transferred):
    tables = transferred[0] / "transfer" / "tables"
    assert {path.stem for path in tables.glob("*.md")} == {
        "transfer",
        "scores",
        "classes",
        "cross_corpus",
        "folds",
        "pairs",
        "normalisation",
        "source",
        "collapse",
        "shift",
    }
    published = (
        "18.8 ± 2.7 [15.0-22.5]",
        "34.2 ± 7.2 [20.8-41.7]",
        "26.1 ± 1.6 [24.2-28.3]",
    )  # Table V of the report
    assert all(figures in (tables / "transfer.md").read_text() for figures in published)
    assert all("Synthetic" in path.read_text() for path in tables.glob("*.md"))


def test_predictions_are_kept_by_clip_and_intervals_resample_the_speakers(transferred):
    data, options, metrics = transferred
    kept = read_table(data / "transfer" / "predictions.parquet")
    assert set(kept.setting) >= {f"{shots}-shot" for shots in options.transfer.shots}
    zero_shot = kept[(kept.arm == "audio") & (kept.setting == "zero-shot, none normalisation")]
    assert len(zero_shot) == 2 * zero_shot.clip_id.nunique() and zero_shot.speaker.nunique() == 5
    accuracy = metrics["groupk:2"]["audio"]["zero-shot, none normalisation"]["accuracy"]
    right = zero_shot[list(EIGHT)].idxmax(axis=1) == zero_shot.label
    assert accuracy["pooled"] == pytest.approx(right.mean())
    low, high = accuracy["ci95"]
    by_speaker = right.groupby(zero_shot.speaker).mean()
    assert by_speaker.min() <= low < accuracy["pooled"] < high <= by_speaker.max()
    pairs = (data / "transfer" / "tables" / "pairs.md").read_text()
    assert "with 5 speakers no p below 0.0625 exists" in pairs
    assert "5 speakers, 8 classes; its labels seen by the encoders: visual none, audio none" in pairs


def test_at_home_the_fused_model_decides_and_where_an_arm_went_blind_it_does_not(transferred):
    data, options, _ = transferred
    benchmark = options.roles.benchmark
    modalities = {name: load_modality(data, name, [benchmark]) for name in ("visual", "audio")}
    home = Fold.read(data, "ravdess", "groupk:2", 0).clips(modalities)["valid"]
    models = load_models(data, ("groupk:2", 42, 0), options.arms, [benchmark])
    silence = [None if value is None else torch.zeros_like(value) for value in home.modalities["audio"]]
    deaf = replace(home, modalities={**home.modalities, "audio": silence})
    for target, same in ((home, True), (deaf, False)):
        fold = FoldTransfer(models, models, home, target)
        logits = fold.logits("none")
        assert torch.equal(fold.robust(logits), torch.softmax(logits["fused"].double(), 1)) is same


def test_an_arm_is_at_home_while_it_keeps_two_thirds_of_its_accuracy():
    assert in_domain([0.5, 0.9], [0.6, 0.6])
    assert not in_domain([0.39, 0.9], [0.6, 0.6])


def test_transferring_twice_gives_the_same_bytes(transferred):
    data, options, _ = transferred
    files = [path for path in sorted((data / "transfer").rglob("*")) if path.is_file()]
    before = [sha256_file(path) for path in files]
    transfer(data, options)
    assert before == [sha256_file(path) for path in files]


def test_without_an_honest_protocol_there_is_nothing_to_transfer(transferred, tmp_path):
    import pandas as pd

    shared = pd.DataFrame({"protocol": ["report5", "statement"], "fold": [0, 0]})
    write_table(tmp_path / "folds" / "folds.parquet", shared)
    with pytest.raises(MferError, match="a protocol that holds speakers out"):
        honest_folds(tmp_path)


def test_a_set_of_sound_alone_is_predicted_by_what_can_hear_it(transferred, tmp_path):
    data, options, _ = transferred
    for name in ("folds", "train_visual", "train_audio", "train_fused", "ingest"):
        (tmp_path / name).symlink_to(data / name)
    for modality, corpus in (("visual", "ravdess"), ("audio", "ravdess"), ("audio", "custom")):
        (tmp_path / "embed" / modality).mkdir(parents=True, exist_ok=True)
        (tmp_path / "embed" / modality / corpus).symlink_to(data / "embed" / modality / corpus)
    (tmp_path / "embed" / "visual" / "custom").mkdir()
    metrics = transfer(tmp_path, options)["groupk:2"]
    for arm in ("visual", "robust"):
        assert all(setting.startswith("source test part") for setting in metrics[arm])
    assert metrics["fused"]["zero-shot, none normalisation"]["accuracy"]["mean"] > 0.2
    assert "absent" in (tmp_path / "transfer" / "tables" / "transfer.md").read_text()


def test_without_a_transfer_corpus_the_stage_says_so(transferred, tmp_path):
    _, options, _ = transferred
    custom = options.corpora["custom"].model_copy(update={"source": "absent"})
    assert (
        transfer(tmp_path, options.model_copy(update={"corpora": options.corpora | {"custom": custom}})) == {}
    )
    assert "no transfer corpus" in (tmp_path / "transfer" / "tables" / "transfer.md").read_text()


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 6),
    st.integers(1, 5),
    st.lists(st.integers(1, 12), min_size=1, max_size=3, unique=True),
    st.integers(0, 9),
)
def test_supports_are_nested_and_never_meet_the_query_and_share_its_speakers_only_when_said(
    people, repeats, shots, draw
):
    labels = np.tile(np.repeat(np.arange(3), repeats), people)
    speakers = np.repeat([f"s{i}" for i in range(people)], 3 * repeats)
    supports, query, disjoint = draw_supports(labels, speakers, shots, draw, 0)
    assert list(supports) == shots
    for smaller, larger in pairwise(sorted(shots)):
        assert set(supports[smaller]) <= set(supports[larger])
    for count, support in supports.items():
        assert not set(support) & set(query)
        assert np.bincount(labels[support], minlength=3).tolist() == [min(count, people * repeats)] * 3
        if disjoint:
            assert len(query) and not set(speakers[support]) & set(speakers[query])


def test_each_draw_asks_about_other_people():
    labels, speakers = np.tile(np.repeat(np.arange(8), 3), 5), np.repeat(list("abcde"), 24)
    asked = [set(speakers[draw_supports(labels, speakers, [1, 10], draw, 42)[1]]) for draw in range(5)]
    assert set().union(*asked) == set("abcde") and all(len(people) == 1 for people in asked)


def make_clips(values, speakers):
    return Clips(
        tuple(map(str, range(len(values)))),
        tuple(speakers),
        torch.zeros(len(values), dtype=torch.int64),
        {"audio": values},
        {"audio": 3},
    )


def test_normalising_per_speaker_undoes_what_is_constant_about_a_person():
    torch.manual_seed(0)
    arm = Arm(
        ArmConfig(
            modality="audio",
            input_dim=3,
            hidden_size=2,
            layers=1,
            dropout=0.0,
            pool=1,
            readout="last",
            noise=0.0,
            jitter=0.0,
            classes=("a",),
        )
    )
    arm.standardise(torch.tensor([1.0, 2.0, 3.0]), torch.tensor([1.0, 2.0, 0.5]))
    plain = [torch.randn(20, 3) for _ in range(4)]
    moved = [value * 3 + 7 if i < 2 else value for i, value in enumerate(plain)]
    speakers = ["x", "x", "y", "y"]
    first, second = (normalise(make_clips(values, speakers), arm, "speaker") for values in (plain, moved))
    assert torch.allclose(
        torch.cat(first.modalities["audio"]), torch.cat(second.modalities["audio"]), atol=1e-4
    )
    assert shift(normalise(make_clips(moved, speakers), arm, "corpus"), arm)["mean_shift"] == pytest.approx(
        0, abs=1e-4
    )


def test_adaptation_learns_from_its_clips_and_stays_near_the_source_without_them():
    torch.manual_seed(0)
    labels = torch.arange(40) % 4
    inputs = torch.nn.functional.one_hot(labels, 4).float() + 0.1 * torch.randn(40, 4)
    features = Features(
        inputs, torch.eye(4)[[1, 2, 3, 0]], torch.zeros(4)
    )  # a classifier that is always wrong
    assert (features.logits().argmax(1) == labels).float().mean() == 0
    assert (adapt(features, labels, torch.arange(20))[20:].argmax(1) == labels[20:]).float().mean() > 0.9


def decisions(accuracy, sure, count=400, seed=0):
    """Logits [N, 4] of an arm that is right this often, surer where it is right, and the labels."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(4, size=count)
    right = rng.random(count) < accuracy
    values = np.zeros((count, 4))
    values[np.arange(count), np.where(right, labels, (labels + 1) % 4)] = sure * np.where(
        right, 1, 0.4
    ) + 0.2 * rng.normal(size=count)
    return torch.from_numpy(values), torch.from_numpy(labels)


def test_accuracy_is_guessed_from_confidence_alone():
    source, labels = decisions(0.8, 3)
    for accuracy in (0.8, 0.5, 0.3):
        target, _ = decisions(accuracy, 3, seed=1)
        assert atc_accuracy(source, labels, target) == pytest.approx(accuracy, abs=0.12)


def test_an_arm_that_says_the_same_of_everything_is_not_believed():
    source, labels = decisions(0.8, 3)
    collapsed = source.clone()
    collapsed[:, 2] += 20
    assert atc_accuracy(source, labels, collapsed) > 0.9  # sure of itself
    assert estimated_accuracy(source, labels, collapsed) < 0.3
    assert estimated_accuracy(source, labels, source) == pytest.approx(atc_accuracy(source, labels, source))


@settings(max_examples=20, deadline=None)
@given(st.floats(0.3, 0.95), st.integers(0, 5))
def test_the_matched_temperature_makes_an_arm_as_sure_as_told(accuracy, seed):
    logits = torch.from_numpy(np.random.default_rng(seed).normal(size=(50, 4)))
    confidence = torch.softmax(logits / matched_temperature(logits, accuracy), 1).amax(1).mean().item()
    assert confidence == pytest.approx(accuracy, abs=1e-3)


def test_an_arm_at_chance_does_not_drag_the_fusion_down():
    good, labels = decisions(0.7, 3)
    bad, _ = decisions(0.25, 30, seed=5)
    right = (good.argmax(1) == labels).double().mean()
    assert (
        robust_fusion([bad, good], [0.25, 0.7], torch.ones(400, 2, dtype=torch.bool)).argmax(1) == labels
    ).double().mean() >= right - 0.01
    assert (
        (bad + good).argmax(1) == labels
    ).double().mean() < right - 0.2  # what adding the logits as they are would do


def test_a_clip_with_one_modality_is_decided_by_it():
    first, second = (torch.randn(3, 4) for _ in range(2))
    mixed = robust_fusion(
        [first, second], [0.5, 0.9], torch.tensor([[True, False], [False, True], [True, True]])
    )
    assert mixed[0].argmax() == first[0].argmax() and mixed[1].argmax() == second[1].argmax()
    assert torch.allclose(mixed.sum(1), torch.ones(3, dtype=torch.float64))
