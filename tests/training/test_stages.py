"""Stages 1, 2a, 2b and 3 on synthetic embeddings: resume, repeatability, keys."""

import filecmp

import numpy as np
import pytest

from mfer_core.base.errors import MferError
from mfer_core.base.files import read_json, read_table
from mfer_core.cache.code import project_files
from mfer_core.models.finetuned import TRAINABLE_MODULES
from mfer_core.training.stages import collect_predictions, folds_to_train
from tests.training.synthetic import (
    EIGHT,
    small_settings,
    train_audio_fold,
    train_first_folds,
    train_visual_fold,
    write_benchmark,
)

RESULTS = ["model.safetensors", "config.json", "history.csv", "predictions.parquet"]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    data = tmp_path_factory.mktemp("data")
    settings = small_settings(pretrain_audio={"cross_corpus_epochs": 2, "leaky_folds": 5})
    train_first_folds(data, settings)
    return data, settings


def same_files(first, second):
    return all(filecmp.cmp(first / name, second / name, shallow=False) for name in RESULTS)


def run_visual(tmp_path, name, **changes):
    settings = small_settings(**changes)
    write_benchmark(tmp_path / name, settings, speakers=4)
    return train_visual_fold("groupk:2", 0, tmp_path / name, settings)


def test_same_seed_gives_the_same_bytes_and_another_seed_does_not(tmp_path):
    first, second, other = (
        run_visual(tmp_path, "a"),
        run_visual(tmp_path, "b"),
        run_visual(tmp_path, "c", seeds=[1]),
    )
    assert same_files(first, second)
    assert not filecmp.cmp(first / "model.safetensors", other / "model.safetensors", shallow=False)


@pytest.mark.parametrize(("crash_at", "schedule"), [(1, "plateau"), (3, "exponential"), (3, "step")])
def test_a_crash_within_a_fold_continues_at_its_epoch_to_the_identical_result(
    tmp_path, crashing, crash_at, schedule
):
    options = {"schedule": schedule, "schedule_factor": 0.5, "schedule_step": 2, "schedule_patience": 0}
    whole = run_visual(tmp_path, "whole", train_visual=options)
    epochs = crashing(crash_at + 1)
    with pytest.raises(KeyboardInterrupt):
        run_visual(tmp_path, "crashed", train_visual=options)
    resumed = run_visual(tmp_path, "crashed", train_visual=options)
    assert len(epochs) == 4 + 1, "the crash costs one call, and no finished epoch runs again"
    assert same_files(whole, resumed)


def test_a_crash_in_the_third_fold_resumes_at_the_third_fold(tmp_path, crashing):
    settings = small_settings(folds={"protocols": ["groupk:3"]}, train_visual={"epochs": 2})

    def train_all(data):
        for protocol, _, fold in folds_to_train("train_visual", data, settings):
            train_visual_fold(protocol, fold, data, settings)
        return collect_predictions("train_visual", data, settings)

    for name in ("whole", "crashed"):
        write_benchmark(tmp_path / name, settings, speakers=6)
    whole = train_all(tmp_path / "whole")
    epochs = crashing(6)  # The sixth epoch is the last of the last fold.
    with pytest.raises(KeyboardInterrupt):
        train_all(tmp_path / "crashed")
    resumed = train_all(tmp_path / "crashed")
    assert len(epochs) == 6 + 1, "the third fold's second epoch, and nothing else, runs again"
    assert resumed.equals(whole)


def test_a_finished_fold_is_not_trained_again_until_a_setting_changes(tmp_path, crashing):
    run_visual(tmp_path, "once")
    epochs = crashing(None)
    run_visual(tmp_path, "once")
    assert not epochs
    run_visual(tmp_path, "once", train_visual={"epochs": 2})
    assert len(epochs) == 2


def test_a_fold_says_who_trained_it_and_never_tests_on_them(world):
    data, _settings = world
    manifest_speaker = dict(
        read_table(data / "ingest" / "ravdess" / "manifest.parquet")[["clip_id", "speaker"]].values
    )
    for stage in ("train_visual", "train_audio", "train_fused"):
        folder = data / stage / "groupk-2" / "seed-42" / "fold-0"
        config, predictions = read_json(folder / "config.json"), read_table(folder / "predictions.parquet")
        seen = {*config["training_speakers"], *config["selection_speakers"]}
        assert config["labels"] == list(EIGHT)
        assert seen and not seen & {manifest_speaker[clip] for clip in predictions.clip_id}
        assert np.allclose(predictions[list(EIGHT)].sum(axis=1), 1, atol=1e-5)


def test_pretraining_tests_on_unseen_speakers_and_reports_every_corpus(world):
    data, settings = world
    config, metrics = (
        read_json(data / "pretrain_audio" / "config.json"),
        read_json(data / "pretrain_audio" / "metrics.json"),
    )
    tested = {
        clip.split("-")[0].replace("/", "-")
        for clip in read_table(data / "pretrain_audio" / "predictions.parquet").clip_id
    }
    assert not tested & set(config["training_speakers"])
    assert set(metrics) == {"all", *settings.roles.pretraining}
    assert metrics["all"]["uar"] > 0.5


def test_the_cross_corpus_matrix_leaves_out_each_corpus_in_turn(world):
    data, settings = world
    matrix = read_json(data / "pretrain_audio" / "cross_corpus.json")
    assert set(matrix) == set(settings.roles.pretraining) and all(
        set(row) == set(matrix) for row in matrix.values()
    )
    assert not (data / "pretrain_audio" / "cross_corpus").exists()


def test_stage_2a_is_also_tested_on_every_clip_once_in_shuffled_folds_where_the_settings_say_so(world):
    data, settings = world
    leaky = read_table(data / "pretrain_audio" / "leaky_predictions.parquet")
    manifests = [data / "ingest" / corpus / "manifest.parquet" for corpus in settings.roles.pretraining]
    clips = {clip for path in manifests for clip in read_table(path, ["clip_id"]).clip_id}
    assert len(leaky) == len(clips) and set(leaky.clip_id) == clips
    by_fold = leaky.groupby(["fold", "corpus", "label"]).size().unstack(0)
    assert (by_fold.max(axis=1) - by_fold.min(axis=1) <= 1).all() and by_fold.shape[1] == 5
    speakers = leaky.clip_id.str.split("-").str[0]
    assert (leaky.fold.groupby(speakers).nunique() > 1).all(), "every speaker is on both sides"
    assert not (data / "pretrain_audio" / "leaky").exists()


def test_collecting_names_the_fold_that_is_missing_and_drops_folds_that_are_no_more(world):
    data, settings = world
    with pytest.raises(MferError, match="fold 1 of groupk:2 with seed 42 is not done"):
        collect_predictions("train_visual", data, settings)


def test_an_arm_that_is_left_out_gives_an_empty_table(tmp_path):
    settings = small_settings(arms=["audio"])
    write_benchmark(tmp_path, settings, speakers=4)
    assert folds_to_train("train_visual", tmp_path, settings) == []
    assert collect_predictions("train_visual", tmp_path, settings).empty


def test_without_a_stage_2a_model_the_audio_arm_does_not_start_from_scratch_silently(tmp_path):
    settings = small_settings()
    write_benchmark(tmp_path, settings, speakers=4)
    with pytest.raises(MferError, match="pretrain_audio"):
        train_audio_fold("groupk:2", 0, tmp_path, settings)
    scratch = small_settings(train_audio={"start": "scratch"})
    assert train_audio_fold("groupk:2", 0, tmp_path, scratch).is_dir()


@pytest.mark.parametrize(("stage", "foreign"), [("train_visual", "emotion2vec"), ("train_audio", "vit")])
def test_a_folds_key_covers_no_code_of_the_other_modalitys_encoder(stage, foreign):
    modules = ["mfer_core.training.stages", TRAINABLE_MODULES[stage.removeprefix("train_")]]
    names = {path.stem for module in modules for path in project_files(module)}
    assert {"fit", "arm", "loop"} <= names and not [name for name in names if name.startswith(foreign)]
    assert not {"vit", "emotion2vec"} & {path.stem for path in project_files(modules[0])}
