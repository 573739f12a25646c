"""Inputs that are led by the code they reach: what runs a new branch of a reader is changed further.

    python -m benchmarks.hostile.guided ENTRANCE ... [--seconds 300 --seed 0 --keep FOLDER]

The entrances are those of ``python -m benchmarks.hostile`` but for the checkpoint folders. Only branches in
Python lead. It needs atheris, which is no requirement of the project: ``pip install atheris`` into a copy of
its environment. Exit status 1 after anything but a result or one line; ``--keep`` writes those inputs.
"""

import argparse
import os
import re
import sys
import tempfile
from contextlib import redirect_stderr
from pathlib import Path
from typing import NoReturn

import atheris

from benchmarks.hostile.inputs import LIMIT_S, WORDS, Entrance, limit_memory, outcome

INSTRUMENTED = ["mfer_core", "ruamel.yaml", "json"]
RUNS = re.compile(r"stat::number_of_executed_units:\s+(\d+)")
COVERAGE = re.compile(r"cov: (\d+)")


def lead(entrance: Entrance, options: argparse.Namespace, folder: Path) -> NoReturn:
    """Become libFuzzer, which leaves in ``folder`` a file for each kind of fault, and ends by itself."""
    inputs, words, known = folder / "inputs", folder / "words", set()
    inputs.mkdir()
    (inputs / "good").write_bytes(entrance.good if entrance.inner is None else entrance.inner)
    words.write_text("".join(f'"{_escaped(word)}"\n' for word in WORDS if word))

    def judge(data: bytes) -> None:
        whole = entrance.wrap(data)
        with tempfile.TemporaryDirectory(prefix="hostile-") as scratch:
            answer = " ".join(outcome(entrance, whole, Path(scratch)).split())
        if answer.startswith("FAULT") and answer not in known:
            known.add(answer)
            (folder / f"fault-{len(known)}").write_bytes(whole)
            with (folder / "answers").open("a") as answers:
                answers.write(f"{answer}\n")

    os.dup2(os.open(folder / "log", os.O_CREAT | os.O_WRONLY), 2)
    limit_memory()
    limits = (f"-max_total_time={options.seconds}", f"-timeout={LIMIT_S}", "-rss_limit_mb=0")
    places = (f"-artifact_prefix={folder}/fault-", f"-dict={words}", str(inputs))
    ways = ("-max_len=65536", f"-seed={options.seed + 1}", "-print_final_stats=1")
    atheris.Setup([sys.argv[0], *limits, *ways, *places], judge)
    atheris.Fuzz()
    os._exit(0)


def _escaped(word: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in word[:64].encode())


def explore(name: str, entrance: Entrance, options: argparse.Namespace) -> bool:
    """Say how many inputs an entrance had, what they reached, and the faults; whether there were any."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        child = os.fork()
        if not child:
            lead(entrance, options, folder)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        log = (folder / "log").read_text(errors="replace")
        faults = sorted(folder.glob("fault-*"))
        for path in faults if options.keep else []:
            options.keep.mkdir(parents=True, exist_ok=True)
            kept = f"{name.replace(' ', '_')}-guided{options.seed}-{path.name.removeprefix('fault-')}"
            (options.keep / kept).write_bytes(path.read_bytes())
        reached, number = COVERAGE.findall(log) or ["0"], RUNS.findall(log) or ["?"]
        print(
            f"{name}: {number[0]} inputs, {reached[0]} branches at first, {reached[-1]} at last", flush=True
        )
        if (folder / "answers").exists():
            print((folder / "answers").read_text(), flush=True)
        if status:
            print(f"ended with status {status}: {log[-600:]}", flush=True)
        return bool(faults or status)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("entrances", nargs="+")
    parser.add_argument("--seconds", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="a folder for inputs that are a fault")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        # What a reader imports at its first call has to be instrumented too, so that each reads a good input.
        with (
            Path(os.devnull).open("w") as nowhere,
            redirect_stderr(nowhere),
            atheris.instrument_imports(include=INSTRUMENTED),
        ):
            from benchmarks.hostile.entrances import small_entrances

            known = small_entrances(Path(scratch))
            chosen = {name: known[name] for name in options.entrances}
            for name, entrance in chosen.items():
                folder = Path(scratch) / f"first {name}"
                folder.mkdir()
                outcome(entrance, entrance.good, folder)
        faulty = [explore(name, entrance, options) for name, entrance in chosen.items()]
    return int(any(faulty))


if __name__ == "__main__":
    sys.exit(main())
