"""Views of clips that are drawn anew in every epoch: who is augmented, how often, and what stays as it is."""

import filecmp
from importlib import import_module

import numpy as np
import pytest

from mfer_core.base.files import read_json
from mfer_core.base.settings import Finetune
from mfer_core.dataset.clip_encoder import open_modality
from mfer_core.dataset.fold import Fold
from mfer_core.encoders.waveform_augmentation import SPEED_CHANCE
from mfer_core.models.finetuned import TRAINABLE_MODULES
from mfer_core.training.pretrain_audio import pretrain_audio
from tests.training.encoded import copy_of, settings_of, write_encoded
from tests.training.synthetic import train_audio_fold, train_fused_fold, train_visual_fold

FOLD = ("groupk:2", 0)
TRAIN = {"visual": train_visual_fold, "audio": train_audio_fold}
RESULTS = ("model.safetensors", "history.csv", "predictions.parquet")
DRAWN = {"views": "each_epoch"}
MODALITIES = pytest.mark.parametrize("modality", ["visual", "audio"])


@pytest.fixture(scope="module")
def data(tmp_path_factory, vit_folder, emotion2vec_folder):
    return write_encoded(tmp_path_factory.mktemp("data"), vit_folder, emotion2vec_folder)


@pytest.fixture
def fold(data, tmp_path):
    """Train stage 1 or 2b on fold 0 in a folder of its own; returns the fold's folder."""

    def train(modality, name="own", **changes):
        settings = settings_of(**{f"train_{modality}": {"batch_size": 8, **changes}})
        return TRAIN[modality](*FOLD, copy_of(data, tmp_path / name), settings)

    return train


@pytest.fixture
def drawn(monkeypatch):
    """Lists of what is augmented, as (raw input, chance of another speed, result), by modality."""
    calls = {}

    def watched(augment, made):
        def call(raw, rng, speed):
            result = augment(raw, rng, speed)
            made.append((raw, speed, result))
            return result

        return call

    for modality, name in TRAINABLE_MODULES.items():
        module, calls[modality] = import_module(name), []
        monkeypatch.setattr(module, "augment", watched(module.augment, calls[modality]))
    return calls


def different(arrays):
    return len({array.tobytes() for array in arrays})


@MODALITIES
def test_every_training_clip_of_every_epoch_is_another_view_and_no_other_clip_is_changed(
    fold, drawn, modality
):
    folder = fold(modality, epochs=3, **DRAWN)
    facts, raws = read_json(folder / "config.json"), [raw for raw, _, _ in drawn[modality]]
    assert len(raws) == 3 * facts["training_clips"]
    assert different(raws) <= facts["training_clips"]
    views = different(result for _, _, result in drawn[modality])
    assert views > 2 * facts["training_clips"]
    assert {speed for _, speed, _ in drawn[modality]} == {0.0}
    assert "finetuned" not in facts["encoders"][modality]


@MODALITIES
def test_views_that_change_nothing_give_what_the_stored_embeddings_give(fold, monkeypatch, modality):
    stored = fold(modality, "stored")
    module = import_module(TRAINABLE_MODULES[modality])
    monkeypatch.setattr(module, "augment", lambda raw, rng, speed: raw)
    same = fold(modality, "same", **DRAWN)
    for name in RESULTS:
        assert filecmp.cmp(stored / name, same / name, shallow=False)


def test_a_crash_continues_with_the_same_views(fold, crashing):
    whole = fold("audio", "whole", **DRAWN)
    crashing(2)
    with pytest.raises(KeyboardInterrupt):
        fold("audio", "crashed", **DRAWN)
    crashing(None)
    resumed = fold("audio", "crashed", **DRAWN)
    for name in RESULTS:
        assert filecmp.cmp(whole / name, resumed / name, shallow=False)


def test_stage_2a_alone_changes_the_speed_and_stage_3_draws_both_modalities(data, tmp_path, drawn):
    folder = copy_of(data, tmp_path / "chain")
    settings = settings_of(
        pretrain_audio={"epochs": 1, **DRAWN},
        train_audio={"start": "pretrain_audio"},
        train_fused={"trainable": "all", "start": "sum", "epochs": 1, **DRAWN},
    )
    pretrain_audio(folder, settings)
    assert {speed for _, speed, _ in drawn["audio"]} == {SPEED_CHANCE}
    for train in (train_visual_fold, train_audio_fold):
        train(*FOLD, folder, settings)
    assert not drawn["visual"]
    drawn["audio"].clear()
    facts = read_json(train_fused_fold(*FOLD, folder, settings) / "config.json")
    assert len(drawn["audio"]) == len(drawn["visual"]) == facts["training_clips"]


def test_views_that_cannot_be_drawn_are_refused():
    for changes, advice in (
        ({"train_fused": {"trainable": "classifier", **DRAWN}}, "or trainable to all"),
        ({"train_visual": {"normalisation": "speaker", **DRAWN}}, "set views to stored"),
        ({"embed": {"view_speeds": [0.9, 1.1]}, "train_audio": DRAWN}, r"set them to \[\]"),
    ):
        with pytest.raises(ValueError, match=advice):
            settings_of(**changes)


def test_a_clip_in_one_view_is_embedded_as_that_view_alone(data):
    fold = Fold.read(data, "ravdess", *FOLD)
    modality, encoder = open_modality(fold, "audio", "cpu", Finetune(), {}, draws=True)
    clips = encoder.drawn_clips(fold.clips({"audio": modality})["train"])
    clip, clip_id = clips.modalities["audio"][0], clips.clip_ids[0]
    module = import_module(TRAINABLE_MODULES["audio"])
    view = module.augment(encoder.read(clip_id), np.random.default_rng(3), 0.0)
    expected = encoder.encoder.embed([view])[0]
    np.testing.assert_array_equal(clip.read(np.random.default_rng(3)).numpy(), expected)
    np.testing.assert_array_equal(clip.read(None).numpy(), modality.values[clip_id].numpy())
