"""Time and memory of ingesting a corpus with RAVDESS's 7,356 names and sizes: at most 60 s on two cores and
500 MB.

python -m benchmarks.ingest

The tree is made of two templates (a 1280x720 H.264 + AAC mp4, a 48 kHz wav), each file made different by a
few bytes and grown to the size of the real one (24.9 GB in all) by a hole that takes no disk space: what is
used of it is hashed, nothing is read from a disk. For comparison the files that are used are then hashed once
more and nothing else.
"""

import resource
import struct
import tempfile
import time
import wave
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path

import av
import numpy as np

from benchmarks.figures import Figure, hand_over
from mfer_core.base.files import sha256_file
from mfer_core.base.settings import Corpus
from mfer_core.corpora.ingest import ingest_corpus

REAL_BYTES = {".mp4": 4_900_000, ".wav": 360_000}  # on average
WORKERS = 2


def names():
    """The 7,356 names of RAVDESS: 60 speech clips of 24 actors and 44 songs of 23, in three modalities."""
    for modality, actor in product(("01", "02", "03"), range(1, 25)):
        for channel, emotions in (("01", range(1, 9)), ("02", range(1, 7))):
            if channel == "02" and actor == 18:
                continue
            for emotion, intensity, statement, repetition in product(emotions, (1, 2), (1, 2), (1, 2)):
                if (emotion, intensity) != (1, 2):
                    fields = (emotion, intensity, statement, repetition, actor)
                    name = "-".join(f"{field:02d}" for field in fields)
                    yield f"Actor_{actor:02d}/{modality}-{channel}-{name}"


def template_mp4(path: Path) -> bytes:
    noise = np.random.default_rng(0).integers(0, 255, (720, 1280, 3), dtype=np.uint8)
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=30, options={"preset": "ultrafast"})
        audio = container.add_stream("aac", rate=48000, layout="mono")
        video.width, video.height, video.pix_fmt = 1280, 720, "yuv420p"
        for _ in range(30):
            container.mux(video.encode(av.VideoFrame.from_ndarray(noise // 8 * 2, format="rgb24")))
        container.mux(video.encode())
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        sound.sample_rate = 48000
        container.mux(audio.encode(sound))
        container.mux(audio.encode())
    return path.read_bytes()


def template_wav(path: Path) -> bytes:
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 48000, 0, "NONE", ""))
        file.writeframes((3000 * np.sin(np.arange(48000 * 3) / 50)).astype("<i2").tobytes())
    return path.read_bytes()


def write_tree(folder: Path) -> tuple[int, int]:
    """Returns the number of files and their bytes."""
    templates = {".mp4": template_mp4(folder / "t.mp4"), ".wav": template_wav(folder / "t.wav")}
    for suffix in templates:
        (folder / f"t{suffix}").unlink()
    count = total = 0
    for count, name in enumerate(names(), 1):
        path = folder / f"{name}{'.wav' if '/03-' in name else '.mp4'}"
        path.parent.mkdir(exist_ok=True)
        content = templates[path.suffix]
        size = REAL_BYTES[path.suffix]
        with path.open("wb") as file:
            # A box or chunk that players skip: an id of its own first, then a hole.
            head = (
                struct.pack(">I4s", size - len(content), b"free")
                if path.suffix == ".mp4"
                else struct.pack("<4sI", b"junk", size - len(content) - 8)
            )
            file.write(content + head + struct.pack("<Q", count))
            file.truncate(size)
        total += size
    return count, total


def timed(work: Callable):
    """The result of ``work``, its seconds on the clock and of all processors."""
    wall, cpu = time.perf_counter(), time.process_time()
    return work(), time.perf_counter() - wall, time.process_time() - cpu


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


def hash_alone(paths: list[Path]) -> None:
    with ThreadPoolExecutor(WORKERS) as pool:
        list(pool.map(sha256_file, paths))


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        count, total = write_tree(folder)
        before = peak_mb()
        corpus = Corpus(adapter="ravdess", source="local", path=folder)
        (clips, rejects, _), wall, cpu = timed(lambda: ingest_corpus("ravdess", corpus, WORKERS))
        peak = peak_mb()
        _, hashing, hashing_cpu = timed(lambda: hash_alone([folder / clip.path for clip in clips]))
    print(f"{count} files, {total / 1e9:.1f} GB: {len(clips)} accepted + {len(rejects)} rejected")
    print(
        f"ingest: {wall:.1f} s on {WORKERS} workers, {cpu:.1f} s of processor time, peak memory {peak:.0f} "
        f"MB ({before:.0f} MB before)"
    )
    print(
        f"hashing the accepted files alone: {hashing:.1f} s, {hashing_cpu:.1f} s of processor time; ingest "
        f"takes {wall / hashing:.1f} times that"
    )
    hand_over(Figure("ingest, processor", "hashing the same files", cpu / hashing_cpu, "less"))


if __name__ == "__main__":
    main()
