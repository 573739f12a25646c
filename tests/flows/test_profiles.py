"""Every profile is valid; the committed params.yaml is the default one; switching back changes nothing."""

import shutil

import pytest
from dvc.utils.hydra import apply_overrides

from flows import profiles
from mfer_core.base.errors import MferError
from mfer_core.base.settings import load_settings
from mfer_core.cache.code import ROOT


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
    sources = {name: corpus.source for name, corpus in settings.corpora.items()}
    assert sources == {**dict.fromkeys(settings.media_corpora, "local"), "fer2013": "absent"}
    assert settings.pretrain_vit.checkpoint == "dima806/facial_emotions_image_detection"


REPORTED = {  # "Training, three stages" of the reference method
    "train_visual": {
        "epochs": 30, "batch_size": 16, "accumulation": 4, "learning_rate": 1e-3, "weight_decay": 5e-4,
        "schedule": "exponential", "hidden_size": 384, "layers": 2, "readout": "last", "pool": 1,
    },
    "pretrain_audio": {
        "epochs": 30, "batch_size": 16, "accumulation": 8, "learning_rate": 1e-3, "optimiser": "adam",
        "schedule": "plateau", "schedule_factor": 0.5, "schedule_patience": 1,
        "hidden_size": 384, "layers": 2, "readout": "last", "pool": 1,
    },
    "train_audio": {
        "epochs": 25, "batch_size": 16, "accumulation": 4, "learning_rate": 1e-3, "gru_learning_rate": 1e-4,
        "optimiser": "adamw", "weight_decay": 1e-4, "schedule": "plateau", "schedule_factor": 0.6,
        "start": "pretrain_audio",
    },
    "train_fused": {
        "epochs": 8, "batch_size": 16, "accumulation": 4, "learning_rate": 5e-4, "trainable": "all",
    },
}  # fmt: skip
EVERY_STAGE = {"label_smoothing": 0.03, "class_weight_power": 0.3, "sampler_power": 0.5, "patience": 0}
NOT_IN_THE_REPORT = {"dropout": 0, "noise": 0, "jitter": 0}  # of the arms


@pytest.mark.parametrize("stage", REPORTED)
def test_the_report_profile_trains_as_the_report_says(stage, tmp_path):
    profiles.write_profile("report", tmp_path / "params.yaml")
    settings = getattr(load_settings(tmp_path / "params.yaml"), stage).model_dump()
    expected = (
        REPORTED[stage]
        | EVERY_STAGE
        | {name: value for name, value in NOT_IN_THE_REPORT.items() if name in settings}
    )
    assert {name: settings[name] for name in expected} == expected


@pytest.mark.parametrize("name", ["default", "recordings", "report"])
def test_an_experiment_of_dvc_changes_one_line(name, tmp_path):
    path = tmp_path / "params.yaml"
    profiles.write_profile(name, path)
    before = path.read_text().splitlines()
    apply_overrides(path, ["train_audio.gru_learning_rate=0.5", "folds.refit=false"])
    after = path.read_text().splitlines()
    changed = [pair for pair in zip(before, after, strict=True) if pair[0] != pair[1]]
    assert [new for _, new in changed] == ["  refit: false", "  gru_learning_rate: 0.5"]


def test_a_profile_may_set_what_default_leaves_out(tmp_path, monkeypatch):
    shutil.copytree("profiles", tmp_path / "profiles")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "profiles" / "mine.yaml").write_text("train_audio: {finetune: {blocks: 2}, device: auto}\n")
    profiles.write_profile("mine", tmp_path / "params.yaml")
    section = load_settings(tmp_path / "params.yaml").train_audio
    assert (section.finetune.blocks, section.device, section.epochs) == (2, "auto", 20)


@pytest.mark.parametrize("text", ["- 1\n", "nonsense: {a: 1}\n", "embed: 3\n", "a: [\n", "\xff"])
def test_a_profile_that_is_none_is_one_line(text, tmp_path, monkeypatch):
    shutil.copytree("profiles", tmp_path / "profiles")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "profiles" / "mine.yaml").write_text(text, encoding="latin-1")
    with pytest.raises(MferError) as fault:
        profiles.write_profile("mine", tmp_path / "params.yaml")
    assert "\n" not in str(fault.value)
    assert not (tmp_path / "params.yaml").exists()


def test_an_unknown_profile_names_the_choices(tmp_path):
    with pytest.raises(MferError, match="default, recordings, report"):
        profiles.write_profile("real", tmp_path / "params.yaml")


def test_switching_keeps_what_a_person_wrote(tmp_path):
    path = tmp_path / "params.yaml"
    profiles.write_profile("default", path)
    edited = path.read_text().replace("frames_per_second: 5", "frames_per_second: 6")
    path.write_text(edited)
    with pytest.raises(
        MferError, match=r"differs from profile default in extract\.frames_per_second, .* profiles/"
    ):
        profiles.switch_profile("report", path)
    assert path.read_text() == edited


def test_switching_an_untouched_file_is_what_the_command_does(tmp_path):
    path, other = tmp_path / "params.yaml", tmp_path / "other.yaml"
    profiles.write_profile("default", path)
    path.write_text(f"# a remark is no setting\n{path.read_text()}")
    profiles.switch_profile("recordings", path)
    profiles.write_profile("recordings", other)
    assert path.read_text() == other.read_text()
