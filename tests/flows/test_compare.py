"""Several encoders on the same folds: one table, embeddings that are kept, names that are refused first."""

import shutil
from pathlib import Path

import pytest
import torch

from flows import compare
from mfer_core.base.errors import MferError
from mfer_core.base.files import read_json
from mfer_core.base.paths import DataPaths
from mfer_core.encoders.checkpoint_pointer import Source, parse_source
from mfer_core.encoders.device import one_thread
from mfer_core.encoders.emotion2vec_model import build_model, write_checkpoint
from tests.encoders.conftest import NARROW
from tests.encoders.speech_folders import write_speech_encoder
from tests.prediction.models import narrow_conf
from tests.training.synthetic import small_settings, write_benchmark, write_extracted


def test_a_source_is_read_from_its_name():
    assert parse_source("microsoft/wavlm-large@c1423ed#9") == Source("microsoft/wavlm-large", "c1423ed", 9)
    assert parse_source("data/whisper") == Source("data/whisper")
    assert parse_source("data/whisper#all") == Source("data/whisper", None, "all")
    for wrong in ("", "#3", "a#0", "a#x", "@b"):
        with pytest.raises(MferError, match="names no encoder"):
            parse_source(wrong)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """(data folder, settings, a HuBERT's folder) with sound of four speakers and a compact emotion2vec."""
    data, hubert = tmp_path_factory.mktemp("data"), tmp_path_factory.mktemp("hubert")
    settings = small_settings(train_audio={"epochs": 1}, embed={"device": "cpu"})
    write_speech_encoder("hubert-large", hubert)
    write_benchmark(data, settings, speakers=4)
    shutil.rmtree(data / "embed")
    write_extracted(data, "ravdess")
    torch.manual_seed(2)
    conf = narrow_conf(NARROW)
    write_checkpoint(build_model(conf, 3), conf, ["angry", "happy"], data / "pretrain_emotion2vec")
    return data, settings, hubert


def test_encoders_stand_in_one_table_and_what_was_embedded_is_kept(project, monkeypatch, capsys):
    data, settings, hubert = project
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
    assert (data / "compare" / "tables" / "encoders.csv").exists()
    published = next((data / "compare").glob("hubert*-layer-2-*")) / "pretrain_emotion2vec" / "published.json"
    assert read_json(published)["layer"] == 2 and Path(read_json(published)["checkpoint"]) == hubert


def test_what_cannot_be_compared_is_refused_before_anything_is_computed(project, monkeypatch):
    data, settings, _ = project
    monkeypatch.setattr(compare, "DATA", DataPaths(data))
    with pytest.raises(MferError, match="no folds of loso"):
        compare.compare_encoders(["a/b"], "loso", settings)
    with pytest.raises(MferError, match="not for emotion recognition"):
        compare.compare_encoders(["facebook/sapiens2-1b"], None, settings)
