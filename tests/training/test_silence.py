"""Whose silence is cut off before the speech encoder hears a clip (embed.vad)."""

import shutil

import numpy as np
import pytest

from mfer_core.base.settings import WHOLE_S
from mfer_core.cache.embeddings import open_embeddings
from mfer_core.media.read import keep_speech
from mfer_core.training.pretrain_audio import pretrain_audio
from tasks.embed import embed_clips
from tests.training.encoded import copy_of, settings_of, write_encoded
from tests.training.synthetic import train_audio_fold


@pytest.fixture(scope="module")
def data(tmp_path_factory, vit_folder, emotion2vec_folder):
    return write_encoded(tmp_path_factory.mktemp("data"), vit_folder, emotion2vec_folder)


def settings_with(vad):
    """Clips of half a second are long, and lose their silence where ``vad`` says so."""
    return settings_of(
        extract={"vad_min_clip_s": 0.2},
        embed={"vad": vad, "device": "cpu"},
        pretrain_audio={"epochs": 1},
        train_audio={"start": "pretrain_audio"},
    )


def test_silence_is_cut_off_all_corpora_or_off_those_of_stage_2a_which_stage_2b_takes_over(data, tmp_path):
    steps = {}
    for vad in ("all", "pretraining"):
        folder, settings = copy_of(data, tmp_path / vad), settings_with(vad)
        (folder / "embed").unlink()
        shutil.copytree(data / "embed", folder / "embed")
        for corpus in ("ravdess", "urdu"):
            embed_clips.fn(corpus, "audio", folder, settings)
            embedded = open_embeddings(folder / "embed" / "audio" / corpus)
            (steps[vad, corpus],) = {*embedded.lengths.tolist()}
        pretrain_audio(folder, settings)
        assert (train_audio_fold("groupk:2", 0, folder, settings) / "model.safetensors").exists()
    assert steps["all", "ravdess"] == steps["all", "urdu"] == steps["pretraining", "urdu"]
    assert steps["pretraining", "ravdess"] == 2 * steps["all", "ravdess"]


def test_the_rule_holds_by_corpus():
    settings = settings_with("pretraining")
    assert settings.vad_min_clip_s("urdu") == settings_with("all").vad_min_clip_s("ravdess") == 0.2
    assert settings.vad_min_clip_s("ravdess") == settings.vad_min_clip_s("custom") == WHOLE_S


def test_a_recording_of_many_hours_is_heard_whole_where_nothing_is_cut():
    waveform = {"sample_rate": 1, "offset_s": 0.0, "samples": np.ones(90_000, np.int16)}
    heard = keep_speech("", "", waveform | {"speech": [{"start_s": 5.0, "end_s": 9.0}]}, WHOLE_S)
    assert len(heard.waveform) == 90_000
