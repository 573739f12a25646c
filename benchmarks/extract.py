"""How fast extraction is beside what it cannot avoid (decoding) and beside the reference's way.

    python -m benchmarks.extract                          a quick table, on clips that it makes
    python -m benchmarks.extract --clips FOLDER           on your own recordings
    python -m benchmarks.extract --count 40 --scale 100 2000

Every line is measured in a process of its own, on the same cores, after a warm-up; lines are compared within
one run. The reference's way: ffmpeg writes PNG frames, MTCNN sees each at full size, a second ffmpeg call
writes the waveform.
"""

import argparse
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from itertools import chain
from pathlib import Path

import pandas as pd

from benchmarks.cost import Cost, measure
from benchmarks.figures import Figure, hand_over
from mfer_core.base.settings import Extract, load_settings

SUFFIXES = {".mp4", ".mkv", ".mov", ".avi", ".flv", ".webm"}
DECODE, OURS, THEIRS = "decode only, PyAV", "this pipeline", "the reference's way"


def decode_all(workers: int, clips: list[Path]) -> None:
    """Every frame of picture and sound with PyAV, nothing else."""
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(_decode, clips))


def _decode(path: Path) -> None:
    import av

    with av.open(str(path)) as container:
        for stream in container.streams.video:
            stream.codec_context.thread_count = 1
        for packet in container.demux():
            packet.decode()


def decode_with_command(workers: int, clips: list[Path]) -> None:
    """Every frame of picture and sound with the ffmpeg command, nothing else."""
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(lambda path: _ffmpeg("-threads", "1", "-i", str(path), "-f", "null", "-"), clips))


def _ffmpeg(*arguments: str) -> None:
    subprocess.run(["ffmpeg", "-nostdin", "-loglevel", "error", "-y", *arguments], check=True)


def pipeline(settings: Extract, workers: int, clips: list[Path]) -> None:
    """This project's way."""
    from mfer_core.base.paths import DataPaths
    from mfer_core.cache.shards import partition
    from mfer_core.media.extract import extract_keys, extract_shard, finish_extract

    manifest = manifest_of(clips)
    shards = partition(extract_keys(manifest, settings), max(1, len(clips) // (4 * workers)))
    with tempfile.TemporaryDirectory() as out, ThreadPoolExecutor(workers) as pool:
        paths = DataPaths(Path(out))
        list(
            pool.map(
                lambda shard: extract_shard(shard, manifest, Path("/"), paths.extract("bench"), settings),
                shards,
            )
        )
        accepted, rejects = finish_extract(shards, manifest, paths, "bench")
    if accepted != len(clips):
        raise SystemExit(f"{len(rejects)} clips rejected: {rejects.reason.value_counts().to_dict()}")


def manifest_of(clips: list[Path]) -> pd.DataFrame:
    """A manifest in which a clip is known by its index, since a file may be in the list several times."""
    rows = [
        {"clip_id": f"bench/{index:05d}", "sha256": str(index), "path": str(path.absolute())}
        for index, path in enumerate(clips)
    ]
    return pd.DataFrame(rows)


def reference(rate: float, workers: int, clips: list[Path]) -> None:
    """The reference's way, step by step, on ``workers`` threads."""
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(partial(_reference, rate), clips))


def _reference(rate: float, path: Path) -> None:
    import cv2

    with tempfile.TemporaryDirectory() as folder:
        _ffmpeg("-i", str(path), "-vf", f"fps={rate}", f"{folder}/%05d.png")
        for picture in sorted(Path(folder).glob("*.png")):
            try:
                _reference_detector().detect(cv2.imread(str(picture)))
            except ValueError:
                continue  # the library's way to say that there is nothing
        _ffmpeg("-i", str(path), "-vn", "-ac", "1", "-ar", "16000", f"{folder}/sound.wav")


@cache
def _reference_detector():
    from mtcnnruntime.detector import MTCNN

    return MTCNN()


def quality(settings: Extract, clips: list[Path]) -> dict[str, float]:
    """Boxes of the pipeline against the largest face that plain MTCNN finds in every sampled frame at full
    size.
    """
    import numpy as np

    from mfer_core.media.clip import extract_clip
    from mfer_core.media.tracks import overlap

    scores, lost, detected = [], 0, 0
    for path in clips:
        for ours, full in zip(
            extract_clip(path, settings).frames, _full_size_faces(settings, path), strict=True
        ):
            detected += full is not None
            lost += full is not None and ours["box"] is None
            if full is not None and ours["box"] is not None:
                box = np.array([list(ours["box"].values())])
                scores.append(float(overlap(box, full[None])[0, 0]))
    return {
        "faces": detected,
        "lost": lost,
        "mean IoU": round(float(np.mean(scores)), 3),
        "lowest IoU": round(min(scores), 3),
    }


def _full_size_faces(settings: Extract, path: Path) -> Iterator:
    """Per sampled frame the largest face [x0, y0, x1, y1, confidence], or None."""
    import numpy as np

    from mfer_core.media.decode import Recording
    from mfer_core.media.detector import MIN_CONFIDENCE
    from mfer_core.media.picture import Display
    from mfer_core.media.sampling import Sampler

    sampler = Sampler(settings.frames_per_second, settings.max_duration_s)
    with Recording(path, settings.clip_time_limit_s, settings.max_duration_s) as recording:
        display = Display(recording.aspect, grayscale=False)
        frames = (frame for frame in recording.frames() if hasattr(frame, "rotation"))
        for sample in chain((sample for frame in frames for sample in sampler.push(frame)), sampler.finish()):
            try:
                boxes = np.asarray(
                    _reference_detector().detect(display.reduced(sample.frame, 1 << 16)[0])[0]
                ).reshape(-1, 5)
            except ValueError:
                boxes = np.zeros((0, 5))
            boxes = boxes[boxes[:, 4] >= MIN_CONFIDENCE]
            yield max(boxes, key=lambda box: (box[2] - box[0]) * (box[3] - box[1]), default=None)


def main() -> None:
    options = _options()
    settings = load_settings(options.settings).extract
    with tempfile.TemporaryDirectory() as folder:
        originals = clips_of(options.clips, options.originals, Path(folder))
        clips = [originals[index % len(originals)] for index in range(options.count)]
        costs = _costs(settings, clips, options)
        _print_costs(costs, options)
        boxes = quality(settings, originals[: options.reference])
        print("boxes against full-size detection of every frame:", boxes)
        scaled = _scale(settings, Path(folder), options)
        _print_targets({cost.name: cost for cost in costs}, boxes, scaled)
        _hand_over({cost.name: cost.cpu_s for cost in costs}, [cost.cpu_s for cost in scaled])


def _costs(settings: Extract, clips: list[Path], options: argparse.Namespace) -> list[Cost]:
    ways = {
        DECODE: (partial(decode_all, options.workers), clips),
        OURS: (partial(pipeline, settings, options.workers), clips),
    }
    if shutil.which("ffmpeg"):
        ways["decode only, ffmpeg command"] = (partial(decode_with_command, options.workers), clips)
        ways[THEIRS] = (
            partial(reference, settings.frames_per_second, options.workers),
            clips[: options.reference],
        )
    else:
        print("ffmpeg is not installed: its two lines are left out")
    return [measure(name, way, some, options.repeat) for name, (way, some) in ways.items()]


def _print_costs(costs: list[Cost], options: argparse.Namespace) -> None:
    decode = costs[0]
    print(f"{options.count} clips on {options.workers} workers; per clip, ratios to decode only with PyAV")
    print(f"{'':30} {'wall s':>8} {'ratio':>6} {'CPU s':>8} {'ratio':>6} {'peak MiB':>9}")
    for cost in costs:
        ratios = cost.wall_s / decode.wall_s, cost.cpu_s / decode.cpu_s
        print(
            f"{cost.name:30} {cost.wall_s:8.3f} {ratios[0]:6.2f} {cost.cpu_s:8.3f} {ratios[1]:6.2f} "
            f"{cost.memory_mib:9.0f}"
        )


def _scale(settings: Extract, folder: Path, options: argparse.Namespace) -> list[Cost]:
    """The pipeline over more and more small clips."""
    from benchmarks.clips import write_small

    clip = write_small(folder / "small.mp4")
    print(f"{OURS} by number of clips (320x180, 2.5 s), per clip:")
    costs = []
    for count in options.scale:
        cost = measure(
            str(count), partial(pipeline, settings, options.workers), [clip] * count, options.repeat
        )
        print(
            f"{count:6} clips {cost.wall_s * 1e3:8.2f} ms wall {cost.cpu_s * 1e3:8.2f} ms CPU, peak "
            f"{cost.memory_mib:.0f} MiB",
            flush=True,
        )
        costs.append(cost)
    return costs


def _print_targets(costs: dict[str, Cost], boxes: dict[str, float], scaled: list[Cost]) -> None:
    """What is aimed at, and what came out."""
    ours, decode = costs[OURS], costs[DECODE]
    print("targets:")
    print(
        f"  time over decode only        at most 1.5 (aim 1.25)   {ours.wall_s / decode.wall_s:.2f} wall, "
        f"{ours.cpu_s / decode.cpu_s:.2f} CPU"
    )
    if THEIRS in costs:
        theirs = costs[THEIRS]
        print(
            f"  the reference's time over it  at least 5               {theirs.wall_s / ours.wall_s:.1f} "
            f"wall, {theirs.cpu_s / ours.cpu_s:.1f} CPU"
        )
    print(
        f"  mean IoU, faces lost         at least 0.8, none       {boxes['mean IoU']:.3f}, {boxes['lost']} "
        f"of {boxes['faces']}"
    )
    print(
        "  peak memory                  at most 1024 MiB         "
        f"{max(c.memory_mib for c in (ours, *scaled)):.0f} MiB"
    )
    if len(scaled) > 1:
        print(
            "  time per clip, most to fewest clips  0.9 to 1.1      "
            f"{scaled[-1].wall_s / scaled[0].wall_s:.2f} wall, {scaled[-1].cpu_s / scaled[0].cpu_s:.2f} CPU"
        )


def _hand_over(seconds: dict[str, float], scaled: list[float]) -> None:
    """The processors' seconds per clip as ratios."""
    hand_over(Figure("extract, processor", "decoding alone", seconds[OURS] / seconds[DECODE], "less"))
    if THEIRS in seconds:
        hand_over(Figure(f"{THEIRS}, processor", "extract", seconds[THEIRS] / seconds[OURS], "more"))
    if len(scaled) > 1:
        hand_over(Figure("extract of the most clips, each", "of the fewest", scaled[-1] / scaled[0], "less"))


def clips_of(given: Path | None, originals: int, folder: Path) -> list[Path]:
    """The recordings under ``given``, or so many ``originals`` made in ``folder``."""
    if given:
        return sorted(path for path in given.rglob("*") if path.suffix.lower() in SUFFIXES)
    from benchmarks.clips import write_ravdess_like

    return [write_ravdess_like(folder / f"{seed}.mp4", seed) for seed in range(originals)]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clips", type=Path, help="folder of recordings; made when not given")
    parser.add_argument("--settings", type=Path, default=Path("params.yaml"))
    parser.add_argument(
        "--count", type=int, default=12, help="clips to run over (originals come several times)"
    )
    parser.add_argument("--originals", type=int, default=2, help="clips to make")
    parser.add_argument(
        "--reference", type=int, default=2, help="clips for the reference's way and for the boxes"
    )
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--scale", type=int, nargs="*", default=[100, 400])
    return parser.parse_args()


if __name__ == "__main__":
    main()
