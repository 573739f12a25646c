import pickle
import shutil
import sys

import numpy as np
import pytest
import torch
from ruamel.yaml import YAML

from mfer_core.base.errors import ClipError, MferError
from mfer_core.encoders import windows
from mfer_core.encoders.emotion2vec import load_emotion2vec
from mfer_core.encoders.emotion2vec_config import PUBLISHED_LAYERS, model_conf
from mfer_core.encoders.emotion2vec_model import build_model
from mfer_core.encoders.funasr_module import emotion2vec_class
from tests.encoders.conftest import gib

TOLERANCE = 1e-4  # max abs difference in fp32, the contract with the published implementation


@pytest.fixture
def encoder(emotion2vec_folder):
    return load_emotion2vec(str(emotion2vec_folder), None, "cpu", "fp32")


def largest_difference(one, other):
    assert [values.shape for values in one] == [values.shape for values in other]
    return max(float(np.abs(a - b).max()) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("order", [[0, 1, 2, 3, 4], [4, 3, 2, 1, 0], [1, 0, 1, 1]])
def test_a_clips_frames_do_not_depend_on_its_batch_mates(encoder, waveforms, order):
    alone = [encoder.embed([waveforms[index]])[0] for index in order]
    for clips in (2, 5):
        budget = gib(clips * encoder.clip_bytes(len(waveforms[0])))
        assert (
            largest_difference(encoder.embed([waveforms[index] for index in order], budget), alone)
            < TOLERANCE
        )


def test_padding_would_leak_without_the_hooks(encoder, waveforms):
    alone = encoder.embed([waveforms[2]])[0]
    conv = [
        m
        for m in encoder.model.modality_encoders["AUDIO"].relative_positional_encoder.modules()
        if isinstance(m, torch.nn.Conv1d)
    ]
    for module in conv:
        module._forward_pre_hooks.clear()
    assert np.abs(encoder.embed(waveforms)[2] - alone).max() > 100 * TOLERANCE


def with_pickle(folder, target, weights, prefix=""):
    """``folder`` as published: weights in model.pt under 'model', names prefixed."""
    shutil.copytree(folder, target, ignore=shutil.ignore_patterns("model.safetensors"))
    torch.save({"model": {prefix + name: tensor for name, tensor in weights.items()}}, target / "model.pt")
    text = (target / "configuration.json").read_text().replace("model.safetensors", "model.pt")
    (target / "configuration.json").write_text(text)
    return change_config(target, scope_map=["d2v_model.", "none"])


def change_config(folder, **values):
    config = YAML(typ="safe").load((folder / "config.yaml").read_text())
    YAML(typ="safe").dump({**config, **values}, folder / "config.yaml")
    return folder


def published_frames(folder, clips):
    """What AutoModel.generate gives for each clip alone."""
    from funasr import AutoModel

    model = AutoModel(
        model=str(folder),
        disable_update=True,
        disable_pbar=True,
        disable_log=True,
        device="cpu",
        log_level="ERROR",
    )
    return [
        model.generate(clip, granularity="frame", extract_embedding=True, disable_pbar=True)[0]["feats"]
        for clip in clips
    ]


def test_equals_the_published_implementation_compact_and_at_base_size(
    emotion2vec_folder, encoder, waveforms, tmp_path
):
    compact = with_pickle(emotion2vec_folder, tmp_path / "compact", encoder.model.state_dict())
    torch.manual_seed(3)
    conf = model_conf(768, 8, 4, 12, PUBLISHED_LAYERS)
    base = with_pickle(emotion2vec_folder, tmp_path / "base", build_model(conf, 3).state_dict(), "d2v_model.")
    change_config(base, model_conf=conf)
    clips = [waveforms[index][:12000] for index in (0, 2)]
    for folder in (compact, base):
        frames = load_emotion2vec(str(folder), None, "cpu", "fp32").embed(clips)
        assert largest_difference(frames, published_frames(folder, clips)) < TOLERANCE


def test_short_and_empty_clips(encoder):
    assert encoder.embed([np.full(10, 0.1, np.float32)])[0].shape == (1, 32)
    with pytest.raises(ClipError, match="empty waveform"):
        encoder.embed([np.zeros(0, np.float32)])


def test_long_recordings_keep_their_frames_on_the_same_grid(encoder, random, monkeypatch):
    waveform = random.normal(0, 0.1, 16000 * 9 + 77).astype(np.float32)
    whole = encoder.embed([waveform])[0]
    monkeypatch.setattr(windows, "WINDOW_S", 6.0)
    monkeypatch.setattr(windows, "CONTEXT_S", 2.0)
    cut = encoder.embed([waveform])[0]
    assert cut.shape == whole.shape
    cosine = (cut * whole).sum(1) / np.linalg.norm(cut, axis=1) / np.linalg.norm(whole, axis=1)
    assert cosine.min() > 0.99


@pytest.mark.parametrize("precision", ["bf16", "int8"])
def test_less_precision_stays_close_to_fp32_even_in_32_dimensions(
    encoder, emotion2vec_folder, waveforms, precision
):
    fast = load_emotion2vec(str(emotion2vec_folder), None, "cpu", precision)
    for exact, near in zip(encoder.embed(waveforms), fast.embed(waveforms), strict=True):
        assert not np.array_equal(exact, near)
        assert (exact * near).sum() / np.linalg.norm(exact) / np.linalg.norm(near) > 0.99


def test_the_head_gives_probabilities_by_name(encoder, waveforms):
    means = np.stack([frames.mean(0) for frames in encoder.embed(waveforms[:2])])
    probabilities = encoder.head().probabilities(means)
    assert encoder.labels == ["angry", "happy", "<unk>"]
    assert probabilities.shape == (2, 3)
    np.testing.assert_allclose(probabilities.sum(1), 1, rtol=1e-5)


class Hostile:
    def __reduce__(self):
        return (exec, ("open('hacked', 'w').close()",))


def test_a_hostile_folder_runs_no_code(emotion2vec_folder, encoder, tmp_path, monkeypatch):
    folder = with_pickle(emotion2vec_folder, tmp_path / "folder", encoder.model.state_dict())
    monkeypatch.chdir(tmp_path)
    (folder / "model.pt").write_bytes(pickle.dumps({"model": Hostile()}))
    with pytest.raises(MferError, match=r"refused .*model\.pt"):
        load_emotion2vec(str(folder), None, "cpu", "fp32")
    torch.save({"model": Hostile()}, folder / "model.pt")
    with pytest.raises(MferError, match=r"refused .*model\.pt"):
        load_emotion2vec(str(folder), None, "cpu", "fp32")
    conf = YAML(typ="safe").load((folder / "config.yaml").read_text())["model_conf"]
    conf["modalities"]["audio"]["feature_encoder_spec"] = "[(8, 10, 5)] + [exec(\"open('hacked', 'w')\")]"
    change_config(folder, model_conf=conf)
    with pytest.raises(MferError, match="feature_encoder_spec"):
        load_emotion2vec(str(folder), None, "cpu", "fp32")
    assert not (tmp_path / "hacked").exists()


def test_weights_that_do_not_fit_are_named(emotion2vec_folder, tmp_path):
    folder = shutil.copytree(emotion2vec_folder, tmp_path / "folder")
    (folder / "tokens.txt").write_text("a/angry\n")
    with pytest.raises(MferError, match="do not fit"):
        load_emotion2vec(str(folder), None, "cpu", "fp32")


def test_only_the_needed_part_of_funasr_is_imported(monkeypatch):
    for name in [name for name in sys.modules if name.split(".")[0] == "funasr"]:
        monkeypatch.delitem(sys.modules, name)
    with emotion2vec_class() as model_class:
        inside = [name for name in sys.modules if name.startswith("funasr")]
    assert model_class.__name__ == "Emotion2vec"
    assert len(inside) < 20
    assert not [name for name in sys.modules if name.startswith("funasr")]
