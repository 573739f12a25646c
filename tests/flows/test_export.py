"""mfer export: the model that was registered as a repository, with its own test figures on the card."""

import shutil
from pathlib import Path

import pytest
from huggingface_hub import ModelCard

from flows.__main__ import main
from mfer_core.base.files import read_json, write_table
from mfer_core.cache.code import ROOT
from tasks.tracking.champion import PREDICTIONS
from tests.flows.test_commands import said
from tests.prediction.conftest import model, recordings  # noqa: F401 (fixtures)
from tests.tasks.tracking.test_champion import predictions


@pytest.fixture
def project(model, tmp_path, monkeypatch):
    """A project whose stage register has put a model together."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "params.yaml", "params.yaml")
    registered = Path(shutil.copytree(model, "data/register/model"))
    table = predictions(0.5).assign(protocol="luna5")
    write_table(registered / PREDICTIONS, table.assign(clip_id="ravdess/" + table.clip_id))
    return tmp_path


def test_what_is_exported_predicts_the_same_and_has_its_test_figures_on_the_card(project, recordings, capsys):
    assert main(["export", "mine"]) == 0
    assert capsys.readouterr().out == "mine holds the model: mfer predict RECORDING --model mine\n"
    results = ModelCard.load("mine/README.md").data.eval_results
    assert [(result.metric_type, result.metric_value) for result in results] == [
        ("accuracy", 0.5),
        ("uar", 0.5),
    ]
    assert {result.dataset_type for result in results} == {"ravdess"}
    assert results[0].metric_name == "accuracy over 160 predictions, luna5"
    clips = []
    for named in (["--model", "mine"], []):
        assert main(["predict", str(recordings / "short.mp4"), *named, "--out", "seen"]) == 0
        clips += read_json(Path("seen/predictions.json"))["clips"]
    assert clips[0] == clips[1]


def test_what_cannot_be_exported_is_one_line(project, capsys):
    assert main(["export", "mine", "--model", "published"]) == 1
    assert said(capsys) == "error: published heads are published already: name a trained model"
    assert main(["export", "data"]) == 1
    assert said(capsys) == "error: data is there and not empty: name a new folder"
    assert main(["export", "mine", "--model", "nowhere"]) == 1
    assert "nowhere/fused/config.json" in said(capsys)
    assert not Path("mine").exists()
