"""Published speech encoders of transformers: their own forward, clip by clip, whatever the batch."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoFeatureExtractor, AutoModel, WhisperConfig, WhisperForAudioClassification

from mfer_core.base.errors import MferError
from mfer_core.encoders import windows
from mfer_core.encoders.checkpoint_pointer import Source
from mfer_core.encoders.emotion2vec import Emotion2vecEncoder
from mfer_core.encoders.speech import load_speech
from tests.encoders.conftest import gib
from tests.encoders.speech_folders import FAMILIES, write_speech_encoder

TOLERANCE = 1e-4  # max abs difference in fp32 to the published forward
REAL = Path(__file__).resolve().parents[3] / "shared" / "real" / "encoders" / "whisper-tiny-en-encoder"


@pytest.fixture(scope="session")
def folders(tmp_path_factory):
    return {name: write_speech_encoder(name, tmp_path_factory.mktemp(name)) for name in FAMILIES}


@pytest.fixture
def clips(random):
    """0.5 to 1.6 s, two of one length, one with an odd number of spectra."""
    lengths = (25600, 8000, 16160, 16001, 16001)
    return [random.normal(0, 0.1, length).astype(np.float32) for length in lengths]


def load(folder, layer=None, precision="fp32"):
    return load_speech(Source(str(folder), None, layer), "cpu", precision)


def published(folder, clips, layer=None):
    """[T, D] by the checkpoint's own feature extractor and model, of each clip alone."""
    extractor = AutoFeatureExtractor.from_pretrained(folder)
    model = AutoModel.from_pretrained(folder).eval()
    model = model.encoder if model.config.model_type == "whisper" else model
    frames = []
    for clip in clips:
        given = extractor(clip, sampling_rate=16000, return_tensors="pt")
        with torch.no_grad():
            output = model(**given, output_hidden_states=True)
        values = output.last_hidden_state if layer is None else output.hidden_states[layer]
        frames.append(values[0].numpy())
    return frames


def frame_count(family, samples):
    """Frames of a clip: centred within it (Whisper), of whole pairs of spectra, or of whole fields of 400."""
    spectra = (samples - 400) // 160 + 1
    whole = (samples - 400) // 320 + 1
    return {"whisper": -(-samples // 320), "w2v-bert": spectra // 2}.get(family, whole)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("layer", [None, 2])
def test_equals_the_published_forward_of_each_clip_alone_in_any_batch(folders, clips, family, layer):
    encoder = load(folders[family], layer)
    expected = published(folders[family], clips, layer)
    for count in (2, 5):
        budget = gib(count * encoder.clip_bytes(len(encoder.prepare(clips[0]))))
        for frames, whole, clip in zip(encoder.embed(clips, budget), expected, clips, strict=True):
            assert len(frames) == frame_count(family, len(clip))
            # What is left out: Whisper's frames of the silence behind a clip, w2v-BERT's of padding.
            assert family in ("whisper", "w2v-bert") or len(frames) == len(whole)
            np.testing.assert_allclose(frames, whole[: len(frames)], atol=TOLERANCE)
    assert encoder.metadata["frames_per_s"] == 50 and encoder.dim == 32
    assert encoder.metadata["name"].endswith(", layer 2") == (layer == 2)


@pytest.mark.parametrize("family", FAMILIES)
def test_all_layers_are_the_published_hidden_states_one_after_the_other(folders, clips, family):
    encoder = load(folders[family], "all")
    layers = [published(folders[family], clips, layer) for layer in range(4)]
    expected = [np.concatenate(of_clip, 1) for of_clip in zip(*layers, strict=True)]
    for frames, whole in zip(encoder.embed(clips), expected, strict=True):
        np.testing.assert_allclose(frames, whole[: len(frames)], atol=TOLERANCE)
    assert encoder.dim == 4 * 32 and encoder.metadata["mixed_layers"] == 4
    assert encoder.metadata["name"].endswith(", all layers")
    assert encoder.metadata["hash"] != load(folders[family]).metadata["hash"]


def test_padding_would_leak_where_batches_are_kept_to_one_length(folders, clips):
    for family in ("wav2vec2-base", "data2vec"):
        encoder = load(folders[family])
        alone = encoder.embed(clips[1:2])[0]
        encoder.inputs.pads = True
        assert np.abs(encoder.embed(clips)[1] - alone).max() > 100 * TOLERANCE


@pytest.mark.parametrize("family", FAMILIES)
def test_clips_too_short_for_a_frame_have_one_and_centres_are_where_the_frames_are(folders, family):
    encoder = load(folders[family])
    assert encoder.embed([np.full(300, 0.1, np.float32)])[0].shape == (1, 32)
    first = {"whisper": 0, "w2v-bert": 280}.get(family, 200)
    assert encoder.centres(3).tolist() == [first, first + 320, first + 640]


@pytest.mark.parametrize("family", ["hubert-large", "wavlm-large", "w2v-bert"])
def test_long_recordings_keep_their_frames_on_the_same_grid(folders, random, monkeypatch, family):
    encoder = load(folders[family])
    waveform = random.normal(0, 0.1, 16000 * 9 + 77).astype(np.float32)
    whole = encoder.embed([waveform])[0]
    monkeypatch.setattr(windows, "WINDOW_S", 6.0)
    monkeypatch.setattr(windows, "CONTEXT_S", 2.0)
    cut = encoder.embed([waveform])[0]
    assert cut.shape == whole.shape
    cosine = (cut * whole).sum(1) / np.linalg.norm(cut, axis=1) / np.linalg.norm(whole, axis=1)
    assert cosine.min() > 0.99


def test_whisper_reads_windows_of_30_s(folders, random):
    encoder = load(folders["whisper"])
    waveform = random.normal(0, 0.1, 16000 * 35 + 1).astype(np.float32)
    frames, window = encoder.embed([waveform])[0], encoder.embed([waveform[: 26 * 16000]])[0]
    assert frames.shape == (1751, 32) and encoder.embed([waveform[: 30 * 16000]])[0].shape == (1500, 32)
    # The first window lends 4 s of its 26 s to the second.
    np.testing.assert_allclose(frames[: 22 * 50], window[: 22 * 50], atol=TOLERANCE)
    assert np.abs(frames[22 * 50 : 26 * 50] - window[22 * 50 :]).max() > 100 * TOLERANCE
    with pytest.raises(MferError, match=r"finetune\.crop_s"):
        encoder.frames([encoder.prepare(waveform)])


@pytest.mark.parametrize("precision", ["bf16", "int8"])
@pytest.mark.parametrize("family", FAMILIES)
def test_less_precision_stays_close_to_fp32_even_in_32_dimensions(folders, clips, family, precision):
    exact, near = (
        load(folders[family]).embed(clips[1:3]),
        load(folders[family], None, precision).embed(clips[1:3]),
    )
    for one, other in zip(exact, near, strict=True):
        assert (one * other).sum() / np.linalg.norm(one) / np.linalg.norm(other) > 0.99


@pytest.mark.parametrize("family", FAMILIES)
def test_the_last_block_that_is_read_can_learn_and_no_clip_sees_another(folders, clips, family):
    encoder = load(folders[family], 2)
    assert len(encoder.stack()) == 2 and encoder.rest()
    frames = encoder.frames([encoder.prepare(clip) for clip in clips])
    for learning, alone in zip(frames, clips, strict=True):
        np.testing.assert_allclose(learning.detach(), encoder.embed([alone])[0], atol=TOLERANCE)
    torch.cat(frames).square().sum().backward()
    assert all(part.grad is not None for part in encoder.stack()[-1].parameters())


def test_a_whisper_encoder_in_the_layout_of_a_classifier_has_its_own_weights(folders, clips, tmp_path):
    config = WhisperConfig.from_pretrained(folders["whisper"])
    classifier = WhisperForAudioClassification(config).eval()
    state = load_file(folders["whisper"] / "model.safetensors")
    names = {name: value for name, value in state.items() if name.startswith("model.encoder.")}
    classifier.load_state_dict({n.removeprefix("model."): v for n, v in names.items()}, strict=False)
    classifier.save_pretrained(tmp_path)
    shutil.copy(folders["whisper"] / "preprocessor_config.json", tmp_path)
    (frames,) = load(tmp_path).embed(clips[:1])
    np.testing.assert_allclose(frames, load(folders["whisper"]).embed(clips[:1])[0], atol=1e-6)


@pytest.mark.skipif(not REAL.exists(), reason="the real Whisper encoder is not here")
def test_the_real_whisper_encoder_equals_transformers(clips):
    extractor = AutoFeatureExtractor.from_pretrained(REAL)
    model = WhisperForAudioClassification.from_pretrained(REAL, dtype=torch.float32).eval()
    given = extractor(clips[0], sampling_rate=16000, return_tensors="pt").input_features
    with torch.no_grad():
        expected = model.encoder(given, output_hidden_states=True)
    for layer, values in ((None, expected.last_hidden_state), (2, expected.hidden_states[2])):
        np.testing.assert_allclose(load(REAL, layer).embed(clips[:1])[0], values[0, :80], atol=TOLERANCE)


def changed(folder, target, change):
    """A copy of ``folder`` whose tensors ``change`` has changed."""
    shutil.copytree(folder, target)
    state = load_file(target / "model.safetensors")
    change(state)
    save_file(state, target / "model.safetensors", {"format": "pt"})
    return target


def rename_config(folder, target, name, **values):
    shutil.copytree(folder, target)
    config = json.loads((target / name).read_text())
    (target / name).write_text(json.dumps(config | values))
    return target


def test_weights_that_are_missing_or_of_another_model_are_refused(folders, tmp_path):
    whisper = folders["whisper"]
    lacking = changed(whisper, tmp_path / "a", lambda state: state.pop("model.encoder.layers.1.fc1.weight"))
    with pytest.raises(MferError, match=r"lack layers\.1\.fc1\.weight"):
        load(lacking)
    fewer = {"num_hidden_layers": 2}
    with pytest.raises(MferError, match=r"hold .*layers\.2\..* does not describe"):
        load(rename_config(folders["hubert-large"], tmp_path / "b", "config.json", **fewer))
    with pytest.raises(MferError, match=r"hold .*layers\.2\..* does not describe"):
        load(rename_config(whisper, tmp_path / "c", "config.json", encoder_layers=2))
    broken = shutil.copytree(whisper, tmp_path / "d")
    (broken / "model.safetensors").write_bytes(b"nothing")
    with pytest.raises(MferError, match="cannot load the whisper model"):
        load(broken)


def test_what_is_no_speech_encoder_is_refused_in_a_line(folders, vit_folder, emotion2vec_folder, tmp_path):
    with pytest.raises(MferError, match="'vit' model: a speech encoder is one of wav2vec2"):
        load(vit_folder)
    with pytest.raises(MferError, match="neither config"):
        load(tmp_path)
    whisper = folders["whisper"]
    with pytest.raises(MferError, match="8000 Hz"):
        load(rename_config(whisper, tmp_path / "a", "preprocessor_config.json", sampling_rate=8000))
    without = shutil.copytree(whisper, tmp_path / "b", ignore=shutil.ignore_patterns("preprocessor*"))
    with pytest.raises(MferError, match="no feature extractor"):
        load(without)
    with pytest.raises(MferError, match="has no layer 4: choose 1 to 3"):
        load(whisper, 4)
    with pytest.raises(MferError, match="last frames only"):
        load(emotion2vec_folder, 1)


def test_the_files_decide_which_encoder_it_is_not_the_name(emotion2vec_folder, tmp_path):
    folder = shutil.copytree(emotion2vec_folder, tmp_path / "whisper-large")
    assert isinstance(load(folder), Emotion2vecEncoder)
