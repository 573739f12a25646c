"""Every command that README and guide show is one that there is, with options and arguments that it takes:
each is given to its own program's parser. And of every command of mfer it is named here which test runs it.
"""

import re
import shlex
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest
import typer
from dvc.cli import parse_args as parse_dvc

from flows.commands import app
from flows.pipeline import stages
from mfer_core.cache.code import ROOT

PAGES = sorted(
    path
    for path in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md"))
    if not path.name.startswith("reference_")
)
MFER = typer.main.get_command(app)
SHELL = {
    ".venv/bin/pre-commit",
    "cd",
    "curl",
    "docker",
    "echo",
    "export",
    "git",
    "hf",
    "pip",
    "source",
    "vlc",
}  # not of this project
# What stands for a value in the text, and one that the parser takes.
VALUES = {"STAGE": "ingest", "STAGE...": "ingest", "NAME": "ravdess", "FOLDER": "project", "ID": "0123"}

# Command of mfer -> the test that runs it as a person does, and its words there.
RUN = {
    "app": ("servers/test_own_pages.py", '"app"'),
    "calibrate": ("flows/test_calibrate.py", 'main(["calibrate", "custom"])'),
    "check": ("flows/test_commands.py", 'main(["check"])'),
    "clean": ("pipeline/test_completed.py", 'mfer("clean", "--dry-run")'),
    "compare": ("flows/test_compare.py", 'words = ["compare", "--modality", "visual"'),
    "export": ("flows/test_export.py", 'main(["export", "mine"])'),
    "fetch": ("flows/test_commands.py", 'main(["fetch", "ravdess"])'),
    "init": ("flows/test_project.py", 'main(["init"'),
    "inspect": ("pipeline/test_completed.py", 'mfer("inspect"'),
    "live": ("flows/test_live.py", 'main(["live", film'),
    "lock-encoders": ("flows/test_lock_encoders.py", 'main(["lock-encoders"])'),
    "mfer": ("pipeline/conftest.py", 'run(project, "make", "run")'),
    "plan": ("flows/test_plan.py", 'main(["plan", "--profile", "report"])'),
    "predict": ("flows/test_predict.py", 'main(["predict"'),
    "profile": ("flows/test_commands.py", 'main(["profile", "report"])'),
    "serve": ("servers/test_serve.py", '"serve"'),
    "service": ("servers/test_own_pages.py", '"service"'),
    "settings": ("pipeline/test_completed.py", 'mfer("settings")'),
    "show": ("pipeline/conftest.py", 'run(project, "make", "run")'),
    "track": ("pipeline/test_completed.py", 'mfer("track")'),
    "ui": ("servers/test_ui.py", '"ui"'),
    "worker": ("tasks/test_cluster.py", '"worker"'),
}


def without_fences(text: str) -> str:
    return re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)


def blocks(text: str) -> list[list[str]]:
    """The lines of every indented or fenced block, joined where a backslash or a pipe ends them."""
    fenced = re.findall(r"^```\w*\n(.*?)^```", text, re.M | re.S)
    indented = re.findall(r"(?:^    \S.*\n(?:(?:    .*)?\n)*)", without_fences(text), re.M)
    joined = [re.sub(r"(\\|\|)\n\s*", r"\1 ", block).replace("\\ ", "") for block in fenced + indented]
    return [[line.strip() for line in block.splitlines() if line.strip()] for block in joined]


def words_of(line: str) -> list[str]:
    """A line's words without the remark behind them."""
    return shlex.split(re.split(r"\s{2,}", line)[0], comments=True)


def commands(line: str) -> list[list[str]]:
    """The commands of a line, each as its words."""
    parts, words = [[]], words_of(line)
    for word in words:
        if word in ("&&", "|"):
            parts.append([])
        else:
            parts[-1].append(VALUES.get(word, word))
    return [part for part in parts if part]


def in_blocks(page: Path) -> list[list[str]]:
    """The commands of all blocks whose first line is one."""
    programs = SHELL | set(PARSERS)
    shells = [block for block in blocks(page.read_text(encoding="utf-8")) if block[0].split()[0] in programs]
    return [command for block in shells for line in block for command in commands(line)]


def in_text(page: Path) -> list[list[str]]:
    """The commands between backticks in a sentence, which may leave out what they are given."""
    spans = re.findall(r"`([^`\n]+)`", without_fences(page.read_text(encoding="utf-8")))
    return [commands(span)[0] for span in spans if span.split()[0] in PARSERS and " " in span]


def parse_click(command, words: list[str], *, whole: bool = True) -> None:
    """Raises a usage error for what a click command, or one of a group's, does not take. A command that is
    not ``whole`` may lack values: its options must be there.
    """
    while hasattr(command, "get_command") and words and not words[0].startswith("-"):
        command, words = command.get_command(None, words[0]), words[1:]
        assert command is not None, words
    if whole:
        command.make_context("program", list(words))
        return
    known = {name for one in command.params for name in (*one.opts, *one.secondary_opts)}
    assert {word for word in words if word.startswith("-")} <= known, words


def parse_mfer(words: list[str], whole: bool = True) -> None:
    if words != ["--help"]:
        parse_click(MFER, words, whole=whole)


def parse_python(words: list[str], whole: bool = True) -> None:
    """A module of this project: a benchmark's options stand in its source."""
    assert words[0] == "-m", words
    if words[1] == "flows":
        parse_mfer(words[2:], whole)
        return
    spec = find_spec(words[1])
    assert spec and spec.origin and words[1].startswith("benchmarks."), words
    source = Path(spec.origin).with_name(
        "__main__.py" if spec.submodule_search_locations else Path(spec.origin).name
    )
    text = source.read_text(encoding="utf-8")
    assert all(f'"{word}"' in text for word in words[2:] if word.startswith("-")), words


def parse_make(words: list[str]) -> None:
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)
    assert set(words) <= set(targets), words


def parse_mlflow(words: list[str]) -> None:
    from mlflow.cli import cli

    parse_click(cli, words)


def parse_prefect(words: list[str]) -> None:
    from prefect.cli._app import _app

    _app.parse_args(words, exit_on_error=False, print_error=False)


def parse_dask(words: list[str]) -> None:
    from distributed.cli.dask_scheduler import main

    assert words[0] in ("scheduler", "worker")
    if words[0] == "scheduler":
        parse_click(main, words[1:])


PARSERS: dict[str, Callable[[list[str]], object]] = {
    "mfer": parse_mfer,
    "python": parse_python,
    "make": parse_make,
    "dvc": parse_dvc,
    "mlflow": parse_mlflow,
    "prefect": parse_prefect,
    "dask": parse_dask,
}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_that_is_shown_is_taken_by_its_program(page):
    shown = in_blocks(page)
    unknown = {command[0] for command in shown} - SHELL - set(PARSERS)
    assert not unknown, f"{page.name} shows {unknown}, which are no commands"
    for command in shown:
        if parse := PARSERS.get(command[0]):
            parse(command[1:])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_that_a_sentence_names_is_one(page):
    """Each parser raises for what it does not take."""
    for command in in_text(page):
        if command[0] in ("mfer", "python"):
            PARSERS[command[0]](command[1:], whole=False)
        elif command[0] == "make":
            parse_make(command[1:])


def test_every_command_is_run_by_a_test_that_is_named_here_and_a_stage_by_the_pipelines():
    of_stages = {stage.name for stage in stages(ROOT / "dvc.yaml").values()}
    assert set(MFER.list_commands(None)) == set(RUN) | of_stages
    for name, (file, words) in RUN.items():
        assert words in (ROOT / "tests" / file).read_text(encoding="utf-8"), f"{file} does not run {name}"
