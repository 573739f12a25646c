"""What this pipeline, and the ffmpeg command, make of a recording whose truth is burnt into it."""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.known_plans import Plan
from benchmarks.known_recordings import BITS, BURST_S, PITCHES, SIZE, pitch_of, run_ffmpeg
from mfer_core.base.settings import Extract
from mfer_core.media.clip import extract_clip
from mfer_core.media.read import decode_image

RATE = 16_000  # Hz


@dataclass(frozen=True)
class Decoded:
    """What a decode gives: (time, number) of pictures and bursts, seconds, and time_s it ends."""

    pictures: list[tuple[float, int]]
    bursts: list[tuple[float, int]]
    end_s: float


def decode_by_pipeline(path: Path, plan: Plan, settings: Extract) -> Decoded:
    """The pictures and bursts that stage extract finds in the file. Raises ClipError."""
    clip = extract_clip(path, settings)
    turn = -(plan.rotation // 90)
    pictures = [(row["time_s"], number_in(np.rot90(decode_image(row["image"]), turn))) for row in clip.frames]
    bursts: list[tuple[float, int]] = []
    if clip.waveform is not None:
        bursts = find_bursts(
            np.asarray(clip.waveform["samples"], np.float32) / 32768, clip.waveform["offset_s"]
        )
    return Decoded(pictures, bursts, clip.facts["duration_s"])


def decode_by_ffmpeg(path: Path, plan: Plan) -> Decoded:
    """The pictures and bursts that the ffmpeg command finds, at its times of frames (showinfo, ashowinfo),
    counted from the earliest one.
    """
    pictures, end_s = [], 0.0
    if plan.video:
        scale = f"scale={SIZE[0]}:{SIZE[1]}"
        arguments = ("-noautorotate", "-copyts", "-i", path, "-map", "0:v:0", "-fps_mode", "passthrough")
        output = run_ffmpeg(*arguments, "-vf", f"showinfo,{scale},format=gray", "-f", "rawvideo", "-")
        times = [float(time_s) for time_s in re.findall(rb"Parsed_showinfo.*? pts_time:(\S+)", output.stderr)]
        frames = np.frombuffer(output.stdout, np.uint8).reshape(-1, SIZE[1], SIZE[0])
        middle = frames[:, 4:-4, 20:-20]
        pictures = [(time_s, number_in(frame)) for time_s, frame in zip(times, middle, strict=False)]
    sound, sound_s = np.zeros(0, np.float32), 0.0
    if plan.sound:
        sound, sound_s = _sound_by_ffmpeg(path)
    starts = [time_s for time_s, _ in pictures[:1]] + ([sound_s] if len(sound) else [])
    zero = min(starts, default=0.0)
    bursts = find_bursts(sound, sound_s - zero) if len(sound) else []
    end_s = max(end_s, sound_s - zero + len(sound) / RATE, *(time_s - zero for time_s, _ in pictures), 0.0)
    return Decoded([(time_s - zero, number) for time_s, number in pictures], bursts, end_s)


def _sound_by_ffmpeg(path: Path) -> tuple[np.ndarray, float]:
    """Mono float32 [N] at 16 kHz, every frame at the time that ashowinfo gives it, and the time of the
    first.
    """
    chain = f"aformat=channel_layouts=mono,aresample={RATE},ashowinfo"
    output = run_ffmpeg("-copyts", "-i", path, "-map", "0:a:0", "-af", chain, "-f", "f32le", "-")
    frames = re.findall(rb"Parsed_ashowinfo.*? pts_time:(\S+).*? nb_samples:(\d+)", output.stderr)
    samples = np.frombuffer(output.stdout, np.float32)
    times = [0.0 if time_s == b"NOPTS" else float(time_s) for time_s, _ in frames]
    if not times:
        return samples, 0.0
    counts = [int(count) for _, count in frames]
    starts = [max(0, round((time_s - times[0]) * RATE)) for time_s in times]
    placed = np.zeros(max(start + count for start, count in zip(starts, counts, strict=True)), np.float32)
    for start, part in zip(starts, np.split(samples, np.cumsum(counts)[:-1]), strict=True):
        placed[start : start + len(part)] = part
    return placed, times[0]


def number_in(crop: np.ndarray) -> int:
    """The number that the middle square of a picture shows."""
    side = min(crop.shape[:2])
    top, left = (crop.shape[0] - side) // 2, (crop.shape[1] - side) // 2
    third = side / 3
    middles = [round(third * (block + 0.5)) for block in range(3)]
    return sum(
        int(crop[top + middles[bit // 3], left + middles[bit % 3]] > 128) << bit for bit in range(BITS)
    )


def find_bursts(sound: np.ndarray, offset_s: float) -> list[tuple[float, int]]:
    """(time, number) of every burst in mono sound at 16 kHz."""
    window = int(0.004 * RATE)
    power = np.convolve(np.square(sound.astype(np.float64)), np.ones(window) / window, "same")
    loud = power > 0.2 * np.quantile(power[power > 1e-4], 0.7) if (power > 1e-4).any() else power > 1
    edges = np.flatnonzero(np.diff(np.concatenate([[0], loud.astype(int), [0]])))
    return [
        (offset_s + start / RATE, _pitch_number(sound[start:end]))
        for start, end in _merged(edges.reshape(-1, 2))
        if end - start > 0.6 * BURST_S * RATE
    ]


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
