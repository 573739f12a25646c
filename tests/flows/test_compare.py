"""Several encoders on the same folds: one table, embeddings that are kept, names that are refused first."""

import shutil
from pathlib import Path

import pandas as pd
import pytest
import torch
from ruamel.yaml import YAML

from flows import compare
from flows.__main__ import main
from mfer_core.base.errors import MferError
from mfer_core.base.files import read_json
from mfer_core.base.paths import DataPaths
from mfer_core.base.settings.encoders import PretrainVit
from mfer_core.encoders.checkpoint_pointer import Source, parse_source
from mfer_core.encoders.device import one_thread
from mfer_core.encoders.emotion2vec_model import build_model, write_checkpoint
from mfer_core.encoders.vit_start import build_vit, preprocessing_of, save_vit
from mfer_core.evaluation.tables import markdown
from tests.encoders.conftest import NARROW, VIT
from tests.encoders.face_folders import write_face_encoder
from tests.encoders.speech_folders import write_speech_encoder
from tests.prediction.models import narrow_conf
from tests.training.synthetic import EIGHT, small_settings, write_benchmark, write_extracted


def test_a_source_is_read_from_its_name():
    assert parse_source("microsoft/wavlm-large@c1423ed#9") == Source("microsoft/wavlm-large", "c1423ed", 9)
    assert parse_source("data/whisper") == Source("data/whisper")
    assert parse_source("data/whisper#all") == Source("data/whisper", None, "all")
    for wrong in ("", "#3", "a#0", "a#x", "@b"):
        with pytest.raises(MferError, match="names no encoder"):
            parse_source(wrong)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """(data folder, settings, a HuBERT's folder, a CLIP's) with sound and pictures of four speakers and both
    compact encoders.
    """
    data, hubert, clip = (tmp_path_factory.mktemp(name) for name in ("data", "hubert", "clip"))
    fast = {"epochs": 1}
    settings = small_settings(train_audio=fast, train_visual=fast, embed={"device": "cpu"})
    write_speech_encoder("hubert-large", hubert)
    write_face_encoder("clip", clip)
    write_benchmark(data, settings, speakers=4)
    shutil.rmtree(data / "embed")
    write_extracted(data, "ravdess")
    torch.manual_seed(2)
    conf = narrow_conf(NARROW)
    write_checkpoint(build_model(conf, 3), conf, ["angry", "happy"], data / "pretrain_emotion2vec")
    vit = PretrainVit(**VIT)
    save_vit(build_vit(vit), preprocessing_of(vit), data / "pretrain_vit")
    return data, settings, hubert, clip


def test_encoders_stand_in_one_table_and_what_was_embedded_is_kept(project, monkeypatch, capsys):
    data, settings, hubert, _ = project
    monkeypatch.setattr(compare, "DATA", DataPaths(data))
    with one_thread():
        table, pairs = compare.compare_encoders([f"{hubert}#2"], "groupk:2", settings)
        layer = f"{hubert.name}, layer 2"
        read = list(zip(table.frame["encoder"], table.frame["read by"], strict=True))
        default = "pretrain_emotion2vec"
        assert read[:4] == [(default, "probe"), (layer, "probe"), (default, "arm"), (layer, "arm")]
        assert read[4][1] == "SVM" and "p corrected (Holm)" in pairs.frame
        # Two pairs of encoders, read alike, and each probe against the SVM.
        assert len(pairs.frame) == 4
        costs = table.frame["computing, s per s of sound"][:4]
        assert all(float(cost) > 0 for cost in costs)
        files = {path: path.stat().st_mtime_ns for path in (data / "compare").rglob("*.arrow")}
        assert len(files) == 2
        again, _ = compare.compare_encoders([f"{hubert}#2"], "groupk:2", settings)
    assert again.frame.equals(table.frame)
    assert {path: path.stat().st_mtime_ns for path in files} == files
    compare.print_tables([table])
    assert layer in capsys.readouterr().out
    assert (data / "compare" / "tables" / "audio_encoders.csv").exists()
    published = next((data / "compare").glob("hubert*-layer-2-*")) / "pretrain_emotion2vec" / "published.json"
    assert read_json(published)["layer"] == 2 and Path(read_json(published)["checkpoint"]) == hubert


def test_picture_encoders_stand_in_tables_of_their_own(project, tmp_path, monkeypatch, capsys):
    """A CLIP beside the settings' own ViT, each embedded in an augmented view too."""
    data, settings, _, clip = project
    monkeypatch.setattr(compare, "DATA", DataPaths(data))
    tables = DataPaths(data).tables("compare")
    tables.mkdir(parents=True, exist_ok=True)
    (tables / "audio_encoders.csv").write_text("of sound")
    viewed = settings.model_copy(update={"embed": settings.embed.model_copy(update={"views": 1})})
    with one_thread():
        table, pairs = compare.compare_encoders([str(clip)], "groupk:2", viewed, "visual")
        # The command takes over what the function has computed.
        YAML().dump(viewed.model_dump(mode="json", by_alias=True), tmp_path / "params.yaml")
        monkeypatch.chdir(tmp_path)
        words = ["compare", "--modality", "visual", str(clip), str(clip), str(data / "pretrain_vit")]
        assert main([*words, "--protocol", "groupk:2"]) == 0
    said = capsys.readouterr().out
    assert markdown(table.frame) in said and markdown(pairs.frame) in said and str(tables) in said
    assert table.title.startswith("Picture encoders") and "free speech" not in table.notes
    read = list(zip(table.frame["encoder"], table.frame["read by"], strict=True))
    assert read == [(name, by) for by in ("probe", "arm") for name in ("pretrain_vit", clip.name)]
    assert all(float(cost) > 0 for cost in table.frame["computing, s per s of recording"])
    assert list(table.frame["licence"][:2]) == ["this pipeline's own", "not stated"]
    assert len(pairs.frame) == 2
    assert (tables / "audio_encoders.csv").read_text() == "of sound"
    written = pd.read_csv(tables / "visual_encoders.csv")
    assert list(written["encoder"]) == list(table.frame["encoder"])
    # The emotion is a bright column of the pictures, so that whoever reads them is right more often than one
    # in eight, and the figures are those of the predictions that lie beside them.
    predictions = pd.read_parquet(next((data / "compare").glob(f"{clip.name}-*/train_visual/*.parquet")))
    right = predictions[list(EIGHT)].idxmax(axis=1) == predictions["label"]
    assert table.frame["accuracy %, pooled (95 % CI by speaker)"][3].startswith(f"{100 * right.mean():.1f} ")
    assert float(table.frame["accuracy %, pooled (95 % CI by speaker)"][1].split()[0]) > 50


def test_what_cannot_be_compared_is_refused_before_anything_is_computed(project, monkeypatch):
    data, settings, hubert, clip = project
    monkeypatch.setattr(compare, "DATA", DataPaths(data))
    monkeypatch.setattr(compare, "STAGE", "compare_nothing")
    with pytest.raises(MferError, match="no folds of loso"):
        compare.compare_encoders(["a/b"], "loso", settings)
    with pytest.raises(MferError, match="not for emotion recognition"):
        compare.compare_encoders(["facebook/sapiens2-1b"], None, settings)
    refused = {
        "audio": [(clip, "'clip' model: a speech encoder is one of"), (f"{hubert}#4", "has no layer 4")],
        "visual": [
            (hubert, "'hubert' model: a face encoder is one of"),
            (f"{clip}#1", "leave the layer"),
        ],
    }
    for modality, wrong in refused.items():
        for encoder, words in wrong:
            with pytest.raises(MferError, match=words):
                compare.compare_encoders([str(encoder)], None, settings, modality)
    brought = settings.corpora["ravdess"].model_copy(update={"precomputed": {"visual": Path("units.csv")}})
    corpora = settings.corpora | {"ravdess": brought}
    with pytest.raises(MferError, match=r"no visual encoder of the settings.*pretrain_vit"):
        compare.compare_encoders([], None, settings.model_copy(update={"corpora": corpora}), "visual")
    assert not (data / "compare_nothing").exists()
