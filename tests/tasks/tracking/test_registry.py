"""A registered model is code and safetensors, answers for paths and for bytes, and needs no pickle."""

import json
import os
import shutil
import sys
from base64 import b64encode
from pathlib import Path

import httpx
import mlflow
import pandas as pd
import pytest

from flows.predict import model_folder
from mfer_core.base.errors import MferError
from mfer_core.base.files import write_json, write_table
from mfer_core.base.paths import DataPaths
from mfer_core.base.settings import Settings, load_settings
from mfer_core.cache.code import ROOT
from tasks.tracking.champion import PREDICTIONS
from tasks.tracking.registry import altered_versions, register_folder
from tests.prediction.conftest import model, predictor, recordings  # noqa: F401 (fixtures)
from tests.servers.ports import free_port, serve
from tests.tasks.conftest import forget_store
from tests.tasks.tracking.test_champion import predictions

CHAMPION = "models:/mfer@champion"


def changed(settings: Settings, **values: object) -> Settings:
    chosen = settings.register_model.model_copy(update=values)
    return settings.model_copy(update={"register_model": chosen})


@pytest.fixture(scope="module")
def project(model, tmp_path_factory, empty_store):
    """A project whose register stage has assembled a model, and its settings."""
    folder = tmp_path_factory.mktemp("project")
    for name in ("requirements.lock", "params.yaml"):
        shutil.copy(ROOT / name, folder / name)
    shutil.copytree(ROOT / "mfer_core", folder / "mfer_core", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / ".prefect").mkdir()
    shutil.copy(empty_store, folder)
    accuracy = {
        "luna5": {"fused": {"accuracy": {"mean": 0.6}}},
        "report5": {"fused": {"accuracy": {"mean": 0.9}}},
    }
    write_json(folder / "data" / "evaluate" / "metrics.json", accuracy)
    shutil.copytree(model, folder / "data" / "register" / "model")
    (folder / "data" / "register" / "model" / "README.md").write_text("# a card\n")
    write_table(folder / "data" / "register" / "model" / PREDICTIONS, predictions(0.5))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        forget_store()
        yield folder, load_settings()
    forget_store()


def _killed(*_: object) -> None:
    raise KeyboardInterrupt


@pytest.fixture(scope="module")
def registered(project):
    """What registering said: after a first time that was killed before the alias, again, and after a change
    under a leaky protocol.
    """
    _, settings = project
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mlflow.MlflowClient, "set_registered_model_alias", _killed)
        with pytest.raises(KeyboardInterrupt):
            register_folder(DataPaths(), settings)
    said = [register_folder(DataPaths(), settings) for _ in range(2)]
    (DataPaths().model / "README.md").write_text("# another card\n")
    said.append(register_folder(DataPaths(), changed(settings, protocol="report5")))
    write_table(DataPaths().model / PREDICTIONS, predictions(0.45))
    return [*said, register_folder(DataPaths(), settings)]


def test_a_model_is_registered_once_and_a_leaky_protocol_makes_no_champion(registered):
    assert registered[0] == "registered mfer version 1, now the champion: there was none"
    assert registered[1] == "mfer version 1 is this model already"
    assert registered[2].startswith("registered mfer version 2, not the champion: report5 (leaky)")


def test_a_version_meets_the_champion_in_a_paired_test_on_the_same_clips(registered):
    assert registered[3].startswith("registered mfer version 3, not the champion: -5.0 points of accuracy")


def test_what_is_registered_holds_no_pickle_and_is_found_by_its_alias(registered, predictor, recordings):
    folder = model_folder(CHAMPION)
    stored = [path for path in folder.parents[1].rglob("*") if path.is_file()]
    assert {path.suffix for path in stored} <= {
        ".py",
        ".json",
        ".safetensors",
        ".yaml",
        ".txt",
        ".md",
        ".html",
        "",
        ".lock",
        ".parquet",
    }
    assert (folder / "README.md").read_text() == "# a card\n"
    expected = predictor.predict([recordings / "short.mp4"])
    assert type(predictor).load(folder).predict([recordings / "short.mp4"]).equals(expected)


def test_an_unknown_model_is_one_line(registered):
    with pytest.raises(MferError, match=r"^no model models:/mfer@nobody in the MLflow registry: .*$"):
        model_folder("models:/mfer@nobody")


def test_the_pyfunc_answers_for_paths_bytes_and_windows(registered, predictor, recordings):
    assert os.environ["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] == "false"
    served = mlflow.pyfunc.load_model(CHAMPION)
    clip = recordings / "short.mp4"
    rows = [{"path": str(clip)}, {"content": b64encode(clip.read_bytes()).decode(), "name": "upload.mp4"}]
    answer = served.predict(pd.DataFrame(rows))
    assert list(answer.path.unique()) == [str(clip), "upload.mp4"]
    assert list(answer.columns) == served.metadata.signature.outputs.input_names()
    halves = [part.drop(columns="path").reset_index(drop=True) for _, part in answer.groupby("path")]
    assert halves[0].equals(halves[1])
    windows = served.predict(pd.DataFrame([{"path": str(recordings / "long.mp4")}]), params={"window_s": 2.0})
    expected = predictor.examine(recordings / "long.mp4", 2.0, 1.0).timeline
    pd.testing.assert_frame_equal(windows, expected.assign(reason=None))


BAD_ROWS = {
    "either path, or content": {"path": "short.mp4", "content": "AAAA"},
    "give each row": {"name": "nothing.mp4"},
    "not base64": {"content": "not base64!", "name": "a"},
    "missing file": {"path": "none.mp4"},
    "none.txt": {"content": b64encode(b"words").decode(), "name": f"none.txt{'x' * 300}"},
}


def test_a_row_that_cannot_be_used_is_a_row_with_its_reason_beside_the_others(registered, recordings):
    served, good = mlflow.pyfunc.load_model(CHAMPION), {"path": str(recordings / "short.mp4")}
    alone = served.predict(pd.DataFrame([good]))
    answer = served.predict(pd.DataFrame([BAD_ROWS["missing file"], good, *BAD_ROWS.values()]))
    used = answer[answer.reason.isna()].reset_index(drop=True)
    pd.testing.assert_frame_equal(used, alone, check_dtype=False)
    rejected = answer[answer.reason.notna()]
    assert list(rejected.path)[:2] == ["none.mp4", "short.mp4"] and len(rejected) == 1 + len(BAD_ROWS)
    assert all(
        words in f"{row.path} {row.reason}"
        for words, row in zip(BAD_ROWS, rejected[1:].itertuples(), strict=True)
    )
    assert rejected.drop(columns=["path", "reason"]).map(lambda value: value is None).all(axis=None)


@pytest.mark.parametrize("words", BAD_ROWS)
def test_a_request_of_which_nothing_can_be_used_is_refused(registered, words):
    with pytest.raises(mlflow.MlflowException, match=words) as refused:
        mlflow.pyfunc.load_model(CHAMPION).predict(pd.DataFrame([BAD_ROWS[words]]))
    assert refused.value.error_code == "INVALID_PARAMETER_VALUE"


@pytest.fixture(scope="module")
def server(registered, project):
    """`mlflow models serve` of the champion, on loopback; yields its address."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    command = ("mlflow", "models", "serve", "-m", CHAMPION, "--env-manager", "local")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    surroundings = {"MLFLOW_TRACKING_URI": "sqlite:///mlflow.db", "PATH": path}
    here = ("--host", "127.0.0.1", "--port", str(port))
    with serve(Path.cwd(), f"{address}/ping", *command, *here, **surroundings):
        yield address


def test_the_served_model_answers_for_a_path_an_upload_and_its_own_example(server, predictor, recordings):
    def ask(body: dict) -> httpx.Response:
        return httpx.post(f"{server}/invocations", json=body, timeout=60)

    clip = recordings / "short.mp4"
    expected = predictor.predict([clip])
    rows = [{"path": str(clip)}, {"name": "mine.mp4", "content": b64encode(clip.read_bytes()).decode()}]
    answer = pd.DataFrame(ask({"dataframe_records": rows}).raise_for_status().json()["predictions"])
    for name, part in (("mine.mp4", answer[3:]), (str(clip), answer[:3])):
        assert set(part.path) == {name}
        pd.testing.assert_frame_equal(
            part.drop(columns=["path", "reason"]).reset_index(drop=True),
            expected.drop(columns="path"),
            atol=1e-6,
        )
    body = {"dataframe_records": [{"path": str(recordings / "long.mp4")}], "params": {"window_s": 2}}
    assert len(ask(body).raise_for_status().json()["predictions"]) == len(
        predictor.examine(recordings / "long.mp4", 2.0, 1.0).timeline
    )
    example = json.loads((model_folder(CHAMPION).parents[1] / "serving_input_example.json").read_text())
    assert [row["arm"] for row in ask(example).raise_for_status().json()["predictions"]] == ["audio", "fused"]
    refused = ask({"dataframe_records": [{"path": "none.mp4"}]})
    assert refused.status_code == 400 and "missing file" in refused.json()["message"]
    mixed = ask({"dataframe_records": [{"path": "none.mp4"}, rows[0]]}).raise_for_status()
    said = json.loads(mixed.text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))[
        "predictions"
    ]
    assert [row["reason"] is None for row in said] == [True] * 3 + [False] and said[-1]["label"] is None
    for empty in ({"dataframe_records": []}, {"dataframe_split": {"columns": ["path"], "data": []}}):
        refused = ask(empty)
        assert refused.status_code == 400 and "no rows" in refused.json()["message"]


def test_a_version_whose_files_were_altered_is_named(registered, project):
    _, settings = project
    assert altered_versions(settings) == []
    card = model_folder("models:/mfer/2") / "README.md"
    text = card.read_text()
    card.write_text("# a better card\n")
    assert altered_versions(settings) == [2]
    card.write_text(text)
