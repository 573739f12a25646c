"""Many short clips at little cost: a few encoded pictures, and to each clip sound of its own."""

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from fractions import Fraction
from functools import partial
from pathlib import Path

import av
import numpy as np

from mfer_core.base.labels import EIGHT
from tests.media.recordings import draw_face

SIZE, RATE, PICTURES = (96, 72), 10, 4  # pixels, pictures per second, pictures of a clip
SOUND_RATE, SOUND_S = 16_000, 0.4
CLIPS_PER_SPEAKER = 100
ENCODED = 16  # different pictures of all clips
TOGETHER = 500  # clips that a process writes at a time


def clip_name(number: int) -> str:
    """Such as "P0003/P0003_000312_happy.mov": the speaker, the number, the emotion."""
    speaker = f"P{number // CLIPS_PER_SPEAKER:04d}"
    return f"{speaker}/{speaker}_{number:06d}_{EIGHT[number % len(EIGHT)]}.mov"


def write_clips(folder: Path, count: int, processes: int) -> int:
    """Write the clips 0 to ``count`` that are not there; returns how many were written."""
    pictures = folder.with_name(f"{folder.name}-pictures")
    pictures.mkdir(parents=True, exist_ok=True)
    for number in range(ENCODED):
        _encode(pictures / f"{number:02d}.mov", number)
    starts = range(0, count, TOGETHER)
    with ProcessPoolExecutor(processes) as pool:
        return sum(pool.map(partial(_write, folder, pictures, count), starts))


def _write(folder: Path, pictures: Path, count: int, start: int) -> int:
    missing = list(_missing(folder, range(start, min(count, start + TOGETHER))))
    for number, path in missing:
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_name(f".{path.name}")  # not synced: a clip that is lost is written again
        _join(pictures / f"{number % ENCODED:02d}.mov", _sound(number), unfinished)
        unfinished.rename(path)
    return len(missing)


def _missing(folder: Path, numbers: range) -> Iterator[tuple[int, Path]]:
    for number in numbers:
        path = folder / clip_name(number)
        if not path.exists():
            yield number, path


def _encode(path: Path, seed: int) -> None:
    """H.264 of a drawn face that moves."""
    rng = np.random.default_rng(seed)
    width, height = SIZE
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=RATE, options={"preset": "ultrafast"})
        video.width, video.height, video.pix_fmt = width, height, "yuv420p"
        for at in range(PICTURES):
            picture = np.full((height, width, 3), rng.integers(90, 190), np.uint8)
            draw_face(picture, width // 2 + at, height // 2, height * 3 // 4)
            container.mux(video.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        container.mux(video.encode())


def _sound(number: int) -> np.ndarray:
    """int16 [1, N]: a voice-like buzz in noise, another one for each number."""
    rng = np.random.default_rng(number)
    times = np.arange(round(SOUND_S * SOUND_RATE)) / SOUND_RATE
    pitch = rng.uniform(90, 260)
    buzz = sum(np.sin(2 * np.pi * pitch * harmonic * times) / harmonic for harmonic in range(1, 6))
    samples = 6000 * buzz * np.hanning(len(times)) + 300 * rng.standard_normal(len(times))
    return samples.astype(np.int16)[None]


def _join(pictures: Path, sound: np.ndarray, path: Path) -> None:
    """The pictures' packets as they are, and the sound as PCM, in QuickTime's container."""
    with av.open(str(pictures)) as source, av.open(str(path), "w", format="mov") as container:
        video = container.add_stream_from_template(source.streams.video[0])
        audio = container.add_stream("pcm_s16le", rate=SOUND_RATE, layout="mono")
        for packet in source.demux():
            if packet.dts is not None:
                packet.stream = video
                container.mux(packet)
        frame = av.AudioFrame.from_ndarray(sound, "s16", "mono")
        frame.sample_rate, frame.pts, frame.time_base = SOUND_RATE, 0, Fraction(1, SOUND_RATE)
        container.mux([*audio.encode(frame), *audio.encode()])
