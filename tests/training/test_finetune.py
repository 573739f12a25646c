"""Encoders trained with their arms: what learns, what is kept, and who must use it afterwards."""

import filecmp
import re
from importlib import import_module

import numpy as np
import pytest
import torch

from mfer_core.base.errors import MferError
from mfer_core.base.files import read_json, read_table
from mfer_core.base.settings import Finetune
from mfer_core.cache.embeddings import open_embeddings
from mfer_core.dataset.fold import Fold
from mfer_core.dataset.modality import load_modality
from mfer_core.encoders.emotion2vec import load_emotion2vec
from mfer_core.encoders.faces import load_faces
from mfer_core.evaluation.target_features import features
from mfer_core.evaluation.transfer_fold import load_models
from mfer_core.media.extracted import open_extracted
from mfer_core.models.finetuned import TRAINABLE_MODULES, put_blocks
from mfer_core.models.store import load_trained
from mfer_core.prediction.model_settings import ModelSettings
from mfer_core.prediction.predictor import Predictor
from mfer_core.training import loop
from mfer_core.training.pretrain_audio import pretrain_audio
from tests.training.encoded import ENCODER, LOAD, copy_of, settings_of, write_encoded
from tests.training.synthetic import EIGHT, train_audio_fold, train_fused_fold, train_visual_fold

FOLD = ("groupk:2", 0)
LEARN = {"blocks": 1, "learning_rate": 1e-3}
LAST = {"visual": "vit.layers.1.", "audio": "blocks.1."}  # of the compact encoders
TRAIN = {"visual": train_visual_fold, "audio": train_audio_fold}


@pytest.fixture(scope="module")
def data(tmp_path_factory, vit_folder, emotion2vec_folder):
    return write_encoded(tmp_path_factory.mktemp("data"), vit_folder, emotion2vec_folder)


@pytest.fixture
def fold(data, tmp_path):
    """Train stage 1 or 2b on fold 0 in a folder of its own; returns the fold's folder."""

    def train(modality, finetune, name="own", **changes):
        settings = settings_of(**{f"train_{modality}": {"finetune": LEARN | finetune, **changes}})
        return TRAIN[modality](*FOLD, copy_of(data, tmp_path / name), settings)

    return train


@pytest.fixture(scope="module")
def chain(data, tmp_path_factory):
    """All stages: 2a and 1 train their encoders, 2b keeps the one of 2a, 3 goes on with the speech encoder
    alone.
    """
    folder = copy_of(data, tmp_path_factory.mktemp("chain"))
    learn = {"finetune": LEARN}
    fused = {"trainable": "all", "start": "sum", "finetune_audio": LEARN, "epochs": 2}
    settings = settings_of(
        train_visual=learn,
        pretrain_audio={"epochs": 2, **learn},
        train_audio={"start": "pretrain_audio"},
        train_fused=fused,
    )
    stages = {"2a": pretrain_audio(folder, settings)}
    for name, train in (
        ("visual", train_visual_fold),
        ("audio", train_audio_fold),
        ("fused", train_fused_fold),
    ):
        stages[name] = train(*FOLD, folder, settings)
    return folder, settings, stages


def base_weights(data, modality):
    return dict(LOAD[modality](str(data / ENCODER[modality]), None, "cpu", "fp32").model.named_parameters())


def raw_clips(data, modality):
    extracted = open_extracted(data / "extract" / "ravdess")
    if modality == "visual":
        return {clip: list(extracted.frames(clip).images) for clip in extracted.keys("visual")}
    return {clip.clip_id: [clip.waveform] for clip in extracted.all_speech(3.0)}


def embeddings(encoder, modality, raw):
    values = encoder.embed(raw)
    return torch.from_numpy(values if modality == "visual" else values[0])


@pytest.mark.parametrize("modality", ["visual", "audio"])
def test_one_block_learns_and_nothing_else_and_the_loss_falls(fold, data, modality):
    folder = fold(modality, {"augment": False}, epochs=6)
    base, blocks = base_weights(data, modality), load_trained(folder)[2][modality]
    assert set(blocks) == {name for name in base if name.startswith(LAST[modality])}
    assert all(not torch.equal(value, base[name]) for name, value in blocks.items())
    loss = [float(row.split(",")[1]) for row in (folder / "history.csv").read_text().splitlines()[1:]]
    assert loss[-1] < loss[0] - 0.1


@pytest.mark.parametrize(
    ("modality", "fixed"), [("visual", "^classifier|patch_embeddings"), ("audio", "^proj|local_encoder")]
)
def test_all_blocks_learn_but_the_convolutional_front_end_and_a_saved_fold_predicts_what_its_table_says(
    fold, data, modality, fixed
):
    folder = fold(modality, {"blocks": -1}, epochs=1)
    model, config, blocks = load_trained(folder)
    base = base_weights(data, modality)
    assert set(base) - set(blocks[modality]) == {name for name in base if re.search(fixed, name)}
    encoder = LOAD[modality](str(data / ENCODER[modality]), None, "cpu", "fp32")
    put_blocks(encoder, blocks[modality], config["encoders"][modality])
    expected, raw = read_table(folder / "predictions.parquet").set_index("clip_id"), raw_clips(data, modality)
    for clip_id in expected.index:
        steps = embeddings(encoder, modality, raw[clip_id])
        with torch.no_grad():
            probabilities = model(steps[None], torch.tensor([len(steps)])).softmax(1)[0]
        np.testing.assert_allclose(
            probabilities, expected.loc[clip_id, list(EIGHT)].to_numpy(float), atol=1e-5
        )


def test_a_crash_continues_to_the_identical_result_and_checkpointing_changes_nothing(fold, crashing):
    whole = fold("audio", {"blocks": 2}, "whole")
    crashing(2)
    with pytest.raises(KeyboardInterrupt):
        fold("audio", {"blocks": 2}, "crashed")
    resumed = fold("audio", {"blocks": 2}, "crashed")
    recomputed = fold("audio", {"blocks": 2, "checkpointing": True}, "recomputed")
    for name in ("model.safetensors", "history.csv", "predictions.parquet"):
        assert filecmp.cmp(whole / name, resumed / name, shallow=False)
        assert filecmp.cmp(whole / name, recomputed / name, shallow=False)


@pytest.mark.parametrize("blocks", [1, -1])
@pytest.mark.parametrize(
    ("modality", "lengths", "steps"),
    [("audio", [8000, 399, 12000], [24, 1, 37]), ("visual", [2, 1, 4], [2, 1, 4])],
)
def test_a_clips_embeddings_do_not_depend_on_its_batch_mates(data, modality, lengths, steps, blocks):
    rng = np.random.default_rng(0)
    encoder = LOAD[modality](str(data / ENCODER[modality]), None, "cpu", "fp32")
    learning = import_module(TRAINABLE_MODULES[modality]).Trainable(encoder, Finetune(blocks=blocks))
    if modality == "audio":
        raw = [rng.normal(0, 0.1, length).astype(np.float32) for length in lengths]
    else:
        raw = [rng.integers(0, 255, (length, 40, 40), dtype=np.uint8) for length in lengths]
    clips = [learning.prepare(clip, None) for clip in raw]
    values = torch.nn.utils.rnn.pad_sequence([*clips, torch.zeros_like(clips[0][:1])], batch_first=True)
    together, counts = learning(values, torch.tensor([*lengths, 0]))
    assert counts.tolist() == [*steps, 0]
    for row, clip, count in zip(together, clips, counts, strict=False):
        alone, _ = learning(clip[None], torch.tensor([len(clip)]))
        assert (row[:count] - alone[0]).abs().max() < 1e-4


@pytest.mark.parametrize("modality", ["visual", "audio"])
def test_bf16_trains_too(fold, modality):
    history = (fold(modality, {}, precision="bf16", epochs=1) / "history.csv").read_text().splitlines()
    assert float(history[-1].split(",")[1]) < 3


def test_a_folds_number_picks_its_device_for_arm_and_encoder_and_is_no_part_of_its_key(
    data, tmp_path, monkeypatch
):
    settings = settings_of(train_visual={"finetune": LEARN, "epochs": 1, "device": "auto"})
    asked_for, opened, load = [], [], load_faces

    def choose(name, fold):
        asked_for.append((name, fold))
        return torch.device("cpu", fold)

    monkeypatch.setattr(loop, "choose_device", choose)
    monkeypatch.setattr(
        "mfer_core.models.trainable_faces.load",
        lambda source, device, precision: opened.append(device) or load(source, "cpu", precision),
    )
    folder = train_visual_fold(FOLD[0], 1, copy_of(data, tmp_path), settings)
    assert {*asked_for} == {("auto", 1)} and len(asked_for) == 2 and opened == ["cpu:1"]
    monkeypatch.setattr(loop, "choose_device", None)  # a fold that is done asks for none
    assert train_visual_fold(FOLD[0], 1, tmp_path, settings) == folder


def test_stages_hand_their_encoders_on(chain):
    _, _, stages = chain
    kept = {name: load_trained(folder)[2] for name, folder in stages.items()}
    assert all(
        torch.equal(kept["audio"]["audio"][name], value) for name, value in kept["2a"]["audio"].items()
    )
    assert all(
        torch.equal(kept["fused"]["visual"][name], value) for name, value in kept["visual"]["visual"].items()
    )
    assert all(
        not torch.equal(kept["fused"]["audio"][name], value) for name, value in kept["audio"]["audio"].items()
    )


def test_transfer_sees_clips_as_each_arms_own_encoder_does(chain):
    folder, _, stages = chain
    modalities = {name: load_modality(folder, name, ["ravdess"]) for name in ENCODER}
    clips = Fold.read(folder, "ravdess", *FOLD).clips(modalities)["test"]
    models = load_models(folder, (FOLD[0], 42, FOLD[1]), ["visual", "audio", "fused"], ["ravdess"])
    for arm in models.by_arm:
        expected = (
            read_table(stages[arm] / "predictions.parquet")
            .set_index("clip_id")
            .loc[list(clips.clip_ids), list(EIGHT)]
        )
        np.testing.assert_allclose(
            features(models, arm, clips, "none").logits().softmax(1), expected, atol=1e-5
        )


def test_the_predictor_uses_the_trained_encoders(chain, data, tmp_path):
    _, settings, stages = chain
    for name, stage in ENCODER.items():
        (tmp_path / name).symlink_to(data / stage)
    (tmp_path / "fused").symlink_to(stages["fused"])
    ModelSettings(extract=settings.extract, synthetic=True).write(tmp_path)
    predictor = Predictor.load(tmp_path, "cpu")
    frames, waveforms = raw_clips(data, "visual"), raw_clips(data, "audio")
    expected = read_table(stages["fused"] / "predictions.parquet").set_index("clip_id")
    parts = [
        (
            embeddings(predictor.visual, "visual", frames[clip]),
            embeddings(predictor.audio, "audio", waveforms[clip]),
        )
        for clip in expected.index
    ]
    probabilities = torch.stack([arms["fused"] for arms in predictor.decide(parts)])
    np.testing.assert_allclose(probabilities, expected[list(EIGHT)], atol=1e-5)


def test_the_cached_embeddings_are_never_taken_for_the_folds_own(chain, data):
    folder, _, stages = chain
    config = read_json(stages["audio"] / "config.json")["encoders"]["audio"]
    assert (
        config["finetuned"]
        and config["hash"] == open_embeddings(folder / "embed" / "audio" / "ravdess").metadata["hash"]
    )
    encoder = load_emotion2vec(str(data / "pretrain_emotion2vec"), None, "cpu", "fp32")
    with pytest.raises(MferError, match="put that one in its place"):
        put_blocks(encoder, load_trained(stages["audio"])[2]["audio"], config | {"hash": "other"})


def test_what_cannot_learn_is_refused(fold):
    with pytest.raises(MferError, match="has 3 blocks"):
        fold("audio", {"blocks": 4})
    with pytest.raises(ValueError, match="set trainable to all"):
        settings_of(train_fused={"trainable": "classifier", "finetune_visual": LEARN})
