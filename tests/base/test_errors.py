"""The one rule for faults: which exceptions a person reads as a line, and which stay tracebacks."""

import errno
import os
import socket
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa
import pytest
import soundfile

from mfer_core.base import errors
from mfer_core.base.errors import ClipError, Faults, MferError, mendable


def raised(cause) -> BaseException:
    """What ``cause`` raises."""
    with pytest.raises(BaseException) as caught:
        cause()
    return caught.value


def no_space(*_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "data/x.parquet")


def connect() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        socket.create_connection(taken.getsockname())


@pytest.mark.parametrize(
    ("cause", "line"),
    [
        (lambda: no_space(), "the disk is full: data/x.parquet: free some"),
        (lambda: subprocess.run(["no-such-program"]), "no program 'no-such-program' here: install it"),
        (lambda: Path("no-such-file").read_text(), "no such file or directory: no-such-file"),
        (lambda: Path("no").rename("where"), "no such file or directory: no -> where"),
        (
            lambda: b"\xff".decode(),
            "text in another encoding than expected: 'utf-8' codec can't decode byte 0xff",
        ),
        (connect, "connection refused"),
    ],
)
def test_what_the_system_refuses_is_one_line(cause, line):
    assert mendable(raised(cause)).startswith(line)


@pytest.mark.parametrize("fault", [MferError("one\nline"), ClipError("one", "line"), Faults(["one", "line"])])
def test_our_own_faults_are_one_line(fault):
    assert mendable(fault).replace(":", "").replace(";", "") == "one line"


@pytest.mark.parametrize("fault", [MferError, FileNotFoundError])
def test_what_a_name_holds_reaches_no_terminal_as_a_command(fault):
    assert mendable(fault("no \x1b]0;title\x07\x1b[2J\x9b31m\r\nfile")) == (
        r"no \x1b]0;title\x07\x1b[2J\x9b31m file"
    )


def test_a_full_disk_is_known_behind_the_words_of_libraries(monkeypatch):
    assert mendable(pa.ArrowException("Detail: [errno 28] No space left on device")).startswith(
        "the disk is full"
    )
    nameless = soundfile.LibsndfileError(2)
    assert mendable(nameless) is None
    monkeypatch.setattr(errors.shutil, "disk_usage", lambda _: SimpleNamespace(free=0))
    assert mendable(nameless).startswith("the disk is full")


@pytest.mark.parametrize(
    "bug", [ValueError("x"), KeyError("x"), AssertionError(), RuntimeError("x"), TimeoutError()]
)
def test_a_bug_is_no_line(bug):
    assert mendable(bug) is None
