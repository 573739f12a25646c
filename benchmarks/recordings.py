"""How much memory `mfer predict` holds for long recordings and for many: it should not grow with either.

    python -m benchmarks.recordings --minutes 5 12 30      one recording of each length, 320x180
    python -m benchmarks.recordings --minutes 12 --large   1280x720
    python -m benchmarks.recordings --files 250 1000       so many clips of 2.5 s, in one go each
    python -m benchmarks.recordings --model data/register/model --minutes 12

Every run is a process of its own, whose memory is that of the program and of its decoding process together.
Without ``--model`` the default's compact encoders answer, with random weights.
"""

import argparse
import contextlib
import io
import shutil
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import av

from benchmarks.clips import write_ravdess_like, write_small
from benchmarks.cost import SPAWN, PeakMemory
from benchmarks.predict import compact_model
from benchmarks.timing import timed
from flows.environment import set_environment
from flows.predict import predict_media
from mfer_core.base.settings import load_settings
from mfer_core.base.workers import shared_workers


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


def predict_all(folder: Path, model: Path, out: Path, max_minutes: float) -> tuple[int, float, float]:
    """Recordings that were predicted, seconds, and the most memory that was held, MiB."""
    set_environment()
    quiet = io.StringIO()
    with PeakMemory() as memory, contextlib.redirect_stderr(quiet):
        (run, _), seconds = timed(lambda: predict_media([folder], str(model), 4.0, 1.0, out, max_minutes))
    # A process of multiprocessing's waits for its children before it ends, and runs nothing at its exit.
    shared_workers(1, "mfer_core.media.parts").stop()
    return len(run.done), seconds, memory.mib


def measure(title: str, folder: Path, model: Path, max_minutes: float) -> None:
    out = folder.with_name(f"{folder.name}-out")
    with ProcessPoolExecutor(1, mp_context=SPAWN) as pool:
        done, seconds, mib = pool.submit(predict_all, folder, model, out, max_minutes).result()
    print(f"{title:>24} {done:10} {seconds:8.0f} {mib:10.0f}", flush=True)
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
        print(f"{'':24} {'predicted':>10} {'seconds':>8} {'peak MiB':>10}")
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
