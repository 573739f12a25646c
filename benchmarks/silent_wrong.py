"""Recordings of known truth through extraction: every picture's time, every burst's, and the duration, or a
reason why not.

    python -m benchmarks.silent_wrong [--count 300 --seed 0 --keep folder]

Each recording (see ``known_recordings``) is extracted. A difference from its truth above one frame or 20 ms
of sound is looked at with the ffmpeg command: where that decodes the file alike, the file itself differs (its
container cannot hold what was asked for), and this explains it. Exit status 1 after any difference that is
not explained so, and after a recording that is refused.
"""

import argparse
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.known_plans import Plan, draw_plan
from benchmarks.known_recordings import (
    BITS,
    BURST_S,
    PITCHES,
    SIZE,
    Truth,
    pitch_of,
    run_ffmpeg,
    write_recording,
)
from mfer_core.base.errors import ClipError
from mfer_core.base.settings import Extract, load_settings
from mfer_core.media.clip import extract_clip
from mfer_core.media.read import decode_image

ROOT = Path(__file__).resolve().parents[1]
RATE = 16_000  # Hz
FRAMES_PER_SECOND = 10.0
SOUND_S = 0.020  # a larger difference of the sound is reported
# Encoders put silence before the sound, and containers keep it: some milliseconds, and this many samples.
DELAY_S, DELAY_SAMPLES = 0.03, 1200
JOIN_S = 0.35  # what the last codec frame of a recording adds before the next one in the same file


@dataclass(frozen=True)
class Seen:
    """What a decode gives: (time, number) of pictures and bursts, seconds, and when it ends."""

    pictures: list[tuple[float, int]]
    bursts: list[tuple[float, int]]
    end_s: float


def extracted(path: Path, plan: Plan, settings: Extract) -> Seen:
    """What this pipeline makes of the file. Raises ClipError."""
    clip = extract_clip(path, settings)
    turn = -(plan.rotation // 90)
    shown = [(row["time_s"], number_in(np.rot90(decode_image(row["image"]), turn))) for row in clip.frames]
    heard = []
    if clip.waveform is not None:
        heard = find_bursts(
            np.asarray(clip.waveform["samples"], np.float32) / 32768, clip.waveform["offset_s"]
        )
    return Seen(shown, heard, clip.facts["duration_s"])


def commanded(path: Path, plan: Plan) -> Seen:
    """The same by the ffmpeg command: its own times of frames (showinfo, ashowinfo), counted from the
    earliest one.
    """
    pictures, end_s = [], 0.0
    if plan.video:
        scale = f"scale={SIZE[0]}:{SIZE[1]}"
        arguments = ("-noautorotate", "-copyts", "-i", path, "-map", "0:v:0", "-fps_mode", "passthrough")
        done = run_ffmpeg(*arguments, "-vf", f"showinfo,{scale},format=gray", "-f", "rawvideo", "-")
        times = [float(when) for when in re.findall(rb"Parsed_showinfo.*? pts_time:(\S+)", done.stderr)]
        frames = np.frombuffer(done.stdout, np.uint8).reshape(-1, SIZE[1], SIZE[0])
        middle = frames[:, 4:-4, 20:-20]
        pictures = [(when, number_in(frame)) for when, frame in zip(times, middle, strict=False)]
    sound, sound_s = np.zeros(0, np.float32), 0.0
    if plan.sound:
        sound, sound_s = _commanded_sound(path)
    starts = [when for when, _ in pictures[:1]] + ([sound_s] if len(sound) else [])
    zero = min(starts, default=0.0)
    heard = find_bursts(sound, sound_s - zero) if len(sound) else []
    end_s = max(end_s, sound_s - zero + len(sound) / RATE, *(when - zero for when, _ in pictures), 0.0)
    return Seen([(when - zero, number) for when, number in pictures], heard, end_s)


def _commanded_sound(path: Path) -> tuple[np.ndarray, float]:
    """Mono float32 [N] at 16 kHz, every frame at the time that ashowinfo gives it, and the time of the
    first.
    """
    chain = f"aformat=channel_layouts=mono,aresample={RATE},ashowinfo"
    done = run_ffmpeg("-copyts", "-i", path, "-map", "0:a:0", "-af", chain, "-f", "f32le", "-")
    frames = re.findall(rb"Parsed_ashowinfo.*? pts_time:(\S+).*? nb_samples:(\d+)", done.stderr)
    samples = np.frombuffer(done.stdout, np.float32)
    times = [0.0 if when == b"NOPTS" else float(when) for when, _ in frames]
    if not times:
        return samples, 0.0
    counts = [int(count) for _, count in frames]
    places = [max(0, round((when - times[0]) * RATE)) for when in times]
    placed = np.zeros(max(place + count for place, count in zip(places, counts, strict=True)), np.float32)
    for place, part in zip(places, np.split(samples, np.cumsum(counts)[:-1]), strict=True):
        placed[place : place + len(part)] = part
    return placed, times[0]


def number_in(crop: np.ndarray) -> int:
    """The number that the middle square of a picture shows."""
    side = min(crop.shape[:2])
    top, left = (crop.shape[0] - side) // 2, (crop.shape[1] - side) // 2
    third = side / 3
    middles = [round(third * (place + 0.5)) for place in range(3)]
    return sum(
        int(crop[top + middles[bit // 3], left + middles[bit % 3]] > 128) << bit for bit in range(BITS)
    )


def find_bursts(sound: np.ndarray, offset_s: float) -> list[tuple[float, int]]:
    """(time, number) of every burst in mono sound at 16 kHz."""
    window = int(0.004 * RATE)
    power = np.convolve(np.square(sound.astype(np.float64)), np.ones(window) / window, "same")
    loud = power > 0.2 * np.quantile(power[power > 1e-4], 0.7) if (power > 1e-4).any() else power > 1
    edges = np.flatnonzero(np.diff(np.concatenate([[0], loud.astype(int), [0]])))
    found: list[tuple[float, int]] = []
    spans = _merged(edges.reshape(-1, 2))
    for start, end in spans:
        if end - start > 0.6 * BURST_S * RATE:
            found.append((offset_s + start / RATE, _pitch_number(sound[start:end])))
    return found


def _merged(spans: np.ndarray) -> list[tuple[int, int]]:
    """Spans with less than 30 ms between them are one."""
    merged: list[tuple[int, int]] = []
    for start, end in spans.tolist():
        if merged and start - merged[-1][1] < 0.03 * RATE:
            merged[-1] = (merged[-1][0], end)
        else:
            merged.append((start, end))
    return merged


def _pitch_number(sound: np.ndarray) -> int:
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound)), 8192))
    peak = spectrum.argmax() * RATE / 8192
    return int(np.argmin([abs(pitch_of(number) - peak) for number in range(PITCHES)]))


def differences(seen: Seen, truth: Truth, delay_s: float) -> Iterator[str]:
    """Every difference above one frame or 20 ms of sound; a delay that sound and picture share is the
    encoder's.
    """
    join_s = JOIN_S if truth.second else 0.0
    second = truth.second or (len(truth.pictures), len(truth.bursts))
    spans = _spans(truth)
    first = {number: spans[number] for _, number in truth.pictures[: second[0]]}
    later = {number: spans[number] for _, number in truth.pictures[second[0] :]}
    pairs = _paired(seen.bursts, truth.bursts)
    sound = [by for place, by in pairs if place < second[1]]
    yield from _part("", seen.pictures, first, sound, delay_s, truth)
    if truth.second:
        sound = [by for place, by in pairs if place >= second[1]]
        yield from _part("second recording: ", seen.pictures, later, sound, JOIN_S, truth)
    unknown = {number for _, number in seen.pictures} - set(spans)
    if unknown:
        yield f"pictures that are not there: {sorted(unknown)}"
    if len(pairs) < len(truth.bursts) - (1 if truth.second is None else 2):
        yield f"{len(truth.bursts) - len(pairs)} of {len(truth.bursts)} bursts are missing"
    if truth.pictures:
        missing = _never_shown(seen, truth, 1 / FRAMES_PER_SECOND + delay_s + join_s)
        if missing:
            yield missing
    # A last picture of which the file does not say how long it stays, and a last codec frame that is not
    # full.
    if abs(seen.end_s - truth.end_s) > 2 * delay_s + _widest_s(truth) + join_s:
        yield f"lasts {seen.end_s:.3f} s, not {truth.end_s:.3f} s"


def _spans(truth: Truth) -> dict[int, tuple[float, float]]:
    """From when until when each picture is on screen; where rates vary, few files say how long the last one
    stays.
    """
    last_end_s = truth.picture_end_s + _widest_s(truth) - truth.frame_s
    ends = [*(when for when, _ in truth.pictures[1:]), last_end_s][: len(truth.pictures)]
    if truth.second and truth.second[0]:
        ends[truth.second[0] - 1] += JOIN_S  # it stands until the next recording
    return {number: (when, end) for (when, number), end in zip(truth.pictures, ends, strict=True)}


def _paired(heard: list[tuple[float, int]], bursts: list[tuple[float, int]]) -> list[tuple[int, float]]:
    """(place in the truth, difference in time) of every burst that is heard, in order, the same pitch with
    the same.
    """
    pairs, place = [], 0
    for when, number in heard:
        near = [at for at in range(place, min(len(bursts), place + 4)) if abs(bursts[at][1] - number) <= 0]
        if near:
            place = near[0] + 1
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


def _never_shown(seen: Seen, truth: Truth, step_s: float) -> str | None:
    """Stretches of the picture that no sampled frame shows; two sampled frames lie at most ``step_s``
    apart.
    """
    shown = sorted(when for when, _ in seen.pictures)
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
        seen = extracted(path, plan, settings)
    except ClipError as error:
        return "REFUSED", [str(error)]
    wrong = list(differences(seen, truth, delay_s))
    if not wrong:
        return "right", []
    theirs = commanded(path, plan)
    file = Truth(theirs.pictures, theirs.bursts, truth.picture_end_s, theirs.end_s, truth.frame_s)
    return ("WRONG" if list(differences(seen, file, delay_s)) else "explained"), wrong


def options_of(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="keep the recordings that differ in this folder")
    return parser.parse_args(arguments)


def main() -> int:
    options = options_of()
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
