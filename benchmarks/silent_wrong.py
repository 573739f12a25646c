"""Recordings of known truth through extraction: every picture's time, every burst's, and the duration, or a
reason why not.

    python -m benchmarks.silent_wrong [--count 300 --seed 0 --keep folder]

Each recording (see ``known_recordings``) is extracted. A difference from its truth above one frame or 20 ms
of sound is looked at with the ffmpeg command: where that decodes the file alike, the file itself differs (its
container cannot hold what was asked for), and this explains it. Exit status 1 after any difference that is
not explained so, and after a recording that is refused.
"""

import argparse
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from benchmarks.known_decodes import Decoded, decode_by_ffmpeg, decode_by_pipeline
from benchmarks.known_plans import Plan, draw_plan
from benchmarks.known_recordings import Truth, write_recording
from mfer_core.base.errors import ClipError
from mfer_core.base.settings import Extract, load_settings

ROOT = Path(__file__).resolve().parents[1]
FRAMES_PER_SECOND = 10.0
SOUND_S = 0.020  # A larger difference of the sound is reported.
# Encoders put silence before the sound, and containers keep it: some milliseconds, and this many samples.
DELAY_S, DELAY_SAMPLES = 0.03, 1200
JOIN_S = 0.35  # A recording's last codec frame delays the next recording of the file by so much.


def differences(decoded: Decoded, truth: Truth, delay_s: float) -> Iterator[str]:
    """Every difference above one frame or 20 ms of sound; a delay that sound and picture share is the
    encoder's.
    """
    join_s = JOIN_S if truth.second else 0.0
    second = truth.second or (len(truth.pictures), len(truth.bursts))
    spans = _spans(truth)
    first = {number: spans[number] for _, number in truth.pictures[: second[0]]}
    later = {number: spans[number] for _, number in truth.pictures[second[0] :]}
    pairs = _paired(decoded.bursts, truth.bursts)
    sound = [by for index, by in pairs if index < second[1]]
    yield from _part("", decoded.pictures, first, sound, delay_s, truth)
    if truth.second:
        sound = [by for index, by in pairs if index >= second[1]]
        yield from _part("second recording: ", decoded.pictures, later, sound, JOIN_S, truth)
    unknown = {number for _, number in decoded.pictures} - set(spans)
    if unknown:
        yield f"pictures that are not there: {sorted(unknown)}"
    if len(pairs) < len(truth.bursts) - (1 if truth.second is None else 2):
        yield f"{len(truth.bursts) - len(pairs)} of {len(truth.bursts)} bursts are missing"
    if truth.pictures:
        missing = _never_shown(decoded, truth, 1 / FRAMES_PER_SECOND + delay_s + join_s)
        if missing:
            yield missing
    # A last picture of which the file does not say how long it stays, and a last codec frame that is not
    # full.
    if abs(decoded.end_s - truth.end_s) > 2 * delay_s + _widest_s(truth) + join_s:
        yield f"lasts {decoded.end_s:.3f} s, not {truth.end_s:.3f} s"


def _spans(truth: Truth) -> dict[int, tuple[float, float]]:
    """From when until when each picture is on screen; where rates vary, few files say how long the last one
    stays.
    """
    last_end_s = truth.picture_end_s + _widest_s(truth) - truth.frame_s
    ends = [*(when for when, _ in truth.pictures[1:]), last_end_s][: len(truth.pictures)]
    if truth.second and truth.second[0]:
        ends[truth.second[0] - 1] += JOIN_S  # The last picture stands until the next recording.
    return {number: (when, end) for (when, number), end in zip(truth.pictures, ends, strict=True)}


def _paired(heard: list[tuple[float, int]], bursts: list[tuple[float, int]]) -> list[tuple[int, float]]:
    """(index in the truth, difference in time) of every burst that is heard, in order, the same pitch with
    the same.
    """
    pairs, index = [], 0
    for when, number in heard:
        near = [later for later in range(index, min(len(bursts), index + 4)) if bursts[later][1] == number]
        if near:
            index = near[0] + 1
            pairs.append((near[0], when - bursts[near[0]][0]))
    return pairs


def _part(
    name: str,
    shown: list[tuple[float, int]],
    spans: dict[int, tuple[float, float]],
    sound: list[float],
    delay_s: float,
    truth: Truth,
) -> Iterator[str]:
    """Differences of one recording in the file; without sound its pictures tell how late all of it is."""
    shown = [(when, spans[number]) for when, number in shown if number in spans]
    picture_s = _median(_beyond(when, span) for when, span in shown)
    shift_s = _median(sound) if sound else picture_s
    if abs(shift_s) > delay_s:
        yield f"{name}all {shift_s:+.3f} s"
    worst = max((by - shift_s for by in sound), key=abs, default=0.0)
    if abs(worst) > SOUND_S:
        yield f"{name}sound {worst:+.3f} s"
    late_s = picture_s if truth.sound_late_alone else shift_s
    worst = max((_beyond(when - late_s, span) for when, span in shown), key=abs, default=0.0)
    if abs(worst) > truth.frame_s + 2e-3:
        yield f"{name}picture {worst:+.3f} s, frames are {truth.frame_s:.3f} s"


def _beyond(when: float, span: tuple[float, float]) -> float:
    """How far a moment lies before (below 0) or after a span of time."""
    return min(0.0, when - span[0]) + max(0.0, when - span[1])


def _median(values: Iterable[float]) -> float:
    return float(np.median([*values] or [0.0]))


def _never_shown(decoded: Decoded, truth: Truth, step_s: float) -> str | None:
    """Stretches of the picture that no sampled frame shows; two sampled frames lie at most ``step_s``
    apart.
    """
    shown = sorted(when for when, _ in decoded.pictures)
    if not shown:
        return "no picture at all"
    step_s += _widest_s(truth)
    if shown[-1] < truth.pictures[-1][0] - step_s:
        return f"pictures end at {shown[-1]:.2f} s, not at {truth.pictures[-1][0]:.2f} s"
    hole_s = float(np.diff(shown).max(initial=0.0))
    return f"no picture for {hole_s:.2f} s" if hole_s > step_s else None


def _widest_s(truth: Truth) -> float:
    """The longest time that one picture stays."""
    return float(np.diff([when for when, _ in truth.pictures]).max(initial=truth.frame_s))


def examine(plan: Plan, folder: Path, name: str, settings: Extract) -> tuple[str, list[str]] | None:
    """ "right", "explained", "refused" or "WRONG", and the differences; None where ffmpeg cannot write such a
    file.
    """
    try:
        path, truth = write_recording(plan, folder, name)
    except (subprocess.CalledProcessError, ValueError, OSError):
        return None
    delay_s = DELAY_S + (DELAY_SAMPLES / plan.sound_rate if plan.sound else 0.0)
    try:
        decoded = decode_by_pipeline(path, plan, settings)
    except ClipError as error:
        return "REFUSED", [str(error)]
    wrong = list(differences(decoded, truth, delay_s))
    if not wrong:
        return "right", []
    theirs = decode_by_ffmpeg(path, plan)
    file = Truth(theirs.pictures, theirs.bursts, truth.picture_end_s, theirs.end_s, truth.frame_s)
    return ("WRONG" if list(differences(decoded, file, delay_s)) else "explained"), wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="keep the recordings that differ in this folder")
    options = parser.parse_args()
    base = load_settings(ROOT / "params.yaml").extract
    settings = base.model_copy(update={"frames_per_second": FRAMES_PER_SECOND, "image_format": "png"})
    random, results, kinds = np.random.default_rng(options.seed), Counter(), Counter()
    refused_by_ffmpeg = 0
    while sum(results.values()) < options.count:
        plan = draw_plan(random)
        number = sum(results.values())
        with tempfile.TemporaryDirectory() as scratch:
            folder = options.keep or Path(scratch)
            folder.mkdir(parents=True, exist_ok=True)
            outcome = examine(plan, folder, f"{number:04d}", settings)
        if outcome is None:
            refused_by_ffmpeg += 1
            continue
        results[outcome[0]] += 1
        kinds[plan.suffix] += 1
        if outcome[0] != "right":
            print(f"{number:4} {outcome[0]:9} {plan}: {'; '.join(outcome[1])}", flush=True)
    print(f"{sum(results.values())} recordings, {len(kinds)} containers: {dict(results)}")
    print(f"plans that ffmpeg or its muxer refused: {refused_by_ffmpeg}")
    return int(results["WRONG"] + results["REFUSED"] > 0)


if __name__ == "__main__":
    sys.exit(main())
