"""How well timelines follow changes: a person's test clips one after the other, scored over time.

    python -m benchmarks.timelines                          every fold's model on its own test clips
    python -m benchmarks.timelines --fold 0                 one fold's
    python -m benchmarks.timelines --window 2 --step 0.5 --clips 6

The models are the folds of the registered model's protocol and seed, each on people whom it has not met (the
registered model itself has met everyone); a person's clips are put into recordings of ``--clips`` each, in
random order. EDER is the share of the time with a wrong label (Wang et al. 2023), with a 95 % interval for
which people are resampled; the boundary error is the mean distance from a true change to the nearest one that
was found, and the last column says how many changes were found per true one. Beside them: each window's label
drawn at random, and one label for the whole recording.

The arms learned from clips alone. A second table shows what it costs to see a clip in the middle of a
recording: the same clips judged alone, and by the window whose centre is nearest to theirs.
"""

import argparse
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import pandas as pd

from benchmarks.known_recordings import run_ffmpeg
from mfer_core.base.files import read_json, read_table
from mfer_core.base.manifest import read_manifest
from mfer_core.base.modalities import ARMS
from mfer_core.base.paths import DataPaths
from mfer_core.base.settings import load_settings
from mfer_core.prediction import Predictor
from mfer_core.prediction.timeline_scores import Segment, boundary_error, changes, emotion_error_rate
from mfer_core.prediction.windows import label_segments

RESAMPLES = 2000


def joined(clips: pd.DataFrame, root: Path, out: Path) -> list[Segment]:
    """Put clips one after the other into ``out``, and return the truth. Nothing is encoded again."""
    truth: list[Segment] = []
    start_s = 0.0
    for clip in clips.itertuples():
        with av.open(str(root / clip.path)) as container:
            length_s = container.duration / av.time_base
        truth.append((start_s, start_s + length_s, clip.label))
        start_s += length_s
    names = "".join(f"file '{(root / path).absolute()}'\n" for path in clips.path)
    listing = out.with_suffix(".txt")
    listing.write_text(names)
    run_ffmpeg("-f", "concat", "-safe", 0, "-i", listing, "-c", "copy", out)
    return truth


def recordings(rows: pd.DataFrame, count: int, rng: np.random.Generator) -> Iterator[pd.DataFrame]:
    """Each speaker's clips in random order, ``count`` at a time; what is left over is not used."""
    for _, clips in rows.groupby("speaker"):
        shuffled = clips.iloc[rng.permutation(len(clips))]
        for start in range(0, len(shuffled) - count + 1, count):
            yield shuffled[start : start + count]


def scores(truth: list[Segment], timeline: list[Segment]) -> dict[str, float]:
    ratio = len(changes(timeline)) / max(1, len(changes(truth)))
    error = emotion_error_rate(truth, timeline)
    return {"eder": error, "boundary_s": boundary_error(truth, timeline), "changes": ratio}


def by_clip(
    predictor: Predictor, paths: list[Path], truth: list[Segment], timeline: pd.DataFrame
) -> list[dict]:
    """Per clip and arm whether it is right alone and by the window nearest to it, and whether both agree."""
    rows = []
    centres = (timeline.start_s + timeline.end_s) / 2
    for path, (start_s, end_s, label) in zip(paths, truth, strict=True):
        for arm, alone in predictor.examine(path).table.set_index("arm").label.items():
            distances = (centres[timeline.arm == arm] - (start_s + end_s) / 2).abs()
            if len(distances):
                windowed = timeline.label[distances.idxmin()]
                right = {"alone": alone == label, "windowed": windowed == label}
                rows.append({"arm": arm, **right, "same": alone == windowed})
    return rows


def interval(table: pd.DataFrame, score: str, rng: np.random.Generator) -> tuple[float, float, float]:
    """The mean, and 95 % of it over resampled speakers."""
    by_speaker = table.groupby("speaker")[score].mean().to_numpy()
    means = rng.choice(by_speaker, (RESAMPLES, len(by_speaker))).mean(1)
    return by_speaker.mean(), *np.percentile(means, (2.5, 97.5))


@dataclass(frozen=True)
class Options:
    """The registered model's folder, seconds of a window and between two windows, clips per recording, and
    the fold whose model is taken (all where none is named).
    """

    model: Path
    window: float
    step: float
    clips: int
    fold: int | None


def parse_options() -> Options:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path, default=DataPaths().model)
    parser.add_argument("--window", type=float, default=2.0)
    parser.add_argument("--step", type=float, default=0.5)
    parser.add_argument("--clips", type=int, default=6, help="per recording")
    parser.add_argument("--fold", type=int, help="this fold's model alone")
    return Options(**vars(parser.parse_args()))


@contextmanager
def models(options: Options) -> Iterator[list[Path]]:
    """A folder for every fold's model, with the registered model's encoders."""
    trained = read_json(options.model / "fused" / "config.json")
    folds = DataPaths().fold("train_fused", trained["protocol"], trained["seed"], 0).parent
    with tempfile.TemporaryDirectory() as temporary:
        for fold in sorted(folds.glob("fold-*" if options.fold is None else f"fold-{options.fold}")):
            folder = Path(temporary) / fold.name
            folder.mkdir()
            for name in ("visual", "audio", "settings.json"):
                (folder / name).symlink_to((options.model / name).absolute())
            (folder / "fused").symlink_to(fold.absolute())
        yield sorted(Path(temporary).iterdir())


def test_clips(model: Path, manifest: pd.DataFrame) -> pd.DataFrame:
    """The manifest's rows of the people whom the model has not met."""
    return manifest[manifest.clip_id.isin(read_table(model / "fused" / "predictions.parquet").clip_id)]


def score_recording(
    predictor: Predictor, clips: pd.DataFrame, root: Path, options: Options, rng: np.random.Generator
) -> tuple[list[dict], list[dict]]:
    """Scores of one recording's timelines, a row per arm and baseline; and ``by_clip`` of its clips."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"recording{Path(clips.path.iloc[0]).suffix}"
        truth = joined(clips, root, path)
        result = predictor.examine(path, options.window, options.step)
    end_s = result.clip.facts["duration_s"]
    guesses = result.timeline[result.timeline.arm == "fused"]
    guesses = guesses.assign(label=rng.choice(predictor.classes, len(guesses)), arm="chance")
    timelines = {arm: label_segments(result.timeline, arm, options.step) for arm in ARMS}
    timelines["chance"] = label_segments(guesses, "chance", options.step)
    timelines |= {f"one label, {row.arm}": [(0.0, end_s, row.label)] for row in result.table.itertuples()}
    rows = [{"who": who, **scores(truth, timeline)} for who, timeline in timelines.items()]
    return rows, by_clip(predictor, [root / name for name in clips.path], truth, result.timeline)


def print_timelines(results: pd.DataFrame, rng: np.random.Generator) -> None:
    print(f"{'':20}{'EDER % (95 % CI)':>24}{'boundary, s (95 % CI)':>26}{'changes found':>15}")
    for who, rows in results.groupby("who", sort=False):
        error, boundary = interval(rows, "eder", rng), interval(rows, "boundary_s", rng)
        shown = "{:.1f} ({:.1f} to {:.1f})".format(*(100 * value for value in error))
        far = "{:.2f} ({:.2f} to {:.2f})".format(*boundary)
        print(f"{who:20}{shown:>24}{far:>26}{rows.changes.mean():15.2f}")


def print_clips(clipwise: pd.DataFrame, rng: np.random.Generator) -> None:
    print(f"\n{'':20}{'clip alone, % right':>24}{'its nearest window':>26}{'same label %':>15}")
    right = clipwise.astype({"alone": float, "windowed": float})
    for arm, rows in right.groupby("arm", sort=False):
        cells = [
            "{:.1f} ({:.1f} to {:.1f})".format(*(100 * value for value in interval(rows, name, rng)))
            for name in ("alone", "windowed")
        ]
        print(f"{arm:20}{cells[0]:>24}{cells[1]:>26}{100 * rows.same.mean():15.1f}")


def main() -> None:
    options, settings, rng = parse_options(), load_settings(), np.random.default_rng(0)
    corpus = settings.roles.benchmark
    manifest = read_manifest(DataPaths().manifest(corpus))
    timelines, clipwise = [], []
    with models(options) as folders:
        for model in folders:
            predictor = Predictor.load(model)
            for clips in recordings(test_clips(model, manifest), options.clips, rng):
                speaker = {"speaker": clips.speaker.iloc[0]}
                root = settings.corpora[corpus].path
                scored, judged = score_recording(predictor, clips, root, options, rng)
                timelines += [row | speaker for row in scored]
                clipwise += [row | speaker for row in judged]
    results = pd.DataFrame(timelines)
    count, people = len(results) // results.who.nunique(), results.speaker.nunique()
    windows = f"windows of {options.window:g} s every {options.step:g} s"
    print(f"{count} recordings of {options.clips} clips, {people} people; {windows}\n")
    print_timelines(results, rng)
    print_clips(pd.DataFrame(clipwise), rng)


if __name__ == "__main__":
    main()
