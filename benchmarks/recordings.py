"""How much memory `mfer predict` holds for long recordings and for many: it should not grow with either.

    python -m benchmarks.recordings --minutes 5 12 30      one recording of each length, 320x180
    python -m benchmarks.recordings --minutes 12 --large   1280x720
    python -m benchmarks.recordings --files 250 1000       so many clips of 2.5 s, in one go each
    python -m benchmarks.recordings --model data/register/model --minutes 12

Every run is `mfer predict` in a process of its own. Told apart is what the program must hold, what its
decoding process must (with the one that it is forked from), what both must at one time, and pages of mapped
files (libraries, the recording's embeddings), which the kernel takes back where memory is short. Each figure
is a peak of its own. Without ``--model`` the default's compact encoders answer, with random weights.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import av
import psutil

from benchmarks.clips import write_ravdess_like, write_small
from benchmarks.cost import PeakMemory
from benchmarks.predict import compact_model
from benchmarks.timing import timed
from mfer_core.base.settings import load_settings

COLUMNS = ("program", "decoding", "both", "mapped")


def repeat(clip: Path, path: Path, seconds: float) -> Path:
    """``clip`` over and over in one file, its packets copied as they are."""
    with av.open(str(clip)) as source, av.open(str(path), "w") as container:
        streams = {stream.index: container.add_stream_from_template(stream) for stream in source.streams}
        # A little more than the longest stream, so that no packet comes before one that was written.
        length = source.duration / av.time_base + 0.1
        for turn in range(round(seconds / length)):
            source.seek(0)
            for packet in source.demux():
                if packet.dts is None:
                    continue
                later = round(turn * length / packet.time_base)
                packet.pts, packet.dts = packet.pts + later, packet.dts + later
                packet.stream = streams[packet.stream.index]
                container.mux(packet)
    return path


def measure(title: str, folder: Path, model: Path, max_minutes: float) -> None:
    """Predict a folder and print what it took. Raises CalledProcessError where not all was predicted."""
    out = folder.with_name(f"{folder.name}-out")
    command = [sys.executable, "-m", "flows", "predict", str(folder), "--model", str(model)]
    command += ["--out", str(out), "--max-minutes", str(max_minutes)]
    run = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with PeakMemory(psutil.Process(run.pid)) as memory:
        status, seconds = timed(run.wait)
    if status:
        raise subprocess.CalledProcessError(status, command)
    done = len(list((out / "done").iterdir()))
    both = memory.together
    figures = (memory.alone.held, memory.children.held, both.held, both.mapped)
    print(f"{title:>24} {done:10} {seconds:8.0f}", *(f"{mib:9.0f}" for mib in figures), flush=True)
    shutil.rmtree(folder)
    shutil.rmtree(out)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, nargs="*", default=[])
    parser.add_argument("--files", type=int, nargs="*", default=[])
    parser.add_argument("--large", action="store_true")
    parser.add_argument("--model", type=Path)
    return parser.parse_args()


def main() -> None:
    chosen = arguments()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        model = chosen.model or compact_model(folder / "model", load_settings())
        names = (f"{name:>9}" for name in COLUMNS)
        print(f"{'MiB: held but for mapped':24} {'predicted':>10} {'seconds':>8}", *names)
        small = write_small(folder / "small.mp4")
        clip = write_ravdess_like(folder / "clip.mp4", 0) if chosen.large else small
        for minutes in chosen.minutes:
            (folder / "long").mkdir()
            repeat(clip, folder / "long" / "recording.mkv", minutes * 60)
            measure(f"one of {minutes:g} minutes", folder / "long", model, minutes + 1)
        for files in chosen.files:
            (folder / "many").mkdir()
            for number in range(files):
                shutil.copyfile(small, folder / "many" / f"{number:05d}.mp4")
            measure(f"{files} clips of 2.5 s", folder / "many", model, 1.0)


if __name__ == "__main__":
    main()
