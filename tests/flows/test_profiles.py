"""Every profile is valid; the committed params.yaml is the default one; switching there and back changes nothing."""

import pytest

from flows import profiles
from mfer_core.cache.code import ROOT
from mfer_core.errors import MferError
from mfer_core.settings import load_settings


@pytest.fixture(autouse=True)
def in_the_project(monkeypatch):
    monkeypatch.chdir(ROOT)


@pytest.mark.parametrize("name", [path.stem for path in sorted((ROOT / "profiles").glob("*.yaml"))])
def test_a_profile_gives_valid_settings(name, tmp_path):
    profiles.write_profile(name, tmp_path / "params.yaml")
    assert load_settings(tmp_path / "params.yaml").profile == name


def test_the_committed_settings_are_the_default_profile(tmp_path):
    profiles.write_profile("report", tmp_path / "params.yaml")
    profiles.write_profile("default", tmp_path / "params.yaml")
    assert (tmp_path / "params.yaml").read_text() == (ROOT / "params.yaml").read_text()


def test_the_report_profile_names_no_synthetic_corpus_and_the_published_encoders(tmp_path):
    profiles.write_profile("report", tmp_path / "params.yaml")
    settings = load_settings(tmp_path / "params.yaml")
    assert not settings.synthetic
    assert {corpus.source for corpus in settings.corpora.values()} == {"local"}
    assert settings.pretrain_vit.checkpoint == "dima806/facial_emotions_image_detection"
    assert (settings.train_visual.hidden_size, settings.train_fused.epochs) == (384, 8)


def test_an_unknown_profile_names_the_choices(tmp_path):
    with pytest.raises(MferError, match="default, recordings, report"):
        profiles.write_profile("real", tmp_path / "params.yaml")
