"""Fusion: exact start from the two arms, and clips that lack a modality, in every kind."""

import json

import pytest
import torch

from mfer_core.base.errors import MferError
from mfer_core.base.files import write_json
from mfer_core.models.arm import Arm, ArmConfig
from mfer_core.models.fusion import HEADS, Fused
from mfer_core.models.store import CONFIG, WEIGHTS, describe_model, load_kind, load_trained, save_weights

SIZES = {"visual": (4, 3), "audio": (6, 5)}  # input dim, hidden size


def make_arm(modality, classes=("a", "b", "c")):
    dim, hidden = SIZES[modality]
    return Arm(
        ArmConfig(
            modality=modality, input_dim=dim, hidden_size=hidden, layers=2, dropout=0.3, classes=classes
        )
    )


def make_fused(fusion):
    """A model whose head is past its start: all that it learns has random values."""
    torch.manual_seed(0)
    fused = Fused(make_arm("visual"), make_arm("audio"), fusion).eval()
    if fusion != "linear":
        fused.head.shares.copy_(torch.tensor([0.4, 1.3]))
        for parameter in fused.head.parameters():
            torch.nn.init.normal_(parameter, std=0.7)
    return fused


@pytest.fixture
def fused():
    return make_fused("linear")


def inputs(batch=3):
    return (
        torch.randn(batch, 5, 4),
        torch.tensor([5, 2, 4]),
        torch.randn(batch, 8, 6),
        torch.tensor([8, 8, 3]),
    )


def test_fused_logits_start_as_the_sum_of_the_arms_with_the_mean_bias(fused):
    visual, visual_lengths, audio, audio_lengths = inputs()
    bias = fused.visual.classifier.bias + fused.audio.classifier.bias
    expected = fused.visual(visual, visual_lengths) + fused.audio(audio, audio_lengths) - bias / 2
    assert torch.allclose(fused(visual, visual_lengths, audio, audio_lengths), expected, atol=1e-6)
    weight = torch.cat([fused.visual.classifier.weight, fused.audio.classifier.weight], 1)
    assert torch.equal(fused.head.classifier.weight, weight)


@pytest.mark.parametrize("fusion", [kind for kind in HEADS if kind != "linear"])
def test_other_kinds_start_as_the_product_of_the_arms_to_the_power_of_their_shares(fusion):
    torch.manual_seed(0)
    fused = Fused(make_arm("visual"), make_arm("audio"), fusion).eval()
    visual, visual_lengths, audio, audio_lengths = inputs()
    arms = fused.visual(visual, visual_lengths), fused.audio(audio, audio_lengths)
    assert torch.allclose(fused(visual, visual_lengths, audio, audio_lengths), sum(arms), atol=1e-6)
    fused.head.shares.copy_(torch.tensor([0.5, 2.0]))
    expected = 0.5 * arms[0] + 2 * arms[1]
    assert torch.allclose(fused(visual, visual_lengths, audio, audio_lengths), expected, atol=1e-6)


@pytest.mark.parametrize("fusion", [kind for kind in HEADS if kind != "linear"])
def test_where_a_modality_is_absent_the_other_arm_decides_as_it_does_alone(fusion):
    fused, (visual, visual_lengths, audio, audio_lengths) = make_fused(fusion), inputs()
    nothing = torch.zeros_like(visual_lengths)
    heard = fused(visual, nothing, audio, audio_lengths)
    assert torch.allclose(heard, 1.3 * fused.audio(audio, audio_lengths), atol=1e-6)
    seen = fused(visual, visual_lengths, audio, nothing)
    assert torch.allclose(seen, 0.4 * fused.visual(visual, visual_lengths), atol=1e-6)
    assert torch.equal(fused(visual, nothing, audio, nothing), torch.zeros(3, 3))


@pytest.mark.parametrize("fusion", HEADS)
def test_a_clip_is_judged_alike_alone_and_in_a_batch_beside_clips_that_lack_a_modality(fusion):
    fused, values = make_fused(fusion), list(inputs())
    values[1][0] = values[3][2] = 0
    whole = fused(*values)
    for clip in range(3):
        lengths = values[1][clip : clip + 1], values[3][clip : clip + 1]
        visual, audio = (values[side][clip : clip + 1, : max(1, int(lengths[side // 2]))] for side in (0, 2))
        alone = fused(visual, lengths[0], audio, lengths[1])
        assert torch.allclose(alone, whole[clip : clip + 1], atol=1e-5)


def test_cross_attention_reads_the_steps_of_both_and_every_part_of_it_learns():
    fused, values = make_fused("cross_attention"), inputs()
    turned = [values[0].flip(1), torch.full((3,), 5), values[2], values[3]]
    assert not torch.allclose(fused(*turned), fused(values[0], torch.full((3,), 5), *values[2:]))
    fused(*values).square().sum().backward()
    for name, value in fused.head.named_parameters():
        assert value.grad.abs().sum() > 0, name


@pytest.mark.parametrize("fusion", HEADS)
@pytest.mark.parametrize("missing", [1, 3])
def test_an_absent_modality_has_no_say_whatever_stands_in_its_place(fusion, missing):
    fused, values = make_fused(fusion), list(inputs())
    values[missing] = torch.zeros(3, dtype=torch.int64)
    first = fused(*values)
    values[missing - 1] = torch.full_like(values[missing - 1], 9.0)
    assert torch.equal(first, fused(*values))


def test_arms_of_different_classes_do_not_fuse():
    with pytest.raises(MferError, match="classes differ"):
        Fused(make_arm("visual"), make_arm("audio", ("a", "b")))


@pytest.mark.parametrize("fusion", HEADS)
def test_a_stored_model_comes_back_whole(fusion, tmp_path):
    fused = make_fused(fusion)
    save_weights(tmp_path, fused)
    (tmp_path / CONFIG).write_text(json.dumps({"model": describe_model(fused)}))
    loaded, _, _ = load_trained(tmp_path)
    values = inputs()
    assert torch.equal(loaded(*values), fused(*values))


def test_a_model_from_before_there_was_a_choice_is_fused_by_the_linear_layer(fused, tmp_path):
    save_weights(tmp_path, fused)
    described = describe_model(fused)
    del described["fusion"]
    (tmp_path / CONFIG).write_text(json.dumps({"model": described}))
    assert load_trained(tmp_path)[0].fusion == "linear"


def test_damaged_weights_are_named(fused, tmp_path):
    save_weights(tmp_path, fused)
    (tmp_path / CONFIG).write_text(json.dumps({"model": describe_model(fused)}))
    (tmp_path / WEIGHTS).write_bytes(b"no weights")
    with pytest.raises(MferError, match=str(tmp_path)):
        load_trained(tmp_path)


def test_a_model_of_the_other_kind_is_refused(tmp_path, fused):
    write_json(tmp_path / CONFIG, {"key": "k", "model": describe_model(fused)})
    save_weights(tmp_path, fused)
    assert isinstance(load_kind(Fused, tmp_path)[0], Fused)
    with pytest.raises(MferError, match="holds a model of kind fused"):
        load_kind(Arm, tmp_path)
