"""What the pipeline takes on this machine: from nothing, with nothing to do, and after one changed setting.

    python -m benchmarks.pipeline            # make run's way: independent stages side by side
    python -m benchmarks.pipeline --serial   # also a plain `dvc repro`, whose results are compared

Runs in a copy of this checkout below the system's temporary folder, with this environment. Seconds by the
clock need a machine that does nothing else; those of the processors hold on a busy one too.
"""

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
from ruamel.yaml import YAML

from benchmarks.figures import Figure, hand_over
from mfer_core.cache.code import ROOT

RUN, REPRO, SHOW = ("flows", "mfer"), ("dvc", "repro"), ("flows", "show")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--serial", action="store_true", help="also time a plain `dvc repro` from nothing")
    arguments = parser.parse_args()
    print(f"{os.cpu_count()} cores, {platform.machine()}, load before the start {os.getloadavg()[0]:.1f}\n")
    with tempfile.TemporaryDirectory(prefix="mfer-pipeline-") as folder:
        rows = []
        project = copy_checkout(Path(folder) / "run")
        rows.append(("`make run` from nothing", seconds(project, RUN, SHOW)))
        stages = read_seconds(project)
        rows.append(("`make run`, nothing to do", seconds(project, RUN, SHOW)))
        rows.append(("`dvc repro`, nothing to do", seconds(project, REPRO)))
        if arguments.serial:
            serial = copy_checkout(Path(folder) / "serial")
            rows.append(("`dvc repro` from nothing", seconds(serial, REPRO)))
            print(f"result files that differ between both: {differing(project, serial) or 'none'}\n")
        change_setting(project)
        rows.append(("`make run`, one setting of train_fused changed", seconds(project, RUN, SHOW)))
    print("| what | seconds |\n|---|---|")
    for name, spent in rows:
        print(f"| {name} | {spent:.1f} |")
    print("\n| stage | seconds | of a core |\n|---|---|---|")
    for stage, one in sorted(stages.items(), key=lambda item: item[1]["ended"]):
        print(f"| {stage} | {one['seconds']:.1f} | {one['processor']:.1f} |")
    worked = sum(one["processor"] for one in stages.values())
    cores, (whole, idle, repro) = os.cpu_count() or 1, [spent for _, spent in rows[:3]]
    hand_over(
        Figure(
            "`make run` from nothing",
            "its stages' processor time over all cores",
            whole * cores / worked,
            "less",
        ),
        Figure("`make run`, nothing to do", "`dvc repro`, nothing to do", idle / repro, "less"),
    )
    print(f"| all | {sum(one['seconds'] for one in stages.values()):.1f} | {worked:.1f} |")


def copy_checkout(folder: Path) -> Path:
    """The files that the next commit would hold, as a project of their own."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in listed.splitlines():
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    return folder


def seconds(project: Path, *modules: tuple[str, ...]) -> float:
    """The clock's seconds of these commands, one after the other; returns once their servers have ended."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"PYTHONPATH": str(project), "PATH": path}
    start = time.perf_counter()
    for module in modules:
        command = [sys.executable, "-m", *module]
        subprocess.run(command, cwd=project, env=environment, check=True, stdout=subprocess.DEVNULL)
    spent = time.perf_counter() - start
    while any(works_in(project, process) for process in psutil.process_iter()):
        time.sleep(0.5)
    return spent


def works_in(project: Path, process: psutil.Process) -> bool:
    try:
        return process.cwd() == str(project)
    except psutil.Error:
        return False


def read_seconds(project: Path) -> dict[str, dict[str, float]]:
    return json.loads((project / ".prefect" / "seconds.json").read_text(encoding="utf-8"))


def differing(one: Path, other: Path) -> list[str]:
    """The files of the stages that end in figures that are not the same, byte for byte, in two projects."""
    trained = ("train_visual", "pretrain_audio", "train_audio", "train_fused", "train_final")
    folders = (*trained, "evaluate", "transfer")
    contents = [
        {
            str(path.relative_to(project)): path.read_bytes()
            for folder in folders
            for path in (project / "data" / folder).rglob("*")
            if path.is_file()
        }
        for project in (one, other)
    ]
    first, second = contents
    return sorted(name for name in first.keys() | second.keys() if first.get(name) != second.get(name))


def change_setting(project: Path) -> None:
    yaml = YAML()
    values = yaml.load(project / "params.yaml")
    values["train_fused"]["label_smoothing"] = 0.04
    yaml.dump(values, project / "params.yaml")


if __name__ == "__main__":
    main()
