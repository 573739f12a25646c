"""A Whisper in place of emotion2vec, by one setting: embedded, trained with its last block, registered, and
asked about a recording.
"""

import shutil

import pytest

from flows import stages
from mfer_core.base.files import read_json, write_json
from mfer_core.base.paths import DataPaths
from mfer_core.base.settings import load_settings
from mfer_core.cache.embeddings import open_embeddings
from mfer_core.encoders.checkpoint_pointer import Source, name_published
from mfer_core.encoders.device import one_thread
from mfer_core.prediction import Predictor
from mfer_core.training.final import train_final
from mfer_core.training.stages import STAGES
from tasks import pretrain
from tasks.embed import embed_clips
from tasks.register import assemble_model
from tests.encoders.speech_folders import write_speech_encoder
from tests.media.recordings import face_picture, tone, write_clip
from tests.tasks.tracking.test_model_card import METRICS
from tests.training.conftest import vit_folder, vit_settings  # noqa: F401 (fixtures)
from tests.training.synthetic import ROOT, small_settings, train_all, write_benchmark, write_extracted

LAYER = 2
ABSENT = ("crema_d", "shemo", "sdc", "urdu", "custom")


@pytest.fixture(scope="module")
def done(tmp_path_factory, vit_folder):
    """(data folder, settings) after every stage from embed to register."""
    data, whisper = tmp_path_factory.mktemp("data"), tmp_path_factory.mktemp("whisper")
    write_speech_encoder("whisper", whisper, window_s=2)
    corpora = load_settings(ROOT / "params.yaml").model_dump(by_alias=True)["corpora"]
    settings = small_settings(
        corpora=corpora | {name: corpora[name] | {"source": "absent"} for name in ABSENT},
        folds={"protocols": ["groupk:2"]},
        pretrain_emotion2vec={"checkpoint": str(whisper), "layer": LAYER},
        train_visual={"epochs": 1},
        train_audio={"start": "scratch", "epochs": 1, "finetune": {"blocks": 1, "learning_rate": 1e-3}},
        embed={"device": "cpu"},
    )
    with one_thread():
        write_benchmark(data, settings, speakers=4)
        shutil.rmtree(data / "embed")
        write_extracted(data, "ravdess")
        shutil.copytree(vit_folder, data / "pretrain_vit")
        name_published(data / "pretrain_emotion2vec", Source(str(whisper), None, LAYER))
        for modality in ("visual", "audio"):
            assert embed_clips.fn("ravdess", modality, data, settings) == 64
        train_all(data, settings)
        for stage in STAGES:
            train_final(stage, data, settings)
        write_json(DataPaths(data).metrics("evaluate"), METRICS)  # the figures of some model
        shutil.copy(data / "train_fused" / "predictions.parquet", DataPaths(data).predictions("evaluate"))
        assemble_model.fn(DataPaths(data), settings)
    return data, settings


def test_the_embeddings_name_the_encoder_its_layer_and_its_frame_rate(done):
    data, _ = done
    embeddings = open_embeddings(data / "embed" / "audio" / "ravdess")
    about = embeddings.metadata
    assert about["name"].endswith(", layer 2") and about["family"] == "whisper"
    assert (about["layer"], about["frames_per_s"], embeddings.dim) == (2, 50, 32)
    assert {len(values) for values in embeddings.values()} == {25}, "half a second each"


def test_a_recording_is_judged_by_the_model_with_the_block_that_learned(done, tmp_path):
    data, _ = done
    config = read_json(data / "register" / "model" / "fused" / "config.json")
    assert config["encoders"]["audio"]["finetuned"]
    assert "layer 2" in (data / "register" / "model" / "README.md").read_text()
    moving = [face_picture((80 + 2 * step, 90, 100 + step)) for step in range(10)]
    write_clip(tmp_path / "clip.mp4", moving, range(0, 5000, 500), tone(5.0))
    with one_thread():
        predictor = Predictor.load(data / "register" / "model", "cpu")
        table = predictor.predict([tmp_path / "clip.mp4"])
    assert set(table.arm) == {"visual", "audio", "fused"}
    assert len(predictor.audio.stack()) == LAYER, "the blocks above are not computed"


def test_the_stage_writes_the_settings_down_for_the_encoders_readers(done, tmp_path, monkeypatch):
    _, settings = done
    monkeypatch.setattr(stages, "load_settings", lambda: settings)
    monkeypatch.setattr(stages, "DATA", DataPaths(tmp_path))
    monkeypatch.setattr(pretrain, "name_checkpoint", pretrain.name_checkpoint.fn)
    monkeypatch.setattr(pretrain, "publish_metrics", lambda *figures: None)
    stages.pretrain_emotion2vec.fn()
    section = settings.pretrain_emotion2vec
    assert read_json(tmp_path / "pretrain_emotion2vec" / "published.json") == {
        "checkpoint": section.checkpoint,
        "revision": None,
        "layer": LAYER,
        "hash": None,
    }
