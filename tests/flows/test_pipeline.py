"""What the parent flow's parameters mean to DVC, and the line a wrong one gets."""

import subprocess
import sys

import cloudpickle
import pytest
from prefect.flows import load_flow_from_entrypoint
from ruamel.yaml import YAML

from flows.mfer import mfer
from flows.pipeline import known, targets
from mfer_core.base.errors import MferError
from mfer_core.base.settings import load_settings
from mfer_core.cache.code import ROOT


@pytest.fixture(autouse=True)
def in_the_project(monkeypatch):
    monkeypatch.chdir(ROOT)


def plan(stages: list[str], corpora: list[str]) -> list[str]:
    return targets(known(stages), corpora, load_settings())


def test_nothing_named_is_everything():
    assert plan([], []) == []


def test_corpora_narrow_the_stages_that_run_per_corpus_and_no_others():
    assert plan(["extract", "folds"], ["ravdess", "urdu"]) == ["extract@ravdess", "extract@urdu", "folds"]


def test_a_corpus_without_clips_is_ingested_only():
    expected = ["ingest@fer2013", "ingest@urdu", "extract@urdu", "pool_clips@urdu", "embed@urdu"]
    assert plan([], ["fer2013", "urdu"]) == expected


@pytest.mark.parametrize(
    ("stages", "corpora", "said"),
    [
        (["train"], [], "unknown stage 'train': choose one of demo, ingest, .*register"),
        ([], ["ravdes"], "unknown corpus 'ravdes': choose one of ravdess, "),
        (["folds"], ["ravdess"], "corpora narrow .*add one of ingest, extract, pool_clips, embed"),
        (["extract"], ["fer2013"], "extract run for ravdess, .* only"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_the_choices(stages, corpora, said):
    with pytest.raises(MferError, match=said):
        plan(stages, corpora)


def test_the_form_of_the_deployment_offers_the_choices_and_says_what_each_parameter_does():
    from prefect.utilities.callables import parameter_schema

    fields = parameter_schema(mfer).model_dump()["properties"]
    assert {"enum": ["default", "recordings", "report"], "type": "string"} in fields["profile"]["anyOf"]
    assert "train_fused" in fields["start_from"]["anyOf"][0]["enum"]
    assert "train_fused" in fields["stages"]["anyOf"][0]["items"]["enum"]
    assert all(len(field["description"]) > 30 for field in fields.values())


def test_a_stage_can_join_the_flow_that_a_worker_has_loaded_from_its_file():
    (deployment,) = YAML(typ="safe").load(ROOT / "prefect.yaml")["deployments"]
    loaded = load_flow_from_entrypoint(deployment["entrypoint"])
    assert loaded.fn.__module__ not in ("flows.mfer", "__main__"), "as a module of its own"
    stage = "import cloudpickle, sys; print(cloudpickle.load(sys.stdin.buffer).name)"
    command = [sys.executable, "-c", stage]
    joined = subprocess.run(command, input=cloudpickle.dumps(loaded), capture_output=True, check=True)
    assert joined.stdout == b"mfer\n"
