"""The loop's parts: batches, balance, schedules, modality dropout."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mfer_core.base.settings import Train
from mfer_core.dataset.clips import Clips, at_random, bucketed, collate, in_order
from mfer_core.training.fit import build_schedule, class_weights, draw, hide_modalities, logits_of, validate


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(1, 50), min_size=1, max_size=80),
    st.integers(1, 9),
    st.integers(0, 3),
    st.sampled_from([bucketed, at_random]),
)
def test_batches_hold_every_clip_once_and_are_of_at_most_the_size(lengths, size, seed, cut):
    rng = np.random.default_rng(seed)
    batches = cut(rng.permutation(len(lengths)), np.array(lengths), size, rng)
    assert sorted(clip for batch in batches for clip in batch) == list(range(len(lengths)))
    assert max(map(len, batches)) <= size


def test_buckets_pad_less_than_random_batches():
    rng = np.random.default_rng(0)
    lengths = rng.integers(10, 200, 256)
    padding = [
        sum(max(lengths[batch]) * len(batch) - sum(lengths[batch]) for batch in batches)
        for batches in (cut(np.arange(256), lengths, 16, rng) for cut in (bucketed, at_random))
    ]
    assert padding[0] < padding[1] / 3


def test_loss_weights_follow_the_power_and_average_to_one_over_the_clips():
    labels = torch.tensor([0] * 80 + [1] * 20)
    weights = class_weights(labels, 3, 0.3)
    assert weights[1] / weights[0] == pytest.approx(4**0.3)
    assert weights[labels].mean() == pytest.approx(1) and weights[2] == 0
    assert class_weights(labels, 3, 0.0)[:2].tolist() == pytest.approx([1, 1])


def test_the_sampler_draws_the_rare_class_more_often_by_the_square_root():
    labels = np.array([0] * 900 + [1] * 100)
    rng = np.random.default_rng(0)
    drawn = np.concatenate([labels[draw(labels, 2, 0.5, rng)] for _ in range(20)])
    assert (drawn == 1).sum() / (drawn == 0).sum() == pytest.approx((100 / 900) ** 0.5, rel=0.1)
    assert sorted(draw(labels, 2, 0, rng)) == list(range(1000))


@settings(max_examples=30, deadline=None)
@given(st.floats(0, 0.99), st.integers(0, 5))
def test_modality_dropout_never_leaves_a_clip_with_nothing(share, seed):
    rng = np.random.default_rng(seed)
    present = rng.random((60, 2)) < 0.7
    hidden = hide_modalities(present, share, rng)
    kept = present & ~hidden
    assert (kept.any(1) == present.any(1)).all() and not (hidden & ~present).any()


def make_clips(lengths, dim=3):
    values = [torch.randn(length, dim) if length else None for length in lengths]
    return Clips(
        tuple(map(str, lengths)),
        ("x",) * len(lengths),
        torch.zeros(len(lengths), dtype=torch.int64),
        {"audio": values},
        {"audio": dim},
    )


def test_batches_pad_on_the_right_and_mark_what_is_absent():
    clips = make_clips([2, 0, 4])
    (values, lengths), _ = collate(clips, [0, 1, 2])
    assert lengths.tolist() == [2, 0, 4] and values.shape == (3, 4, 3)
    assert not values[0, 2:].any() and not values[1].any()
    assert [indices for indices, _ in in_order(clips, 2)] == [[1, 0], [2]]


class Mean(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.ones(1))

    def forward(self, values, lengths):
        return values.sum(1) * self.scale


def test_predictions_come_back_in_the_clips_order():
    clips = make_clips([5, 1, 3])
    expected = torch.stack([value.sum(0) for value in clips.modalities["audio"]])
    assert torch.allclose(logits_of(Mean(), clips), expected, atol=1e-6)
    assert set(validate(Mean(), clips)) == {"valid_loss", "valid_accuracy", "valid_uar"}


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("constant", [1, 1, 1, 1]),
        ("exponential", [0.5, 0.25, 0.125, 0.0625]),
        ("step", [1, 0.5, 0.5, 0.25]),
        ("plateau", [1, 1, 0.5, 0.5]),
    ],
)
def test_schedules(schedule, expected):
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimiser = torch.optim.SGD([parameter], lr=1.0)
    section = Train(
        epochs=4, batch_size=1, accumulation=1, learning_rate=1, optimiser="adam", weight_decay=0,
        schedule=schedule, schedule_factor=0.5, schedule_step=2, patience=0, label_smoothing=0,
        class_weight_power=0, sampler_power=0,
    )  # fmt: skip
    steps, rates = build_schedule(optimiser, section), []
    for _ in range(4):
        optimiser.step()
        steps.step(*([1.0] if schedule == "plateau" else []))  # a loss that stands still
        rates.append(optimiser.param_groups[0]["lr"])
    assert rates == pytest.approx(expected)
