"""An answer before any training: the heads that published encoders bring along, and what is said of them."""

import re
import shutil

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from transformers import ViTForImageClassification
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

from flows.__main__ import main
from flows.profiles import save_settings
from mfer_core.base.errors import MferError
from mfer_core.base.files import read_json
from mfer_core.base.labels import EIGHT
from mfer_core.base.settings import Predict, load_settings
from mfer_core.base.settings.reading import read_yaml
from mfer_core.cache.heads import Head
from mfer_core.media.read import decode_image, keep_speech
from mfer_core.prediction import Predictor
from mfer_core.prediction.published import PublishedHeads
from tests.encoders.conftest import NARROW
from tests.media.conftest import ROOT
from tests.prediction.models import TOKENS, VIT_LABELS, write_published

SEVEN = ["neutral", "happy", "sad", "angry", "fearful", "disgust", "surprised"]


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A fresh project whose published checkpoints lie where a person puts them."""
    folder = tmp_path_factory.mktemp("project")
    shutil.copyfile(ROOT / "params.yaml", folder / "params.yaml")
    chosen, checkpoints = Predict(), folder / "data" / "checkpoints"
    write_published(checkpoints / chosen.image_encoder, checkpoints / chosen.speech_encoder, NARROW)
    return folder


@pytest.fixture
def heads(project, monkeypatch):
    monkeypatch.chdir(project)
    settings = load_settings()
    return Predictor.load_published(settings.predict, settings.extract, "cpu")


def by_name(shares, names):
    """Probabilities of ``SEVEN`` among themselves."""
    picked = np.array([shares[names.index(name)] for name in SEVEN])
    return picked / picked.sum()


def test_each_arm_is_the_published_classifier_and_fused_their_mean(heads, project, recordings, tmp_path):
    """The picture against transformers' own processor and classifier, the sound against FunASR's own
    layers.
    """
    parts = heads.extract(recordings / "short.mp4", tmp_path)
    table = heads.predict([recordings / "short.mp4"]).set_index("arm")[SEVEN]
    folder = project / "data" / "checkpoints" / Predict().image_encoder
    processor, classifier = (
        kind.from_pretrained(folder) for kind in (ViTImageProcessorPil, ViTForImageClassification)
    )
    (frames,), (sound,) = parts.pictures(), parts.sounds()
    images = [Image.fromarray(decode_image(row["image"])).convert("RGB") for row in frames]
    with torch.no_grad():
        seen = classifier(**processor(images, return_tensors="pt")).logits.softmax(1).mean(0).tolist()
        waveform = heads.audio.prepare(keep_speech("", "", sound, 3.0).waveform)[None]
        steps = heads.audio.model.extract_features(waveform, padding_mask=None)["x"]
        heard = heads.audio.model.proj(steps.mean(1)).softmax(1)[0].tolist()
    spelt = ["sad", "disgust", "angry", "neutral", "fearful", "surprised", "happy"]
    visual = by_name(seen, spelt)
    audio = by_name(heard, ["angry", "disgust", "fearful", "happy", "neutral", None, "sad", "surprised"])
    assert visual.max() > 0.25, "a head that says something"
    np.testing.assert_allclose(table.loc["visual"], visual, atol=1e-4)
    np.testing.assert_allclose(table.loc["audio"], audio, atol=1e-4)
    np.testing.assert_allclose(table.loc["fused"], (visual + audio) / 2, atol=1e-4)


def test_windows_and_lone_modalities_are_as_of_a_trained_model(heads, predictor, recordings):
    for name in ("long.mp4", "inner/mute.mp4", "inner/sound & <b>.wav"):
        ours, trained = (one.examine(recordings / name, 2.0, 1.0) for one in (heads, predictor))
        for mine, theirs in ((ours.table, trained.table), (ours.timeline, trained.timeline)):
            same = ["path", "start_s", "end_s", "arm"]
            pd.testing.assert_frame_equal(mine[same], theirs[same])
            assert mine[SEVEN].sum(axis=1).to_numpy() == pytest.approx(1)
    lone = ours.table.set_index("arm")[SEVEN]
    assert list(lone.index) == ["audio", "fused"] and lone.loc["fused"].equals(
        lone.loc["audio"].rename("fused")
    )


def test_a_fresh_project_answers_and_says_whose_answer_it_is(
    project, recordings, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(project)
    out = tmp_path / "out"
    assert main(["predict", str(recordings / "long.mp4"), "--out", str(out), "--window", "2"]) == 0
    said = capsys.readouterr()
    assert "no trained model in data/register/model: published heads answer" in said.err
    predictions = read_json(out / "predictions.json")
    assert predictions["classes"] == SEVEN
    image, speech = predictions["published_heads"]
    assert (image["licence"], speech["licence"]) == ("apache-2.0", "FunASR model licence")
    assert image["labels_seen"] == "fer2013 (the checkpoint's card, test images included)"
    assert speech["labels_seen"].startswith("ravdess, crema_d, shemo, urdu (EmoBox")
    assert (image["left_out"], speech["left_out"]) == ([], ["other", "<unk>"])
    spelt = [token.rsplit("/", 1)[-1] for token in TOKENS]
    assert (image["labels"], speech["labels"]) == (list(VIT_LABELS), spelt)
    page = (out / "report.html").read_text()
    for words in (
        "dima806/facial_emotions_image_detection (revision not pinned; licence: apache-2.0;",
        "the mean of both heads",
        "calm: not known to both",
        "nothing was trained here",
    ):
        assert words in page and words in said.out
    key = dict(re.findall(r'<i class="f(\d)"></i>(\w+)', page))
    assert {EIGHT[int(colour)]: name for colour, name in key.items()} == {name: name for name in SEVEN}, (
        "an emotion has one colour, whichever of them a model knows"
    )


def test_another_encoder_is_named_on_the_command_line_and_is_another_result(
    project, recordings, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(project)
    named = project / "data" / "checkpoints" / Predict().image_encoder
    arguments = ["predict", str(recordings / "short.mp4"), "--out", str(tmp_path), "--image-encoder"]
    assert main([*arguments, str(named)]) == 0
    assert read_json(tmp_path / "predictions.json")["published_heads"][0]["checkpoint"] == named.name
    assert main([*arguments, "nobody/nothing", "--model", "published"]) == 1
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error")]
    assert "data/checkpoints/nobody/nothing" in line and "preprocessor_config.json" in line
    assert main([*arguments, str(named), "--model", "data/register/model"]) == 1
    assert "name others only with --model published" in capsys.readouterr().err


def test_the_heads_answer_in_the_classes_that_the_project_declares(
    heads, project, recordings, tmp_path, monkeypatch, capsys
):
    """CREMA-D's six: the same answers as in seven, without what was left out, and in the project's order."""
    own = shutil.copytree(project, tmp_path / "own")
    values = read_yaml(own / "params.yaml", keep_layout=True)
    six = ["angry", "disgust", "fearful", "happy", "neutral", "sad"]
    values["labels"] |= {"classes": six, "mapping": {"calm": "neutral", "surprised": None}}
    save_settings(values, own / "params.yaml")
    recording = recordings / "short.mp4"
    seven = heads.predict([recording]).set_index("arm")[SEVEN]
    monkeypatch.chdir(own)
    assert main(["predict", str(recording), "--out", str(tmp_path / "out"), "--model", "published"]) == 0
    told = capsys.readouterr().out
    predictions = read_json(tmp_path / "out" / "predictions.json")
    assert predictions["classes"] == six and "not known to both" not in told
    image, speech = predictions["published_heads"]
    assert (image["left_out"], speech["left_out"]) == (["surprise"], ["other", "surprised", "<unk>"])
    assert "left out: surprise" in told
    table = pd.read_parquet(tmp_path / "out" / "predictions.parquet").set_index("arm")
    assert not {"surprised", "calm"} & set(table.columns)
    among = seven.loc[["visual", "audio"], six]
    among = among.div(among.sum(axis=1), axis=0)
    np.testing.assert_allclose(table.loc[["visual", "audio"], six], among, atol=1e-6)
    np.testing.assert_allclose(table.loc["fused", six].astype(float), among.mean(), atol=1e-6)


def test_a_temperature_makes_a_head_less_sure_and_is_another_model(heads, recordings):
    settings = load_settings()
    softened = settings.predict.model_copy(update={"speech_temperature": 4.0})
    other = Predictor.load_published(softened, settings.extract, "cpu")
    assert other.identity != heads.identity
    sure, unsure = (
        one.predict([recordings / "short.mp4"]).set_index("arm").loc["audio", SEVEN].max()
        for one in (heads, other)
    )
    assert 1 / 7 < unsure < sure
    assert any("temperature 4" in line for line in other.about)


def test_heads_that_share_no_two_classes_are_refused():
    def head(*labels):
        return Head(np.zeros((len(labels), 4)), np.zeros(len(labels)), list(labels))

    shared = PublishedHeads(
        {"visual": head("fear", "joy", "calm"), "audio": head("happiness", "x", "afraid")}, {}
    )
    assert shared.classes == ("happy", "fearful") and shared.left_out("audio") == ["x"]
    assert "calm" in shared.lacking
    with pytest.raises(MferError, match=r"share 1 emotions.*visual: fear, joy.*classes: neutral, calm"):
        PublishedHeads({"visual": head("fear", "joy"), "audio": head("happy", "sad")}, {})


def test_a_class_of_the_projects_own_is_matched_by_its_name_and_no_alias_takes_it():
    def head(*labels):
        return Head(np.eye(len(labels)), np.zeros(len(labels)), list(labels))

    declared = ("calm", "awe", "relaxed", "sad")
    labels = {"visual": head("Awe", "relaxed", "sadness", "happy"), "audio": head("sad", "awe", "calm")}
    heads = PublishedHeads(labels, {"visual": 1.0, "audio": 1.0}, declared)
    assert heads.classes == ("awe", "sad") and heads.lacking == ["calm", "relaxed"]
    assert heads.left_out("visual") == ["relaxed", "happy"]
    (shares,) = heads.shares("visual", [np.log([[0.2, 0.5, 0.1, 0.2]])], 1.0)
    np.testing.assert_allclose(shares, [2 / 3, 1 / 3])
