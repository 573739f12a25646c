"""The long haul: does the time per clip, or memory, grow with the number of clips; what do runs leave that
have nothing to do?

    python -m benchmarks.haul FOLDER --clips 100000     ingest, extract, embed and folds of so many tiny clips
    python -m benchmarks.haul FOLDER --predict 1000     so many of them in one `mfer predict`, and once more
    python -m benchmarks.haul FOLDER --no-op 200        so many `mfer mfer` and `dvc repro` with nothing to do

The clips are real files (H.264 and PCM in QuickTime's container, 0.4 s, 96x72), each with sound of its own;
the encoders are the default's compact ones. In the same FOLDER it goes on where it stopped, and more clips
come to those that are there: for figures of a stage, its results must not be there yet. Printed are, for each
loop of a stage, clips per second in tenths of the way, and what the processes hold once 1,000 clips are done
and at the end; Prefect's server apart.
"""

import argparse
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from ruamel.yaml import YAML

from benchmarks.haul.clips import write_clips
from benchmarks.haul.no_op import run_without_work
from benchmarks.haul.observed import Observed, run_observed
from benchmarks.haul.predictions import predict_many
from benchmarks.timing import timed
from flows.project import initialise
from mfer_core.cache.code import ROOT

CORPUS = "haul"
DEMO = {"crema_d": (3, 4), "fer2013": (4, 14)}  # speakers, clips of each: for the compact encoders
SETTINGS = {
    "media_corpora": [CORPUS, "crema_d", "custom"],
    "roles": {"benchmark": CORPUS, "pretraining": ["crema_d"]},
    "folds": {"protocols": ["groupk:5"]},
    "register": {"protocol": "groupk:5"},
    "extract": {"frames_per_second": 1, "image_size": 48, "detect_side": 64},
    "pretrain_vit": {"epochs": 1},
    "pretrain_emotion2vec": {"epochs": 1},
}
BEFORE = (  # what the stages of the corpus need
    ("demo",),
    *(("ingest", "--corpus", name) for name in ("crema_d", "fer2013", "custom")),
    *(("extract", "--corpus", name) for name in ("crema_d", "custom")),
    ("pool_clips", "--corpus", "crema_d"),
    ("pretrain_vit",),
    ("pretrain_emotion2vec",),
)
STAGES = (*((name, "--corpus", CORPUS) for name in ("ingest", "extract", "embed")), ("folds",))
FIRST = 1000  # clips after which memory is looked at first
TENTHS = 10


def lay_out(project: Path) -> None:
    """A project with settings of its own, and the encoders made."""
    if (project / "ready").exists():
        return
    shutil.rmtree(project, ignore_errors=True)
    initialise(project)
    yaml = YAML()
    values = yaml.load(ROOT / "params.yaml")
    corpora = {name: values["corpora"][name] for name in (*DEMO, "custom")}
    for name, (speakers, clips) in DEMO.items():
        corpora[name]["demo"] = {"speakers": speakers, "clips_per_speaker": clips}
    corpora["custom"] = {"adapter": "custom", "source": "absent", "path": "data/raw/custom"}
    path = f"data/raw/{CORPUS}"
    corpora[CORPUS] = {"adapter": "custom", "source": "local", "path": path, "speaker_pattern": r"^(P\d+)_"}
    values["corpora"] = corpora
    for section, changes in SETTINGS.items():
        if isinstance(changes, dict):
            values[section].update(changes)
        else:
            values[section] = changes
    yaml.dump(values, project / "params.yaml")
    for arguments in BEFORE:
        run_observed(project, *arguments)
    (project / "ready").touch()


def haul(project: Path, clips: int, processes: int) -> None:
    """Make the clips and run the stages, with the figures of each."""
    lay_out(project)
    raw = project / "data" / "raw" / CORPUS
    written, seconds = timed(lambda: write_clips(raw, clips, processes))
    print(f"{written} clips written in {seconds:.0f} s, {_gib(raw):.2f} GiB", flush=True)
    for stage in STAGES:
        observed = run_observed(project, *stage)
        print(f"\n{stage[0]}: {observed.seconds:.0f} s, {clips / observed.seconds:.1f} clips/s", flush=True)
        _print_speed(observed, clips)
        _print_memory(observed, clips)
        out = project / "data" / stage[0]
        folders = [path for path in (out, *out.rglob(CORPUS)) if path.is_dir()]
        print(f"  disk: {_gib(folders[-1] if len(folders) == 2 else out):.2f} GiB")
    print(f"\n.prefect: {_gib(project / '.prefect'):.3f} GiB", flush=True)


def _print_speed(observed: Observed, clips: int) -> None:
    for title in observed.titles():
        times = [observed.at(tenth / TENTHS, title) for tenth in range(TENTHS + 1)]
        speeds = [clips / TENTHS / span for span in np.diff(times)]
        costs = 1000 * np.diff([observed.cpu_until(time_s) for time_s in times]) / (clips / TENTHS)
        print(f"  {title}, clips/s in each tenth: {_figures(speeds)}")
        print(f"  {title}, ms of a processor per clip in each tenth: {_figures(costs)}")


def _figures(values: Iterable[float]) -> str:
    return " ".join("-" if np.isnan(value) else f"{value:.1f}" for value in values)


def _print_memory(observed: Observed, clips: int) -> None:
    moments = {}
    for title in observed.titles()[:1]:
        last = [step for step in observed.steps if step.title == title][-1]
        at_last = f"{clips * last.done / last.total:.0f} clips"
        moments = {f"{FIRST} clips": observed.at(FIRST / clips, title), at_last: last.time_s}
    for moment, time_s in moments.items():
        if sample := observed.held(time_s):
            program, server = sample.program, sample.server
            held = f"{program.held:.0f} MiB held and {program.mapped:.0f} of mapped files"
            print(f"  at {moment} ({time_s:.0f} s): {held}; Prefect's server {server.held:.0f} MiB")
    if observed.samples:
        print(f"  most held: {max(sample.program.held for sample in observed.samples):.0f} MiB")


def _gib(folder: Path) -> float:
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file()) / 2**30


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--clips", type=int, default=0)
    parser.add_argument("--predict", type=int, default=0, metavar="RECORDINGS")
    parser.add_argument("--no-op", type=int, default=0, metavar="RUNS")
    parser.add_argument("--processes", type=int, default=2, help="that write clips")
    options = parser.parse_args()
    if options.clips:
        haul(options.folder / "many" / "project", options.clips, options.processes)
    if options.predict:
        runs = predict_many(options.folder / "predict" / "project", options.predict, options.processes)
        for name, observed in zip(("predict", "once more"), runs, strict=True):
            print(f"\n{name}: {options.predict} recordings, {observed.seconds:.0f} s", flush=True)
            _print_speed(observed, options.predict)
            _print_memory(observed, options.predict)
    return run_without_work(options.folder / "no-op", options.no_op) if options.no_op else 0


if __name__ == "__main__":
    sys.exit(main())
