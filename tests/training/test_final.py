"""The model that is handed out learns from every clip, as the folds chose, and goes on after a crash."""

from statistics import median_low

import pytest
import torch

from mfer_core.base.errors import MferError
from mfer_core.base.files import read_json
from mfer_core.models.store import load_trained
from mfer_core.training.final import agreed, choice_in, train_final
from mfer_core.training.fold_fit import Choice
from mfer_core.training.stacking import Stacked
from mfer_core.training.stages import STAGES
from tests.training.synthetic import small_settings, train_all, write_benchmark, write_pretraining

PROBE = {"probe": True}


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """(data folder, settings) after every fold and final model; some clips lack a modality."""
    data = tmp_path_factory.mktemp("final")
    settings = small_settings(
        seeds=[42, 7], train_visual=PROBE, train_audio=PROBE, train_fused={"start": "shares"}
    )
    write_benchmark(data, settings, speakers=8, gap=7)
    write_pretraining(data, settings, speakers=3, repeats=1)
    train_all(data, settings)
    for stage in STAGES:
        train_final(stage, data, settings)
    return data, settings


def folds_of(data, stage):
    return sorted((data / stage / "groupk-2").glob("seed-*/fold-*"))


@pytest.mark.parametrize("arm", ["visual", "audio", "fused"])
def test_it_has_seen_everyone_for_as_many_epochs_as_the_folds_chose(done, arm):
    data, _ = done
    config = read_json(data / "train_final" / arm / "config.json")
    assert config["training_speakers"] == [f"ravdess-{number:02d}" for number in range(1, 9)]
    assert (config["fold"], config["seed"]) == (None, 42)
    chosen = [read_json(folder / "config.json")["best_epoch"] for folder in folds_of(data, f"train_{arm}")]
    assert sorted(config["epochs_of_folds"]) == sorted(chosen) and len(chosen) == 4
    assert config["epochs"] == median_low(chosen)
    lacking = 0 if arm == "fused" else 19
    assert (config["training_clips"], config["clips_left_out"]) == (128 - lacking, lacking)


def test_the_fused_model_stands_on_the_arms_that_were_trained_on_all_clips(done):
    data, _ = done
    fused, _, _ = load_trained(data / "train_final" / "fused")
    for arm in ("visual", "audio"):
        alone, _, _ = load_trained(data / "train_final" / arm)
        for name, value in getattr(fused, arm).state_dict().items():
            assert torch.equal(value, alone.state_dict()[name]), name


def test_folds_agree_on_the_median_and_on_what_most_of_them_hear():
    def choice(epochs, shares):
        return Choice((0.1,) * (epochs - 1) + (epochs,), Stacked(shares, (0.01 * epochs, 1.0)))

    heard, alone = [(0.5, 0.8), (0.3, 0.6), (0.4, 1.0)], [(0.0, 1.2), (0.0, 1.4)]
    epochs = (2, 5, 3, 4, 9)
    taken = agreed([choice(*pair) for pair in zip(epochs, heard + alone, strict=True)])
    assert taken.rates == (0.1, 0.1, 0.1, 4) and taken.stacked == Stacked((0.4, 0.8), (0.04, 1.0))
    taken = agreed([choice(*pair) for pair in zip(epochs[1:], heard[:1] + alone + alone[:1], strict=True)])
    assert taken.stacked.shares == (0.0, 1.2) and len(taken.rates) == 4
    kept_start = Choice((), Stacked((1.0, 1.0)))
    assert agreed([kept_start, kept_start, Choice((0.1,), Stacked((0.6, 0.8)))]).rates == ()


def test_a_crash_costs_an_epoch_and_what_is_done_is_not_done_again(done, crashing):
    data, settings = done
    folder = data / "train_final" / "visual"
    whole = {
        name: (folder / name).read_bytes() for name in ("model.safetensors", "config.json", "history.csv")
    }
    count = read_json(folder / "config.json")["epochs"]
    epochs = crashing(2)
    train_final("train_visual", data, settings)
    assert not epochs and count >= 2
    (folder / "config.json").unlink()
    with pytest.raises(KeyboardInterrupt):
        train_final("train_visual", data, settings)
    train_final("train_visual", data, settings)
    assert len(epochs) == count + 1
    assert {name: (folder / name).read_bytes() for name in whole} == whole


def test_another_choice_of_the_folds_is_another_model_and_one_that_is_not_done_is_named(done):
    data, settings = done
    fold = folds_of(data, "train_visual")[0]
    assert choice_in(fold).stacked.strengths
    other = settings.model_copy(update={"seeds": [42, 8]})
    with pytest.raises(MferError, match=r"cannot read .*train_visual/groupk-2/seed-8/fold-0/config\.json"):
        train_final("train_visual", data, other)
