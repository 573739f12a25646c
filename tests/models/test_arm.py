"""The arm: what a clip is batched with must not reach its prediction."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.utils.rnn import pack_padded_sequence, pad_sequence

from mfer_core.models.arm import Arm, ArmConfig, pool_steps

DIM = 5


def make_arm(pool=1, layers=2, readout="last", standardise=True, probe=False, pyramid=(1,)):
    torch.manual_seed(0)
    arm = Arm(
        ArmConfig(
            modality="audio",
            input_dim=DIM,
            hidden_size=7,
            layers=layers,
            dropout=0.5,
            pool=pool,
            readout=readout,
            probe=probe,
            pyramid=pyramid,
            standardise=standardise,
            noise=0.3,
            jitter=0.3,
            classes=("a", "b", "c"),
        )
    )
    arm.standardise(torch.randn(DIM), torch.rand(DIM) + 0.5)
    return arm.eval()


def padded(clips, fill=0.0):
    return pad_sequence(clips, batch_first=True, padding_value=fill), torch.tensor(
        [len(clip) for clip in clips]
    )


@settings(max_examples=25, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 12), min_size=1, max_size=6),
    pool=st.integers(1, 4),
    fill=st.sampled_from([0.0, 1e3]),
    readout=st.sampled_from(["last", "mean", "statistics"]),
    probe=st.booleans(),
)
def test_a_clip_is_predicted_the_same_alone_and_in_any_batch(lengths, pool, fill, readout, probe):
    arm, clips = (
        make_arm(pool, readout=readout, probe=probe, pyramid=(1, 2, 4)),
        [torch.randn(length, DIM) for length in lengths],
    )
    together = arm(*padded(clips, fill))
    alone = torch.cat([arm(*padded([clip])) for clip in clips])
    assert torch.allclose(together, alone, atol=1e-5)


def test_an_arm_that_does_not_standardise_takes_steps_as_they_come_and_knows_their_moments():
    raw, plain = make_arm(standardise=False), make_arm()
    values, lengths = padded([torch.randn(4, DIM), torch.randn(6, DIM)])
    restored = values / plain.scale + plain.mean
    assert torch.allclose(raw(values, lengths), plain(restored, lengths), atol=1e-5)
    assert torch.equal(raw.mean, plain.mean) and raw.mean.any(), "stage transfer normalises to these"


def test_the_last_valid_state_equals_the_packed_sequence():
    arm, clips = make_arm(), [torch.randn(length, DIM) for length in (3, 9, 5)]
    values, lengths = padded(clips)
    packed = pack_padded_sequence(
        (values - arm.mean) * arm.scale, lengths, batch_first=True, enforce_sorted=False
    )
    assert torch.allclose(arm.encode(values, lengths), arm.gru(packed)[1][-1], atol=1e-6)


@pytest.mark.parametrize("readout", ["last", "mean", "statistics"])
@pytest.mark.parametrize("probe", [False, True])
def test_a_clip_without_the_modality_has_a_zero_state(readout, probe):
    arm = make_arm(readout=readout, probe=probe)
    state = arm.encode(torch.randn(2, 4, DIM), torch.tensor([0, 4]))
    assert not state[0].any() and state[1].any()


def test_statistics_are_those_of_the_valid_states():
    arm, clip = make_arm(readout="statistics"), torch.randn(6, DIM)
    states = arm.gru((clip - arm.mean) * arm.scale)[0]
    expected = torch.cat([states.mean(0), states.std(0, correction=0), states.amax(0)])
    assert torch.allclose(arm.encode(*padded([clip, torch.randn(9, DIM)]))[0], expected, atol=1e-4)


def test_with_a_probe_mean_and_deviation_of_the_clip_stand_behind_the_grus_state():
    plain, arm, clip = make_arm(4), make_arm(4, probe=True), torch.randn(6, DIM)
    arm.gru.load_state_dict(plain.gru.state_dict())
    arm.standardise(plain.mean, 1 / plain.scale)
    state, statistics = arm.encode(*padded([clip, torch.randn(9, DIM)], 1e3))[0].split([7, 2 * DIM])
    steps = (clip - arm.mean) * arm.scale
    expected = torch.cat([steps.mean(0), steps.std(0, correction=0)])
    assert torch.allclose(statistics, expected, atol=1e-5)
    assert torch.allclose(state, plain.encode(*padded([clip]))[0], atol=1e-6)


def test_a_pyramid_holds_the_means_of_the_clips_equal_parts():
    arm = make_arm(probe=True, pyramid=(1, 2, 4))
    clips = [torch.randn(length, DIM) for length in (8, 3, 1)]
    rows = arm.encode(*padded([*clips, torch.randn(9, DIM)], 1e3))[:3, 7 : 7 + 7 * DIM].view(3, 7, DIM)
    eight, three, one = ((clip - arm.mean) * arm.scale for clip in clips)
    halves, quarters = eight.view(2, 4, DIM).mean(1), eight.view(4, 2, DIM).mean(1)
    assert torch.allclose(rows[0], torch.cat([eight.mean(0)[None], halves, quarters]), atol=1e-5)
    halves = torch.stack([(three[0] + three[1] / 2) / 1.5, (three[1] / 2 + three[2]) / 1.5])
    assert torch.allclose(rows[1, 1:3], halves, atol=1e-5), "the step in the middle counts half in both"
    assert torch.allclose(rows[1, 3], three[0], atol=1e-5)
    assert torch.allclose(rows[2], one.expand(7, DIM), atol=1e-5)


def test_pooling_averages_whole_groups_and_the_rest_by_itself():
    values, lengths = pool_steps(torch.arange(5.0).view(1, 5, 1), torch.tensor([5]), 2)
    assert values.flatten().tolist() == [0.5, 2.5, 4.0]
    assert lengths.tolist() == [3]


def test_a_constant_feature_is_not_blown_up():
    arm = make_arm()
    arm.standardise(torch.zeros(DIM), torch.zeros(DIM))
    assert arm.scale.tolist() == pytest.approx([1.0] * DIM)


def test_several_layers_are_a_weighted_sum_whose_weights_learn_which_layer_speaks():
    torch.manual_seed(0)
    shape = {"hidden_size": 7, "layers": 1, "dropout": 0.0, "probe": True, "classes": ("a", "b")}
    arm = Arm(ArmConfig(modality="audio", input_dim=3 * DIM, mixed_layers=3, **shape))
    values, lengths, labels = torch.randn(60, 4, 3 * DIM), torch.full((60,), 4), torch.arange(60) % 2
    layers = values.unflatten(-1, (3, DIM))
    assert torch.allclose(arm.standardised(values), layers.mean(2), atol=1e-6), "they begin alike"
    assert arm.encode(values, lengths).shape == (60, 7 + 2 * DIM)
    values[..., DIM : 2 * DIM] += 0.6 * (2.0 * labels - 1)[:, None, None]  # The second layer knows the label.
    optimiser = torch.optim.Adam(arm.parameters(), 0.02)
    for _ in range(60):
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(arm(values, lengths), labels).backward()
        optimiser.step()
    assert arm.layer_weights.softmax(0)[1] > 0.45
    other = Arm(arm.config)
    other.take_reader(arm)
    assert torch.equal(other.layer_weights, arm.layer_weights)
    assert torch.equal(other.gru.weight_ih_l0, arm.gru.weight_ih_l0)
