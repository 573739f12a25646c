"""A run that fails says how far it came, and by which command it goes on."""

import pytest

from flows.ending import command, saying_how_to_go_on
from mfer_core.base.errors import MferError
from mfer_core.base.progress import track
from tasks.processes import CONTEXT_VARIABLE


@pytest.fixture(autouse=True)
def _by_hand(monkeypatch):
    for name in ("DVC_STAGE", CONTEXT_VARIABLE, "PREFECT__FLOW_RUN_ID"):
        monkeypatch.delenv(name, raising=False)


def notes_of(name, parameters, error):
    with pytest.raises(type(error)) as caught, saying_how_to_go_on(name, parameters):
        for number in track(range(5), "embed audio x"):
            if number == 3:
                raise error
    return caught.value.__notes__


def test_how_far_the_last_loop_came_and_the_command_are_notes_of_the_error():
    assert notes_of("embed", {"corpus": "x"}, MferError("no")) == [
        "done: embed audio x, 3 of 5",
        "go on: once that is mended, `python -m flows embed --corpus x` does the rest",
    ]


def test_an_error_that_says_itself_what_is_done_is_left_as_it_is():
    error = MferError("no")
    error.add_note("done: stages: 2 ran")
    assert notes_of("mfer", {}, error)[0] == "done: stages: 2 ran" and len(error.__notes__) == 2


def test_a_stage_of_a_whole_run_leaves_the_command_to_it(monkeypatch):
    monkeypatch.setenv(CONTEXT_VARIABLE, "context")
    assert notes_of("embed", {"corpus": "x"}, MferError("no")) == ["done: embed audio x, 3 of 5"]


@pytest.mark.parametrize(
    ("name", "parameters", "words"),
    [
        ("folds", {}, "folds"),
        ("fetch", {"corpus": "shemo"}, "fetch shemo"),
        ("extract", {"corpus": "my set"}, "extract --corpus 'my set'"),
        ("mfer", {"profile": "report", "stages": None, "start_from": None, "force": False}, "mfer"),
        ("mfer", {"stages": ["a", "b"], "corpora": ["c"]}, "mfer --stages a --stages b --corpora c"),
        ("mfer", {"start_from": "folds", "force": True}, "mfer --start-from folds --force"),
    ],
)
def test_the_command_is_the_one_that_was_given(name, parameters, words):
    assert command(name, parameters) == f"python -m flows {words}"


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"stages": None, "corpora": None, "force": False}, ""),
        ({"profile": "report", "start_from": "folds", "force": True}, " -p start_from=folds -p force=true"),
        ({"stages": ["a", "b"]}, """ -p 'stages=["a", "b"]'"""),
    ],
)
def test_of_a_worker_it_is_a_run_of_the_deployment(parameters, words, monkeypatch):
    monkeypatch.setenv("PREFECT__FLOW_RUN_ID", "a run")
    assert command("mfer", parameters) == f"prefect deployment run mfer/full-pipeline{words}"


def test_below_dvc_it_is_dvcs(monkeypatch):
    monkeypatch.setenv("DVC_STAGE", "folds")
    assert command("folds", {}) == "dvc repro"
