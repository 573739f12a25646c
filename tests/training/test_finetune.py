"""Encoders trained with their arms: what learns, what is kept, and who must use it afterwards."""

import filecmp
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from mfer_core.encoders.embed import embed_corpus_audio
from mfer_core.encoders.emotion2vec import load_emotion2vec
from mfer_core.errors import MferError
from mfer_core.files import read_json, read_table
from mfer_core.models.finetuned import TRAINABLE, put_blocks
from mfer_core.models.store import load_model, load_trained
from mfer_core.settings import Finetune
from mfer_core.training import loop
from mfer_core.training.stages import train_audio_fold
from tests.training.synthetic import EIGHT, small_settings, write_benchmark, write_waveforms

FOLD = ("groupk:2", 0)
LAST = "blocks.1."  # of the compact emotion2vec: one block before the shared two


def settings_of(finetune: dict, **train_audio):
    audio = {"start": "scratch", "epochs": 2, "finetune": {"learning_rate": 1e-3, **finetune}, **train_audio}
    return small_settings(folds={"protocols": ["groupk:2"]}, train_audio=audio)


@pytest.fixture(scope="module")
def data(tmp_path_factory, emotion2vec_folder):
    """Four speakers' waveforms and their embeddings by the compact emotion2vec."""
    data, settings = tmp_path_factory.mktemp("data"), settings_of({})
    write_benchmark(data, settings, speakers=4)
    write_waveforms(data, settings)
    shutil.rmtree(data / "embed" / "audio")
    shutil.copytree(emotion2vec_folder, data / "pretrain_emotion2vec")
    encoder = load_emotion2vec(str(data / "pretrain_emotion2vec"), None, "cpu", "fp32")
    embed_corpus_audio(data / "extract", settings.roles.benchmark, data / "embed", encoder, settings.embed, 3.0)
    return data


@pytest.fixture
def audio_fold(data, tmp_path):
    """Train stage 2b on fold 0 in a folder of its own; returns its folder."""

    def train(finetune, name="own", **train_audio):
        (tmp_path / name).mkdir(exist_ok=True)
        for part in ("ingest", "extract", "embed", "folds", "pretrain_emotion2vec"):
            if not (tmp_path / name / part).exists():
                (tmp_path / name / part).symlink_to(data / part)
        return train_audio_fold(*FOLD, tmp_path / name, settings_of(finetune, **train_audio))

    return train


def own_encoder(folder, data):
    encoder = load_emotion2vec(str(data / "pretrain_emotion2vec"), None, "cpu", "fp32")
    _, config, blocks = load_trained(folder)
    put_blocks(encoder, blocks["audio"], config["encoders"]["audio"])
    return encoder


def test_one_block_learns_and_nothing_below_it_and_the_loss_falls(audio_fold, data):
    folder = audio_fold({"blocks": 1}, epochs=4)
    base, blocks = load_file(data / "pretrain_emotion2vec" / "model.safetensors"), load_trained(folder)[2]["audio"]
    assert set(blocks) == {name for name in base if name.startswith(LAST)}
    assert all(not torch.equal(value, base[name]) for name, value in blocks.items())
    loss = [float(row.split(",")[1]) for row in (folder / "history.csv").read_text().splitlines()[1:]]
    assert loss[-1] < loss[0] - 0.1


def test_all_blocks_learn_but_the_convolutional_front_end(audio_fold, data):
    base, blocks = load_file(data / "pretrain_emotion2vec" / "model.safetensors"), load_trained(audio_fold({"blocks": -1}))[2]["audio"]
    assert {name for name in base if name not in blocks} == {name for name in base if "local_encoder" in name or name.startswith("proj.")}


def test_a_saved_fold_predicts_what_its_test_predictions_say(audio_fold, data):
    folder = audio_fold({"blocks": 2})
    model, encoder = load_trained(folder)[0], own_encoder(folder, data)
    expected = read_table(folder / "predictions.parquet").set_index("clip_id")
    waveforms = {clip.clip_id: clip.waveform for clip in _speeches(data)}
    with torch.no_grad():
        for clip_id in expected.index:
            frames = torch.from_numpy(encoder.embed([waveforms[clip_id]])[0])
            found = model(frames[None], torch.tensor([len(frames)])).softmax(1)[0].numpy()
            np.testing.assert_allclose(found, expected.loc[clip_id, list(EIGHT)].to_numpy(float), atol=1e-5)


def _speeches(data):
    from mfer_core.media.read import read_waveforms

    return read_waveforms(data / "extract", "ravdess", 3.0)


def test_a_crash_continues_to_the_identical_result_checkpointed_or_not(audio_fold, monkeypatch):
    whole = audio_fold({"blocks": 2}, "whole")
    calls, train_epoch = [], loop.train_epoch

    def crashing(*arguments):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return train_epoch(*arguments)

    monkeypatch.setattr(loop, "train_epoch", crashing)
    with pytest.raises(KeyboardInterrupt):
        audio_fold({"blocks": 2}, "crashed")
    resumed, recomputed = audio_fold({"blocks": 2}, "crashed"), audio_fold({"blocks": 2, "checkpointing": True}, "recomputed")
    for name in ("model.safetensors", "history.csv", "predictions.parquet"):
        assert filecmp.cmp(whole / name, resumed / name, shallow=False)
        assert filecmp.cmp(whole / name, recomputed / name, shallow=False)


@pytest.mark.parametrize("blocks", [1, -1])
def test_a_clips_embeddings_and_gradients_do_not_depend_on_its_batch_mates(emotion2vec_folder, blocks):
    rng = np.random.default_rng(0)
    encoder = load_emotion2vec(str(emotion2vec_folder), None, "cpu", "fp32")
    learning = TRAINABLE["audio"](encoder, Finetune(blocks=blocks))
    clips = [learning.prepare(rng.normal(0, 0.1, length).astype(np.float32), None) for length in (8000, 399, 12000)]
    values = torch.nn.utils.rnn.pad_sequence([*clips, torch.zeros(1)], batch_first=True)
    together, counts = learning(values, torch.tensor([8000, 399, 12000, 0]))
    assert counts.tolist() == [24, 1, 37, 0]
    for row, clip, count in zip(together, clips, counts, strict=False):
        alone, _ = learning(clip[None], torch.tensor([len(clip)]))
        assert (row[:count] - alone[0]).abs().max() < 1e-4


def test_bf16_trains_too(audio_fold):
    assert float((audio_fold({"blocks": 1}, precision="bf16") / "history.csv").read_text().splitlines()[-1].split(",")[1]) < 3


def test_the_cached_embeddings_are_never_taken_for_the_folds_own(audio_fold, data, tmp_path):
    folder = audio_fold({"blocks": 1})
    config = read_json(folder / "config.json")["encoders"]["audio"]
    assert config["finetuned"] and config["hash"] == read_json_metadata(data)["hash"]
    with pytest.raises(MferError, match="trained with its audio encoder"):
        load_model(folder)
    encoder = load_emotion2vec(str(data / "pretrain_emotion2vec"), None, "cpu", "fp32")
    encoder.metadata["hash"] = "other"
    with pytest.raises(MferError, match="put that one in its place"):
        put_blocks(encoder, load_trained(folder)[2]["audio"], config)


def read_json_metadata(data):
    from mfer_core.cache.shards import read_metadata

    return read_metadata(data / "embed" / "audio" / "ravdess")


def test_more_blocks_than_there_are_are_refused(audio_fold):
    with pytest.raises(MferError, match="has 3 blocks"):
        audio_fold({"blocks": 4})
