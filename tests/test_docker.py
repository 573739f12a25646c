"""The Dockerfile copies all that the package is built of, and starts a command that there is. It is not built
here: that takes a Docker daemon, a network and gigabytes.
"""

import json
import re
import tomllib

import typer

from flows.commands import app
from mfer_core.cache.code import ROOT

LINES = (ROOT / "Dockerfile").read_text().splitlines()


def copied() -> set[str]:
    """The files and folders that COPY names."""
    return {name for line in LINES if line.startswith("COPY ") for name in line.split()[1:-1]}


def test_what_is_copied_is_there_and_not_kept_from_the_builder():
    sent = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert copied() == sent
    assert all((ROOT / name).exists() for name in copied())


def test_everything_that_the_package_is_built_of_is_copied():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    brought = {name for names in project["tool"]["setuptools"]["data-files"].values() for name in names}
    packages = {name.rstrip("*") for name in project["tool"]["setuptools"]["packages"]["find"]["include"]}
    needed = {name.split("/")[0] for name in brought} | packages | {"pyproject.toml", "README.md"}
    assert needed <= copied()


def test_the_container_starts_a_command_that_there_is_on_the_port_that_is_asked_for_its_health():
    words = json.loads(next(line.removeprefix("ENTRYPOINT ") for line in LINES if line.startswith("ENTRY")))
    assert words[0] == "mfer"
    command = typer.main.get_command(app).commands[words[1]]
    options = command.make_context("mfer", words[2:]).params
    assert (options["host"], options["model"]) == ("0.0.0.0", "/model")
    ports = set(re.findall(r"\b(?:EXPOSE |127\.0\.0\.1:)(\d+)", "\n".join(LINES)))
    assert ports == {str(options["port"])}
