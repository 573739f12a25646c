"""Another benchmark is one setting: what does not fit it is left out of two lists."""

from copy import deepcopy

import pytest
from ruamel.yaml import YAML

from mfer_core.base.settings import load_settings
from mfer_core.base.settings.resolving import resolve
from mfer_core.cache.code import ROOT

DEFAULT = YAML(typ="safe").load((ROOT / "params.yaml").read_text(encoding="utf-8"))


def with_benchmark(name: str) -> dict:
    values = deepcopy(DEFAULT)
    values["roles"]["benchmark"] = name
    return values


def test_crema_d_as_benchmark_is_one_setting(tmp_path):
    YAML().dump(with_benchmark("crema_d"), tmp_path / "params.yaml")
    settings = load_settings(tmp_path / "params.yaml")
    assert settings.roles.pretraining == ["shemo", "sdc", "urdu"]
    assert settings.folds.protocols == ["hicmae5", "report5-inner", "report5"]
    assert settings.register_model.protocol == "hicmae5"


def test_the_default_registers_luna5_and_leaves_out_the_preset_of_crema_d():
    resolved, said = resolve(DEFAULT)
    assert resolved["folds"]["protocols"] == ["luna5", "report5-inner", "report5"]
    assert resolved["register"]["protocol"] == "luna5" and resolved["roles"] == DEFAULT["roles"]
    assert said == []


def test_a_transfer_corpus_is_no_pretraining_corpus():
    values = with_benchmark("ravdess")
    values["roles"]["transfer"] = "urdu"
    resolved, said = resolve(values)
    assert resolved["roles"]["pretraining"] == ["crema_d", "shemo", "sdc"]
    assert said == ["roles.pretraining: urdu is left out, as it is the transfer corpus"]


def test_presets_stay_where_no_honest_protocol_would_be_left_so_that_they_are_refused():
    values = with_benchmark("custom")
    resolved, _ = resolve(values)
    assert resolved["folds"]["protocols"] == DEFAULT["folds"]["protocols"]


@pytest.mark.parametrize("values", [None, [], {"roles": 3}, {"roles": {"benchmark": ["a"]}, "corpora": "x"}])
def test_what_is_not_shaped_like_settings_is_left_to_validation(values):
    assert resolve(values) == (values, [])
