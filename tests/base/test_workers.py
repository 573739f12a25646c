"""Functions in processes of their own: whatever one of them does, the others are answered."""

import ctypes
import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from mfer_core.base import workers
from mfer_core.base.errors import ClipError
from mfer_core.base.workers import LostWorkerError, Workers, fork_server
from mfer_core.cache.code import ROOT


@pytest.fixture(scope="module")
def pool():
    with Workers(2, "mfer_core.base.workers") as pool:
        yield pool


def die(number):
    os.kill(os.getpid(), number)


def refuse(detail):
    raise ClipError("reason", detail)


def fail_as(name):
    raise {"bug": ValueError("a bug"), "torch": RuntimeError("can't allocate memory")}[name]


def serve(what):
    """What one file of a batch may do."""
    if what == "hang":
        time.sleep(60)
    if what == "crash":
        die(signal.SIGSEGV)
    if what == "eat":
        return len(bytearray(int(workers.MEMORY_GIB * 2**30)))
    if what == "torch":
        fail_as(what)
    if what == "refuse":
        refuse(what)
    return what


def test_one_that_hangs_crashes_or_eats_memory_is_a_row_and_the_others_go_on(pool):
    items = ["a", "hang", "b", "crash", "eat", "torch", "refuse", *"cdefghijkl"]
    results = list(pool.map(serve, items, limit_s=1.0))
    reasons = {
        item: str(result)
        for item, result in zip(items, results, strict=True)
        if isinstance(result, ClipError)
    }
    assert reasons == {
        "hang": "time limit: hung beyond 1 s",
        "crash": "crash: the process died of SIGSEGV",
        "eat": "too large: it takes more than 4 GiB of memory",
        "torch": "too large: it takes more than 4 GiB of memory",
        "refuse": "reason: refuse",
    }
    assert [result for result in results if isinstance(result, str)] == ["a", "b", *"cdefghijkl"]


def test_a_kill_from_outside_and_a_bug_are_nobody_s_row(pool):
    with pytest.raises(LostWorkerError, match="memory enough"):
        pool.call(die, signal.SIGKILL, limit_s=5.0)
    with pytest.raises(ValueError, match="a bug"):
        pool.call(fail_as, "bug", limit_s=5.0)
    assert pool.call(serve, "a", limit_s=5.0) == "a"


def test_a_process_that_is_killed_in_its_start_is_said_in_a_line():
    with (
        pytest.raises(LostWorkerError, match="in its start"),
        Workers(1, "mfer_core.base.workers", die, (signal.SIGKILL,)) as pool,
    ):
        pool.call(serve, "a", limit_s=30.0)


def hang(in_python):
    """In Python, or in C code that keeps Python's lock, so that no other thread of the process runs."""
    print(os.getpid(), flush=True)
    if in_python:
        time.sleep(60)
    ctypes.PyDLL(None).pause()


@pytest.mark.parametrize(("in_python", "limit_s"), [(True, 60), (False, 1)])
def test_no_process_outlives_the_one_that_made_it(in_python, limit_s):
    """The parent is killed while a worker is busy."""
    program = f"""if True:
        from mfer_core.base.workers import Workers
        from tests.base.test_workers import hang
        Workers(1, "mfer_core.base.workers").call(hang, {in_python}, limit_s={limit_s})
    """
    parent = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    worker = psutil.Process(int(parent.stdout.readline()))
    parent.kill()
    parent.wait()
    _, alive = psutil.wait_procs([worker], timeout=30)
    assert not alive, "the worker goes on after its parent was killed"


def test_a_process_that_gets_ctrl_c_in_its_start_says_nothing(capfd):
    process = fork_server().Process(target=time.sleep, args=(300,))
    process.start()
    os.kill(process.pid, signal.SIGINT)  # at once, before the process could change what that does to it
    time.sleep(0.3)
    assert process.is_alive()
    process.kill()
    process.join()
    assert not capfd.readouterr().err


def test_processes_run_the_code_of_this_one_and_not_of_the_working_folder(tmp_path):
    """The working folder may be a checkout of another version."""
    (tmp_path / "mfer_core").mkdir()
    (tmp_path / "mfer_core" / "__init__.py").write_text("raise SystemExit('the folder's code')")
    program = f"""if True:
        import sys
        sys.path[:] = [{str(ROOT)!r}, *filter(None, sys.path)]
        from mfer_core.base.workers import Workers
        with Workers(1, "mfer_core.base.workers") as pool:
            print(pool.call(abs, -7, limit_s=60))
    """
    command = [sys.executable, "-c", program]
    said = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (said.stdout, said.stderr) == ("7\n", "")
