"""What a long recording costs: the test clips of a registered model alone, and joined into a recording each
speaker.

    python -m benchmarks.long_recordings                 data/register/model on its own fold's test speakers

`mfer predict` looks at a long recording through windows of four seconds, while speech detection and the
encoders see all of it; the model learned from clips alone. Here each test speaker's clips are joined, end to
end, and every clip is judged twice: alone, and by the window whose centre is nearest to the clip's own. Both
go through `Predictor.examine`, from the file. Pictures are joined without loss. A clip that is shorter than a
window has neighbours in it, as an utterance in a conversation has.
"""

import argparse
import tempfile
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pandas as pd

from mfer_core.base.files import read_json
from mfer_core.base.paths import DataPaths
from mfer_core.base.settings import load_settings
from mfer_core.dataset.fold import Fold
from mfer_core.prediction import Predictor

RATE = 48_000
CLOCK = Fraction(1, 1000)  # seconds per tick of the joined pictures
Span = tuple[float, float]


def join(clips: list[Path], out: Path) -> list[Span]:
    """Write ``clips`` one after the other into ``out``; returns each one's start and end, in seconds."""
    spans: list[Span] = []
    with av.open(str(clips[0])) as first:
        rate, size = first.streams.video[0].average_rate, first.streams.video[0]
        shape = size.width, size.height
    with av.open(str(out), "w") as container:
        pictures = container.add_stream("libx264", rate=rate, options={"qp": "0", "preset": "ultrafast"})
        pictures.width, pictures.height, pictures.pix_fmt = *shape, "yuv420p"
        pictures.time_base = pictures.codec_context.time_base = CLOCK
        sound = container.add_stream("pcm_s16le", rate=RATE, layout="mono")
        start_s = 0.0
        for path in clips:
            frames, samples = _read(path)
            end_s = start_s + max(frames[-1][0] + float(1 / rate), len(samples) / RATE)
            for time_s, frame in frames:
                frame.pts, frame.time_base = round((start_s + time_s) / CLOCK), CLOCK
                container.mux(pictures.encode(frame))
            padded = np.zeros((1, round(end_s * RATE) - round(start_s * RATE)), np.int16)
            padded[0, : len(samples)] = samples
            block = av.AudioFrame.from_ndarray(padded, "s16", "mono")
            block.sample_rate, block.pts = RATE, round(start_s * RATE)
            block.time_base = Fraction(1, RATE)
            container.mux(sound.encode(block))
            spans.append((start_s, end_s))
            start_s = end_s
        container.mux(pictures.encode())
        container.mux(sound.encode())
    return spans


def _read(path: Path) -> tuple[list[tuple[float, av.VideoFrame]], np.ndarray]:
    """A clip's pictures with their times from the first one on, and its sound as 16-bit mono."""
    with av.open(str(path)) as container:
        decoded = list(container.decode(video=0))
    frames = [(frame.time - decoded[0].time, frame.reformat(format="yuv420p")) for frame in decoded]
    resampler = av.AudioResampler("s16", "mono", RATE)
    with av.open(str(path)) as container:
        blocks = [part for frame in container.decode(audio=0) for part in resampler.resample(frame)]
    blocks += resampler.resample(None)
    return frames, np.concatenate([block.to_ndarray()[0] for block in blocks])


def judged(predictor: Predictor, clips: list[Path], folder: Path) -> pd.DataFrame:
    """Rows clip, arm, alone and joined: the labels that one speaker's clips get both ways."""
    recording = folder / "joined.mkv"
    spans = join(clips, recording)
    timeline = predictor.examine(recording).timeline
    centres = (timeline.start_s + timeline.end_s) / 2
    rows = []
    for number, (path, span) in enumerate(zip(clips, spans, strict=True)):
        alone = predictor.examine(path).table.set_index("arm").label
        for arm in alone.index:
            windows = centres[timeline.arm == arm]
            nearest = (windows - sum(span) / 2).abs().idxmin()
            rows.append({"clip": number, "arm": arm, "alone": alone[arm], "joined": timeline.label[nearest]})
    return pd.DataFrame(rows)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clips", type=int, default=16, help="clips of each speaker")
    given = parser.parse_args()
    data, settings = DataPaths(), load_settings()
    config = read_json(data.model / "fused" / "config.json")
    fold = Fold.read(data.root, settings.roles.benchmark, config["protocol"], config["fold"])
    tested = fold.manifest.loc[fold.parts["test"]]
    raw = settings.corpora[settings.roles.benchmark].path
    predictor = Predictor.load(data.model, "cpu")
    tables = []
    with tempfile.TemporaryDirectory() as folder:
        for speaker, rows in tested[tested.has_video & tested.has_audio].groupby("speaker"):
            chosen = rows.sample(min(given.clips, len(rows)), random_state=0)
            table = judged(predictor, [raw / path for path in chosen.path], Path(folder))
            tables.append(table.assign(speaker=speaker, label=chosen.label.to_numpy()[table.clip.to_numpy()]))
    results = pd.concat(tables, ignore_index=True)
    print(
        f"{len(results) // results.arm.nunique()} test clips of {results.speaker.nunique()} speakers, "
        f"{config['protocol']} fold {config['fold']}\n"
    )
    print(f"{'arm':10}{'alone %':>10}{'joined %':>10}{'same label %':>14}")
    for arm, rows in results.groupby("arm", sort=False):
        shares = [(rows[way] == rows.label).mean() for way in ("alone", "joined")]
        same = (rows.alone == rows.joined).mean()
        print(f"{arm:10}{100 * shares[0]:10.1f}{100 * shares[1]:10.1f}{100 * same:14.1f}")


if __name__ == "__main__":
    main()
