"""Both compact encoders: they learn what can be learnt, hold people apart, and give the same bytes again."""

import cv2
import numpy as np
import pytest
import torch
from transformers import ViTConfig, ViTForImageClassification

from mfer_core.base.errors import MferError
from mfer_core.base.settings import PretrainEmotion2vec, PretrainVit
from mfer_core.encoders.checkpoint_pointer import Source, name_published, source_of
from mfer_core.encoders.emotion2vec import load_emotion2vec
from mfer_core.encoders.images import Preprocessing
from mfer_core.encoders.vit import load_vit
from mfer_core.encoders.vit_start import LABELS, published_vit, save_vit
from mfer_core.training.pretrain_emotion2vec import pretrain_emotion2vec
from mfer_core.training.pretrain_vit import check_sharpness, pretrain_vit, split_faces
from tests.encoders.conftest import VIT

SPEECH = PretrainEmotion2vec(
    **{"checkpoint": None, "revision": None, "hidden_size": 32, "prenet_layers": 1, "layers": 1, "heads": 4},
    **{"epochs": 6, "batch_size": 8, "learning_rate": 3e-3, "weight_decay": 0.01, "label_smoothing": 0.1},
)


@pytest.fixture
def faces(random):
    """120 faces; happy ones are bright above, sad ones below."""
    labels = ["happy", "sad"] * 60
    tilt = np.where(np.arange(120) % 2, -1, 1)[:, None, None] * np.linspace(60, -60, 48)[None, :, None]
    images = np.clip(128 + tilt + random.normal(0, 20, (120, 48, 48)), 0, 255).astype(np.uint8)
    return images, labels, ["Training"] * 80 + ["PublicTest"] * 20 + ["PrivateTest"] * 20


@pytest.fixture
def speech(random):
    """Six speakers say two vowels, high for happy and low for sad."""
    time = np.arange(8000) / 16000
    rows = [(speaker, label) for speaker in range(6) for label in ("happy", "sad") for _ in range(3)]
    waves = [
        np.sin(2 * np.pi * (900 if label == "happy" else 200) * (1 + speaker / 50) * time)
        for speaker, label in rows
    ]
    waves = [(0.1 * wave + random.normal(0, 0.01, 8000)).astype(np.float32) for wave in waves]
    return waves, [label for _, label in rows], [speaker in (1, 4) for speaker, _ in rows]


@pytest.mark.parametrize(
    ("stem", "blocks", "precision"), [([], 0, "fp32"), ([4, 8, 16], 0, "bf16"), ([4, 8, 16], 1, "fp32")]
)
def test_the_vit_learns_and_the_folder_is_its_checkpoint(
    faces, vit_settings, tmp_path, stem, blocks, precision
):
    changes = {"stem_channels": stem, "stem_blocks": blocks, "epochs": 6, "precision": precision}
    settings = PretrainVit(**(vit_settings.model_dump() | changes))
    metrics = pretrain_vit(*faces, settings, 1, tmp_path)
    encoder = load_vit(str(tmp_path), None, "cpu", "fp32")
    probabilities = encoder.head().probabilities(encoder.embed(list(faces[0][100:])))
    labels = [encoder.labels[number] for number in probabilities.argmax(1)]
    assert metrics["PrivateTest_accuracy"] == pytest.approx(np.mean(np.array(labels) == faces[1][100:]))
    assert metrics["PrivateTest_accuracy"] >= 0.9
    assert (tmp_path / "history.csv").read_text().startswith("epoch,train_loss,public_accuracy")


def test_a_published_vit_is_fine_tuned_with_its_own_preprocessing_and_what_its_classifier_knew(
    faces, tmp_path
):
    names = dict(
        enumerate(["sad", "disgust", "angry", "neutral", "fear", "surprise", "happy"])
    )  # as a published one spells them
    shape = {
        "hidden_size": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 64,
        "image_size": 40,
        "patch_size": 8,
    }
    model = ViTForImageClassification(ViTConfig(**shape, id2label=names))
    save_vit(model, Preprocessing(40, 40, 3, 1 / 255, (0.4,) * 3, (0.3,) * 3), tmp_path / "published")
    settings = PretrainVit(
        **{**VIT, "checkpoint": str(tmp_path / "published"), "finetune": True, "epochs": 4}
    )
    start, _ = published_vit(settings)
    assert [start.config.id2label[number] for number in range(7)] == list(LABELS)
    for row, own in ((LABELS.index("sad"), 0), (LABELS.index("surprised"), 5)):
        assert torch.equal(start.classifier.weight[row], model.classifier.weight[own])
    metrics = pretrain_vit(*faces, settings, 1, tmp_path / "out")
    encoder = load_vit(str(tmp_path / "out"), None, "cpu", "fp32")
    assert metrics["PrivateTest_accuracy"] >= 0.9
    assert (encoder.preprocessing.height, encoder.preprocessing.mean) == (40, (0.4,) * 3)
    assert not torch.equal(
        encoder.model.vit.layers[0].state_dict()["layernorm_before.weight"], torch.ones(32)
    )


def test_the_vit_stops_early(faces, vit_settings, tmp_path):
    settings = PretrainVit(**{**vit_settings.model_dump(), "epochs": 20, "patience": 1})
    assert pretrain_vit(*faces, settings, 1, tmp_path)["epochs"] < 20


def test_training_faces_that_stand_in_a_test_part_are_dropped(faces):
    images, labels, splits = faces
    images[3], images[5] = images[90], images[110]
    parts, dropped = split_faces(images, labels, splits)
    assert dropped == 2
    assert [len(parts[name][1]) for name in ("Training", "PublicTest", "PrivateTest")] == [78, 20, 20]


def test_faces_with_an_unknown_label_or_an_empty_split_are_refused(faces):
    images, labels, splits = faces
    with pytest.raises(MferError, match="'calm'"):
        split_faces(images, ["calm", *labels[1:]], splits)
    with pytest.raises(MferError, match="PublicTest"):
        split_faces(images[:80], labels[:80], splits[:80])


def test_a_corpus_without_private_test_has_no_figure_of_it(faces):
    images, labels, splits = faces
    assert set(split_faces(images[:100], labels[:100], splits[:100])[0]) == {"Training", "PublicTest"}


def test_emotion2vec_learns_and_beats_random_weights(speech, tmp_path):
    metrics = pretrain_emotion2vec(*speech, SPEECH, 1, tmp_path)
    assert metrics["valid_uar_trained"] >= max(0.9, metrics["valid_uar_random_weights"])
    encoder = load_emotion2vec(str(tmp_path), None, "cpu", "fp32")
    assert encoder.labels == ["happy", "sad", "<unk>"]
    assert (tmp_path / "tokens.txt").read_text(encoding="utf-8").splitlines()[0] == "开心/happy"
    assert encoder.embed(speech[0][:2])[0].shape == (24, 32)


def test_pretraining_gives_the_same_bytes_again(faces, speech, vit_settings, tmp_path):
    short = SPEECH.model_copy(update={"epochs": 1})
    for name in ("one", "two"):
        pretrain_vit(*faces, vit_settings, 1, tmp_path / name / "vit")
        pretrain_emotion2vec(*speech, short, 1, tmp_path / name / "speech")
    for path in sorted((tmp_path / "one").rglob("*.*")):
        assert path.read_bytes() == (tmp_path / "two" / path.relative_to(tmp_path / "one")).read_bytes(), (
            path.name
        )


def test_speech_without_anyone_to_hold_out_is_refused(speech, tmp_path):
    waves, labels, _ = speech
    with pytest.raises(MferError, match="three speakers"):
        pretrain_emotion2vec(waves, labels, [False] * len(waves), SPEECH, 1, tmp_path)


def test_training_faces_far_blurrier_than_the_test_faces_are_refused(faces):
    images, _, splits = faces
    check_sharpness(images, splits)
    blurred = images.copy()
    blurred[:80] = [cv2.GaussianBlur(image, (0, 0), 2) for image in images[:80]]
    with pytest.raises(MferError, match="take another copy of the corpus"):
        check_sharpness(blurred, splits)
    sharper = images.copy()
    sharper[80:] = [cv2.GaussianBlur(image, (0, 0), 2) for image in images[80:]]
    check_sharpness(sharper, splits)


def test_what_a_published_encoder_left_is_gone_after_training(faces, vit_settings, tmp_path):
    name_published(tmp_path, Source("somewhere/else"))
    pretrain_vit(*faces, vit_settings, 1, tmp_path)
    assert source_of(tmp_path) == Source(str(tmp_path))
