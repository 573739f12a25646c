"""The cross-corpus matrix below which an encoder learned from all corpora but the one that is left out."""

import shutil

import pytest

from mfer_core.base.files import read_json
from mfer_core.encoders.emotion2vec import load_emotion2vec
from mfer_core.evaluation.pretraining import WITHOUT, pretraining_tables
from mfer_core.training import pretrain_emotion2vec
from mfer_core.training.pretrain_audio import pretrain_audio
from tasks.embed import embed_clips
from tasks.pretrain import train_emotion2vec
from tests.training.synthetic import small_settings, write_extracted, write_pretraining

CORPORA = ["sdc", "shemo", "urdu"]
SAID = "its labels seen by the encoder"


def settings_with(leave_one_out):
    encoder = {"hidden_size": 16, "heads": 2, "layers": 1, "epochs": 1, "leave_one_out": leave_one_out}
    return small_settings(
        roles={"pretraining": CORPORA},
        pretrain_emotion2vec=encoder,
        pretrain_audio={"epochs": 1, "cross_corpus_epochs": 1},
        evaluate={"baseline": False},
    )


def train_encoders(data, settings):
    options = (settings.extract, settings.pretrain_emotion2vec, settings.seed, data / "pretrain_emotion2vec")
    return train_emotion2vec.fn(CORPORA, data, *options)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder, settings = tmp_path_factory.mktemp("data"), settings_with(leave_one_out=True)
    write_pretraining(folder, settings, speakers=4, repeats=1)
    for number, corpus in enumerate(CORPORA):
        write_extracted(folder, corpus, higher=7 * number)
    train_encoders(folder, settings)
    shutil.rmtree(folder / "embed")
    for corpus in CORPORA:
        embed_clips.fn(corpus, "audio", folder, settings)
    pretrain_audio(folder, settings)
    return folder


def hash_of(folder):
    return load_emotion2vec(str(folder), None, "cpu", "fp32").metadata["hash"]


def test_every_row_of_the_matrix_stands_on_the_encoder_without_its_corpus(data):
    encoders = {name: hash_of(data / "pretrain_emotion2vec" / "without" / name) for name in CORPORA}
    assert len({*encoders.values(), hash_of(data / "pretrain_emotion2vec")}) == 4
    assert read_json(data / "pretrain_audio" / "config.json")["left_out_encoders"] == encoders
    table = pretraining_tables(data, settings_with(leave_one_out=True))["cross_corpus"].frame
    assert list(table["training left out"]) == CORPORA and {*table[SAID]} == {WITHOUT}


def test_no_clip_of_the_corpus_that_is_left_out_is_heard(data, tmp_path, monkeypatch):
    heard = []

    def note(waveforms, labels, held_out, settings, seed, out):
        heard.append((out.name, len(waveforms)))
        return {"valid_uar_trained": 0.5}

    monkeypatch.setattr(pretrain_emotion2vec, "pretrain_emotion2vec", note)
    for part in ("ingest", "extract"):
        (tmp_path / part).symlink_to(data / part)
    for name in (CORPORA[0], "one that is gone"):
        (tmp_path / "pretrain_emotion2vec" / "without" / name).mkdir(parents=True)
    metrics = train_encoders(tmp_path, settings_with(leave_one_out=True))
    assert heard == [("pretrain_emotion2vec", 48), *((name, 32) for name in CORPORA)]
    assert {f"valid_uar_trained_without_{name}" for name in CORPORA} <= metrics.keys()
    assert [*(tmp_path / "pretrain_emotion2vec" / "without").iterdir()] == [
        tmp_path / "pretrain_emotion2vec" / "without" / CORPORA[0]
    ]


def test_without_the_setting_there_are_no_such_encoders_the_one_stays_and_the_table_says_what_it_heard(
    data, tmp_path
):
    folder = shutil.copytree(data, tmp_path / "data")
    mark = (folder / "pretrain_emotion2vec" / "training.json").stat().st_mtime_ns
    settings = settings_with(leave_one_out=False)
    train_encoders(folder, settings)
    assert not (folder / "pretrain_emotion2vec" / "without").exists()
    assert (folder / "pretrain_emotion2vec" / "training.json").stat().st_mtime_ns == mark
    pretrain_audio(folder, settings)
    assert read_json(folder / "pretrain_audio" / "config.json")["left_out_encoders"] == {}
    said = pretraining_tables(folder, settings)["cross_corpus"].frame[SAID]
    assert {*said} == {"yes (trained on it by this pipeline)"}
