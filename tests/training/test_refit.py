"""After the inner split has chosen the epoch, a fold's model is trained anew on all training speakers."""

import filecmp

import pytest
import torch

from mfer_core.base.files import read_json, read_table
from mfer_core.training.fit import build_schedule
from mfer_core.training.stages import STAGES
from tests.training.synthetic import small_settings, train_first_folds, train_visual_fold, write_benchmark


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """refit on or off -> data folder with every stage trained on fold 0 of an honest and of the leaky
    protocol.
    """
    folders = {}
    for refit in (True, False):
        folders[refit] = tmp_path_factory.mktemp("refit")
        settings = small_settings(folds={"protocols": ["groupk:2", "report5"], "refit": refit})
        train_first_folds(folders[refit], settings)
    return folders


def equal(first, second):
    return filecmp.cmp(first, second, shallow=False)


@pytest.mark.parametrize("stage", STAGES)
def test_the_choice_is_made_as_without_it_and_the_final_model_has_seen_every_training_speaker(folders, stage):
    plain, refitted = (folders[refit] / stage / "groupk-2" / "seed-42" / "fold-0" for refit in (False, True))
    before, after = read_json(plain / "config.json"), read_json(refitted / "config.json")
    assert equal(refitted / "selection.safetensors", plain / "model.safetensors")
    assert not equal(refitted / "model.safetensors", plain / "model.safetensors")
    assert equal(refitted / "history.csv", plain / "history.csv")
    assert after["best_epoch"] == before["best_epoch"]
    assert set(after["training_speakers"]) == {*before["training_speakers"], *before["selection_speakers"]}
    assert after["training_clips"] > before["training_clips"]
    tested = read_table(refitted / "predictions.parquet", ["clip_id"]).clip_id
    assert list(tested) == list(read_table(plain / "predictions.parquet", ["clip_id"]).clip_id)
    assert not {clip.split("/")[1][:2] for clip in tested} & {
        name[-2:] for name in after["training_speakers"]
    }
    assert not (refitted / "refit").exists()


@pytest.mark.parametrize("stage", STAGES)
def test_where_the_checkpoint_is_picked_on_the_test_fold_nothing_is_trained_on_it(folders, stage):
    plain, asked = (folders[refit] / stage / "report5" / "seed-42" / "fold-0" for refit in (False, True))
    assert equal(asked / "model.safetensors", plain / "model.safetensors")
    assert not (asked / "selection.safetensors").exists()
    assert read_json(asked / "config.json")["refit"] is False


@pytest.mark.parametrize("crash_at", [5, 6])
def test_a_crash_in_the_second_training_costs_an_epoch(tmp_path, crashing, crash_at):
    settings = small_settings(folds={"refit": True}, train_visual={"select": "loss", "patience": 0})
    for name in ("whole", "crashed"):
        write_benchmark(tmp_path / name, settings, speakers=6)
    whole = train_visual_fold("groupk:2", 0, tmp_path / "whole", settings)
    best = read_json(whole / "config.json")["best_epoch"]
    assert best >= 2
    epochs = crashing(crash_at)
    with pytest.raises(KeyboardInterrupt):
        train_visual_fold("groupk:2", 0, tmp_path / "crashed", settings)
    resumed = train_visual_fold("groupk:2", 0, tmp_path / "crashed", settings)
    assert len(epochs) == settings.train_visual.epochs + best + 1
    for name in ("model.safetensors", "selection.safetensors", "predictions.parquet", "config.json"):
        assert equal(whole / name, resumed / name)


def test_rates_are_replayed_and_groups_keep_their_proportion():
    weights = [torch.nn.Parameter(torch.zeros(1)) for _ in range(2)]
    optimiser = torch.optim.AdamW(
        [{"params": [weights[0]], "lr": 1e-2}, {"params": [weights[1]], "lr": 1e-3}]
    )
    replay, seen = build_schedule(optimiser, small_settings().train_visual, [1e-2, 1e-2, 5e-3]), []
    for _ in range(3):
        seen.append([group["lr"] for group in optimiser.param_groups])
        optimiser.step()
        replay.step()
    assert seen == [pytest.approx(pair) for pair in ([1e-2, 1e-3], [1e-2, 1e-3], [5e-3, 5e-4])]
