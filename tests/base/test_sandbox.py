"""What a process that decodes files may still do: read, and write below its own folder."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from mfer_core.base import sandbox
from mfer_core.base.workers import Workers
from mfer_core.cache.code import ROOT

needs_landlock = pytest.mark.skipif(sandbox.version() < 6, reason="this kernel has no Landlock of 2024")


def refused(attempt):
    """The kind of error with which ``attempt`` ends; None where it does what it wants."""
    try:
        attempt()
    except OSError as error:
        return type(error).__name__
    return None


def attempts(outside, folder, port):
    """What an attacker would want, by name: how each ends."""
    outside, folder = Path(outside), Path(folder)
    address = ("127.0.0.1", port)
    inside = folder / "parts"
    return {
        "write": refused(lambda: (outside / "new").write_text("x")),
        "overwrite": refused(lambda: (outside / "kept").write_text("x")),
        "remove": refused((outside / "kept").unlink),
        "move in": refused(lambda: (outside / "kept").rename(folder / "stolen")),
        "link": refused(lambda: (outside / "link").symlink_to("/etc")),
        "run": refused(lambda: subprocess.run([sys.executable, "-c", ""], check=True)),
        "tcp": refused(lambda: socket.create_connection(address, timeout=5)),
        "signal": refused(lambda: os.kill(os.getppid(), 0)),
        "read": refused((outside / "kept").read_text),
        "work": refused(
            lambda: (inside.mkdir(), (inside / "a").write_text("x"), (inside / "a").rename(inside / "b"))
        ),
    }


@needs_landlock
def test_a_decoding_process_writes_in_its_own_folder_alone_and_reaches_nobody(tmp_path):
    (tmp_path / "kept").write_text("kept")
    with socket.create_server(("127.0.0.1", 0)) as server, Workers(1, "mfer_core.base.workers") as pool:
        outcomes = pool.call(
            attempts, str(tmp_path), str(pool.folder), server.getsockname()[1], limit_s=300.0
        )
        assert (pool.folder / "parts" / "b").read_text() == "x"
    assert outcomes.pop("read") is outcomes.pop("work") is None
    assert set(outcomes.values()) <= {"PermissionError", "OSError"}, outcomes
    assert [path.name for path in tmp_path.iterdir()] == ["kept"] and not pool.folder.exists()
    assert (tmp_path / "kept").read_text() == "kept"


@needs_landlock
def test_it_holds_without_any_rights_too(as_nobody):
    """Not through a pool: that reads this checkout, which may be closed to nobody."""
    program = f"""if True:
        import os, socket, sys
        sys.path.insert(0, {str(ROOT)!r})
        from mfer_core.base import sandbox
        os.setgroups([]), os.setresgid(65534, 65534, 65534), os.setresuid(65534, 65534, 65534)
        folder = sandbox.Path({str(as_nobody)!r})
        (folder / "own").mkdir()
        sandbox.restrict([folder / "own"])
        (folder / "own" / "a").write_text("x")
        for attempt in ((folder / "new").touch, lambda: socket.socket().connect(("127.0.0.1", 9))):
            try:
                attempt()
            except OSError as error:
                print(error.strerror)
    """
    os.seteuid(os.getuid())
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert said.stderr == "" and said.stdout.splitlines()[0] == "Permission denied"
    assert said.stdout.splitlines()[1] in ("Permission denied", "Network is unreachable")


def test_what_a_system_lacks_is_said(monkeypatch):
    for version, line in ((0, "all rights"), (3, "reach the network"), (4, None)):
        monkeypatch.setattr(sandbox, "version", lambda version=version: version)
        assert line is sandbox.describe() is None or line in sandbox.describe()
