"""An arm holds its probe: the shares decide what of it is heard, and stage 3 starts from both arms."""

import copy

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression

from mfer_core.base.files import read_json, read_table
from mfer_core.base.settings import TrainVisual
from mfer_core.dataset.clips import Clips
from mfer_core.dataset.steps import moments
from mfer_core.models.arm import Arm, ArmConfig
from mfer_core.models.regression import SHRINKAGE, fit_regression
from mfer_core.models.regression import STRENGTHS as PROBE_STRENGTHS
from mfer_core.training.fit import fit, logits_of, trainable
from mfer_core.training.loop import Run
from mfer_core.training.stacking import (
    STRENGTHS,
    Stacked,
    beyond_chance,
    log_loss,
    shares_of,
    states_of,
    with_probe,
)
from tests.training.synthetic import EIGHT, small_settings, train_first_folds

DIM = 12


def make_clips(seed: int, count: int) -> Clips:
    """Clips of 1 to 9 steps whose class moves some means and deviations."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(7).normal(size=(2, 8, DIM))
    labels = np.arange(count) % 8
    steps = [
        torch.from_numpy(
            0.3 * centres[0, label]
            + rng.normal(size=(rng.integers(1, 10), DIM)) * 1.5 * np.exp(0.15 * centres[1, label])
        ).float()
        for label in labels
    ]
    ids = tuple(f"c/{seed}-{number:03d}" for number in range(count))
    return Clips(ids, ("x",) * count, torch.from_numpy(labels), {"audio": steps}, {"audio": DIM})


@pytest.fixture(scope="module")
def parts():
    return {"train": make_clips(0, 96), "valid": make_clips(1, 48), "test": make_clips(2, 48)}


@pytest.fixture(scope="module")
def arm(parts):
    """A GRU that was never trained."""
    torch.manual_seed(3)
    config = ArmConfig(
        modality="audio", input_dim=DIM, hidden_size=5, layers=1, dropout=0.2, pool=2, classes=EIGHT
    )
    arm = Arm(config)
    several = torch.cat(parts["train"].modalities["audio"])
    arm.standardise(several.mean(0), several.std(0))
    return arm


def probabilities(model: Arm, clips: Clips) -> np.ndarray:
    return torch.softmax(logits_of(model, clips), 1).numpy()


def in_parts(steps: torch.Tensor) -> np.ndarray:
    """Means of a clip [T, D], of its halves, thirds and quarters, and its deviation, another way."""
    steps = steps.double().numpy()
    fine = np.repeat(steps, 12, 0)  # Cut into twelve, so that all parts are whole numbers of steps.
    means = [part.mean(0) for number in (1, 2, 3, 4) for part in np.split(fine, number)]
    return np.concatenate([*means, steps.std(0)])


def regression(inputs: np.ndarray, labels: np.ndarray, other: np.ndarray, strength: float, white: bool):
    """Logits of ``other`` [N, C] by scikit-learn's regression, where ``white`` in a space that is white
    within the classes.
    """
    mean, std = inputs.mean(0), inputs.std(0)
    inputs, other = (inputs - mean) / std, (other - mean) / std
    if white:
        within = inputs - np.stack([inputs[labels == label].mean(0) for label in labels])
        covariance = (1 - SHRINKAGE) * within.T @ within / len(within)
        covariance += SHRINKAGE * (within**2).mean() * np.eye(inputs.shape[1])
        root = np.linalg.cholesky(np.linalg.inv(covariance))
        inputs, other = inputs @ root, other @ root
    model = LogisticRegression(C=strength, max_iter=5000, tol=1e-8).fit(inputs, labels)
    return model.decision_function(other)


def test_an_arm_whose_gru_has_no_share_is_the_mean_of_its_probe_and_of_the_whitened_regression(arm, parts):
    strengths = (0.1, 0.02)
    alone, _ = with_probe(arm, parts["train"], parts["valid"], Stacked((0.0, 1.0), strengths))
    inputs = {
        part: np.stack([in_parts(steps) for steps in clips.modalities["audio"]])
        for part, clips in parts.items()
    }
    ends = [*range(DIM), *range(10 * DIM, 11 * DIM)]
    labels = parts["train"].labels.numpy()
    probe = regression(inputs["train"][:, ends], labels, inputs["test"][:, ends], strengths[0], False)
    white = regression(inputs["train"], labels, inputs["test"], strengths[1], True)
    expected = softmax((probe + white) / 2, 1)
    np.testing.assert_allclose(probabilities(alone, parts["test"]), expected, atol=3e-3)


def test_an_arm_whose_probe_has_no_share_is_the_plain_arm(arm, parts):
    wide, _ = with_probe(arm, parts["train"], parts["valid"], Stacked((1.0, 0.0), (0.01, 0.01)))
    np.testing.assert_allclose(
        probabilities(wide, parts["test"]), probabilities(arm, parts["test"]), atol=1e-5
    )


def test_a_gru_that_learned_nothing_is_not_heard(arm, parts):
    wide, chosen = with_probe(arm, parts["train"], parts["valid"])
    assert chosen.shares[0] == 0 and chosen.shares[1] > 0.3
    assert states_of(wide, parts["test"]).shape == (48, 5 + 11 * DIM)


def events(seed: int, count: int) -> Clips:
    """Clips of 12 steps, in two of which, one after the other, something happens at a random place; the mean
    of the steps says one of four classes, which came first says which half of the eight.
    """
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(7).normal(size=(4, DIM))
    labels, steps = np.arange(count) % 8, []
    for label in labels:
        clip = 0.4 * centres[label % 4] + rng.normal(size=(12, DIM)) * 0.7
        first = rng.integers(11)
        clip[first : first + 2, :2] += 6 * np.eye(2)[:: 1 if label < 4 else -1]
        steps.append(torch.from_numpy(clip).float())
    ids = tuple(f"c/{seed}-{number:03d}" for number in range(count))
    return Clips(ids, ("x",) * count, torch.from_numpy(labels), {"audio": steps}, {"audio": DIM})


def test_where_order_in_time_carries_the_label_the_trained_gru_makes_the_arm_better_than_its_probe(tmp_path):
    train, valid, test = (events(seed, count) for seed, count in ((0, 240), (1, 96), (2, 240)))
    hyper = TrainVisual(
        epochs=12, patience=0, hidden_size=16, layers=1, learning_rate=1e-2, label_smoothing=0.0
    )
    torch.manual_seed(0)
    shape = {"hidden_size": 16, "layers": 1, "dropout": 0.0, "readout": "statistics"}
    arm = Arm(ArmConfig(modality="audio", input_dim=DIM, classes=EIGHT, **shape))
    arm.standardise(*moments(train.modalities["audio"]))
    fit(arm, trainable(arm, 1e-2), train, valid, 8, hyper, Run(tmp_path, "key", 3, "events"))
    wide, chosen = with_probe(arm, train, valid)
    alone, _ = with_probe(arm, train, valid, Stacked((0.0, 1.0), chosen.strengths))
    both, gru, probe = (
        (probabilities(model, test).argmax(1) == test.labels.numpy()).mean() for model in (wide, arm, alone)
    )
    assert chosen.shares[0] > 0, "its gain is beyond chance"
    assert both > probe + 0.1 and both >= gru


def test_a_gru_that_knows_more_than_the_probe_is_heard(arm, parts):
    """Its classifier is fitted to the very clips on which the shares are chosen."""
    knowing = copy.deepcopy(arm)
    states, labels = states_of(arm, parts["valid"]).double().numpy(), parts["valid"].labels.numpy()
    (fitted,) = fit_regression(states, labels, len(EIGHT), [1e4])
    knowing.classifier.weight.data = torch.from_numpy(fitted.weight).float()
    knowing.classifier.bias.data = torch.from_numpy(fitted.bias).float()
    wide, chosen = with_probe(knowing, parts["train"], parts["valid"])
    probe, _ = with_probe(arm, parts["train"], parts["valid"], Stacked((0.0, 1.0), chosen.strengths))
    both, alone = (
        log_loss(logits_of(model, parts["valid"]), parts["valid"].labels) for model in (wide, probe)
    )
    assert chosen.shares[0] > 0.1 and both < alone


def test_shares_are_those_of_the_lowest_loss():
    rng = np.random.default_rng(0)
    labels = torch.from_numpy(rng.integers(8, size=400))
    good = torch.nn.functional.one_hot(labels, 8).double() + torch.from_numpy(rng.normal(size=(400, 8)))
    noise = torch.from_numpy(rng.normal(size=(400, 8)))
    shares = shares_of([good, noise], labels)
    grid = [(a, b) for a in np.linspace(0, 2, 21) for b in np.linspace(0, 2, 21)]
    best = min(log_loss(a * good + b * noise, labels) for a, b in grid)
    assert log_loss(shares[0] * good + shares[1] * noise, labels) <= best + 1e-6
    assert shares[0] > 0.5 and shares[1] < 0.1


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A data folder with every stage of one fold, arms with their probes, and stage 3 from their shares."""
    data = tmp_path_factory.mktemp("stacked")
    settings = small_settings(
        folds={"refit": True},
        train_visual={"probe": True},
        train_audio={"probe": True},
        train_fused={"start": "shares", "epochs": 2, "learning_rate": 1.0},  # Such steps do harm.
    )
    train_first_folds(data, settings)
    return {path.parts[-5]: path.parent for path in data.glob("train_*/groupk-2/*/fold-0/config.json")}


def test_where_training_does_harm_stage_3_keeps_its_start_which_is_the_product_of_the_arms(trained):
    config = read_json(trained["train_fused"] / "config.json")
    history = pd.read_csv(trained["train_fused"] / "history.csv")
    assert config["best_epoch"] == 0 and list(history.epoch) == [0, 1, 2]
    tables = {
        name: read_table(folder / "predictions.parquet").set_index("clip_id")
        for name, folder in trained.items()
    }
    logs = [
        share * np.log(tables[name][list(EIGHT)])
        for name, share in zip(("train_visual", "train_audio"), config["stacked"]["shares"], strict=True)
    ]
    product = np.exp(logs[0] + logs[1])
    expected = product.div(product.sum(axis=1), axis=0)
    np.testing.assert_allclose(
        tables["train_fused"][list(EIGHT)], expected.loc[tables["train_fused"].index], atol=1e-3
    )


def test_a_folds_config_says_what_the_validation_part_decided(trained):
    for stage in ("train_visual", "train_audio"):
        facts = read_json(trained[stage] / "config.json")
        probe, white = facts["stacked"]["strengths"]
        assert probe in PROBE_STRENGTHS and white in STRENGTHS and len(facts["stacked"]["shares"]) == 2
        assert facts["model"]["probe"] is True


def test_a_gain_counts_only_where_it_is_larger_than_two_standard_errors():
    rng = np.random.default_rng(1)
    labels = torch.from_numpy(rng.integers(8, size=100))
    truth = torch.nn.functional.one_hot(labels, 8).double()
    before = torch.from_numpy(rng.normal(size=(100, 8)))
    noise = torch.from_numpy(rng.normal(size=(100, 8)))
    assert beyond_chance(before, before + truth, labels)
    assert not beyond_chance(before, before + 0.02 * truth + 0.3 * noise, labels)
    assert not beyond_chance(before, before, labels) and not beyond_chance(before + truth, before, labels)
