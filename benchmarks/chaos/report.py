"""What the trials came to, as Markdown and JSON."""

import errno
import json
import os
import platform
from collections import Counter
from pathlib import Path

import psutil

from benchmarks.chaos.planted import PLANTS

PHASES = {
    "null": "without kills (null control)",
    "point": "killed before and after points",
    "power": "power lost after points",
    "fault": "calls fail (disk full, broken, closed)",
    "random": "killed at random times",
    "whole": "whole runs killed at random times",
}


def write_report(trials: dict[str, dict], seed: int, folder: Path) -> int:
    """Write report.md and report.json into ``folder``; returns the exit status."""
    by_phase = {phase: [t for name, t in trials.items() if name.startswith(f"{phase}/")] for phase in PHASES}
    failed = [trial for phase in by_phase.values() for trial in phase if trial["faults"]]
    planted = {bug: _planted(bug, trials) for bug in PLANTS}
    memory = psutil.virtual_memory().total / 2**30
    system = f"{platform.system()} {platform.release()}, Python {platform.python_version()}"
    machine = f"{os.cpu_count()} cores, {memory:.0f} GiB, {system}"
    versions = Counter(trial["version"] for trial in trials.values())
    commits = ", ".join(f"{count} trials of {commit}" for commit, count in versions.items())
    lines = [f"Machine: {machine}. Seed {seed}. {commits}.", ""]
    lines += ["| trials | number | runs killed or stopped | failed | minutes |", "|---|---|---|---|---|"]
    for phase, made in by_phase.items():
        failures, killed = (
            sum(bool(trial["faults"]) for trial in made),
            sum(trial["killed"] for trial in made),
        )
        minutes = sum(trial["seconds"] for trial in made) / 60
        lines.append(f"| {PHASES[phase]} | {len(made)} | {killed} | {failures} | {minutes:.0f} |")
    if helped := sum(trial.get("helped", 0) for trial in trials.values()):
        lines += ["", f"{helped} times a plain `dvc repro` had to be helped by `mfer check`."]
    lines += ["", "| planted bug | found in trial | by |", "|---|---|---|"]
    lines += [f"| {bug} | {number or 'not found'} | {fault} |" for bug, (number, fault) in planted.items()]
    lines += ["", *_by_kind(trials), "", *_by_unit(by_phase)]
    lines += ["", *(f"- `{trial['name']}`: {'; '.join(trial['faults'])}" for trial in failed)]
    (folder / "report.md").write_text("\n".join(lines).rstrip() + "\n")
    content = {"machine": machine, "seed": seed, "trials": [*trials.values()], "planted": planted}
    (folder / "report.json").write_text(json.dumps(content, indent=1) + "\n")
    print("\n".join(lines))
    missed = [bug for bug, (number, _) in planted.items() if number is None and _was_tried(bug, trials)]
    return int(bool(failed or missed))


def _planted(bug: str, trials: dict[str, dict]) -> tuple[int | None, str]:
    """The number of the trial that showed a planted bug, and the first fault."""
    made = [trial for name, trial in trials.items() if name.startswith(f"planted/{bug}/")]
    for number, trial in enumerate(made, 1):
        if trial["faults"]:
            return number, trial["faults"][0][:100]
    return None, ""


def _was_tried(bug: str, trials: dict[str, dict]) -> bool:
    return any(name.startswith(f"planted/{bug}/") for name in trials)


def _by_unit(by_phase: dict[str, list[dict]]) -> list[str]:
    counts = {phase: Counter(trial["unit"] for trial in made) for phase, made in by_phase.items()}
    names = list(dict.fromkeys(trial["unit"] for made in by_phase.values() for trial in made))
    lines = [f"| run | {' | '.join(PHASES)} |", f"|---{'|---' * len(PHASES)}|"]
    return lines + [
        f"| {name} | {' | '.join(str(counts[phase][name]) for phase in PHASES)} |" for name in names
    ]


def _by_kind(trials: dict[str, dict]) -> list[str]:
    """How often each kind of point was hit, and in the unit where it was hit least."""
    hits = hits_of(trials)
    lines = ["| hit | units | hits | least in a unit |", "|---|---|---|---|"]
    for kind in dict.fromkeys(kind for kind, _ in hits):
        counts = [count for (other, _), count in hits.items() if other == kind]
        lines.append(f"| {kind} | {len(counts)} | {sum(counts)} | {min(counts)} |")
    return lines


def hits_of(trials: dict[str, dict]) -> Counter[tuple[str, str]]:
    """(kind of point, unit) -> runs that were killed or stopped there."""
    hits = Counter[tuple[str, str]]()
    for name, trial in sorted(trials.items()):
        for killed in trial.get("victims", ()):
            if " of DVC " in (moment := killed.partition(":")[0]):
                hits[moment, trial["unit"]] += 1
        for number, kill in enumerate(trial["kills"]):
            if isinstance(kill, dict) and "after" in kill and "plant" in trial and not trial["plant"]:
                side = "after " if kill["after"] else "before "
                kind = {"point": side + kill["kind"], "power": f"power, {trial['power']}"}
                phase = name.partition("/")[0]
                what = kind.get(phase) or f"fails: {errno.errorcode.get(kill['error'])}"
                hits[what, trial["unit"]] += number in trial["hit"]
    return hits
