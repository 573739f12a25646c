"""The lines of a rehearsal: run as a person runs them, and what each took."""

import ctypes
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from benchmarks.cost import cpu_s

SUBREAPER = 36  # prctl's PR_SET_CHILD_SUBREAPER
MFER = "flows"  # the module behind the command


class Steps:
    """Runs lines in ``project``, with ``environment`` beside this process's own."""

    def __init__(self, project: Path, environment: dict[str, str]):
        self.project = project
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        self.environment = {**os.environ, **environment, "PATH": path, "PYTHONPATH": str(project)}
        self.took: list[tuple[str, float, float]] = []  # line, seconds by the clock, of the processors
        # Servers that outlive the line which started them stay this process's children, and are counted.
        ctypes.CDLL(None).prctl(SUBREAPER, 1)

    def mfer(self, *words: str, refused: str | None = None) -> None:
        """Run a command of mfer. Raises CalledProcessError where it fails; with ``refused`` where it does
        not, or does not say this.
        """
        self.run(MFER, *words, refused=refused)

    def run(self, module: str, *words: str, refused: str | None = None) -> None:
        """Run a module's program, likewise."""
        line = " ".join(["mfer" if module == MFER else module, *words]).replace(f"{self.project}/", "")
        print(f"$ {line}", flush=True)
        command = [sys.executable, "-m", module, *words]
        heard = subprocess.PIPE if refused else None
        with self.timed(line):
            ended = subprocess.run(
                command, cwd=self.project, env=self.environment, stdout=heard, stderr=heard, text=True
            )
        said = (ended.stdout or "") + (ended.stderr or "")
        print(said, end="", flush=True)
        if bool(ended.returncode) != bool(refused) or (refused or "") not in said:
            raise subprocess.CalledProcessError(ended.returncode, command)

    @contextmanager
    def timed(self, line: str) -> Iterator[None]:
        """Note what the block took."""
        started, worked = time.monotonic(), cpu_s()
        yield
        seconds, worked = time.monotonic() - started, cpu_s() - worked
        self.took.append((line, seconds, worked))
        print(f"took {seconds:.0f} s, {worked:.0f} s of processors: {line}", flush=True)
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass  # What has ended meanwhile; its seconds stay counted.

    def print_table(self) -> None:
        """What each line took, and all together."""
        print("\n| line | seconds | of processors |\n|---|---|---|")
        everything = ("all", sum(row[1] for row in self.took), sum(row[2] for row in self.took))
        for line, seconds, worked in [*self.took, everything]:
            print(f"| {line} | {seconds:.0f} | {worked:.0f} |")
