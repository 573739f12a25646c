"""params.yaml is refused with one line that names the key at fault."""

import pytest
from ruamel.yaml import YAML

from mfer_core.base.errors import MferError
from mfer_core.base.settings import load_settings
from mfer_core.cache.code import ROOT


def settings_with(tmp_path, change) -> str:
    yaml = YAML()
    values = yaml.load(ROOT / "params.yaml")
    change(values)
    path = tmp_path / "params.yaml"
    yaml.dump(values, path)
    with pytest.raises(MferError) as fault:
        load_settings(path)
    assert "\n" not in str(fault.value)
    return str(fault.value)


def test_an_unknown_key_is_named_with_the_choices(tmp_path):
    message = settings_with(tmp_path, lambda values: values["extract"].update(fps=5))
    assert "unknown key extract.fps" in message
    assert "frames_per_second" in message


def test_an_unknown_key_of_one_corpus_is_named(tmp_path):
    message = settings_with(tmp_path, lambda values: values["corpora"]["ravdess"].update(folder="x"))
    assert "unknown key corpora.ravdess.folder" in message
    assert "path" in message


def test_a_missing_key_is_named(tmp_path):
    assert "missing key train_audio.epochs" in settings_with(
        tmp_path, lambda values: values["train_audio"].pop("epochs")
    )


def test_a_role_without_a_corpus_names_the_choices(tmp_path):
    message = settings_with(tmp_path, lambda values: values["roles"].update(benchmark="ravdes"))
    assert "'ravdes'" in message
    assert "crema_d" in message


def test_fused_without_an_arm_is_a_contradiction(tmp_path):
    assert "fused needs both" in settings_with(
        tmp_path, lambda values: values.update(arms=["audio", "fused"])
    )


def test_one_arm_reads_features_of_one_kind(tmp_path):
    def bring(values):
        values["corpora"]["ravdess"]["precomputed"] = {"visual": "faces.csv"}

    assert "visual features for ravdess but not for custom" in settings_with(tmp_path, bring)


@pytest.mark.parametrize("path", ["/elsewhere/faces.csv", "../faces.csv"])
def test_features_lie_where_dvc_watches_them(tmp_path, path):
    message = settings_with(
        tmp_path, lambda values: values["corpora"]["ravdess"].update(precomputed={"visual": path})
    )
    assert "corpora.ravdess" in message and "in the corpus's folder" in message


def test_a_missing_file_says_where_to_stand(tmp_path):
    with pytest.raises(MferError, match="project's folder"):
        load_settings(tmp_path / "params.yaml")


def test_broken_yaml_is_one_line(tmp_path):
    (tmp_path / "params.yaml").write_text("a: [1\nb: 2")
    with pytest.raises(MferError) as fault:
        load_settings(tmp_path / "params.yaml")
    assert "\n" not in str(fault.value)
