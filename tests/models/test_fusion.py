"""Fusion: exact start from the two arms, and clips that lack a modality."""

import json

import pytest
import torch

from mfer_core.base.errors import MferError
from mfer_core.base.files import write_json
from mfer_core.models.arm import Arm, ArmConfig
from mfer_core.models.fusion import Fused
from mfer_core.models.store import CONFIG, WEIGHTS, describe_model, load_kind, load_trained, save_weights

SIZES = {"visual": (4, 3), "audio": (6, 5)}  # input dim, hidden size


def make_arm(modality, classes=("a", "b", "c")):
    dim, hidden = SIZES[modality]
    return Arm(
        ArmConfig(
            modality=modality, input_dim=dim, hidden_size=hidden, layers=2, dropout=0.3, classes=classes
        )
    )


@pytest.fixture
def fused():
    torch.manual_seed(0)
    return Fused(make_arm("visual"), make_arm("audio")).eval()


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


@pytest.mark.parametrize("missing", [1, 3])
def test_an_absent_modality_has_no_say_whatever_stands_in_its_place(fused, missing):
    values = list(inputs())
    values[missing] = torch.zeros(3, dtype=torch.int64)
    first = fused(*values)
    values[missing - 1] = torch.full_like(values[missing - 1], 9.0)
    assert torch.equal(first, fused(*values))


def test_arms_of_different_classes_do_not_fuse():
    with pytest.raises(MferError, match="classes differ"):
        Fused(make_arm("visual"), make_arm("audio", ("a", "b")))


def test_a_stored_model_comes_back_whole(fused, tmp_path):
    save_weights(tmp_path, fused)
    (tmp_path / CONFIG).write_text(json.dumps({"model": describe_model(fused)}))
    loaded, _, _ = load_trained(tmp_path)
    values = inputs()
    assert torch.equal(loaded(*values), fused(*values))


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
