"""Training on more embeddings than a process may hold: memory and time per clip as the cache grows.

    python -m benchmarks.mapped                          1,000 and 100,000 clips, some 6 GB on the disk
    python -m benchmarks.mapped --clips 1000 200000 --steps 30 --folder /a/large/disk

Each cache holds random embeddings as stage embed writes them, a manifest and a table of folds. A process of
its own opens the fold as stage 1 does and trains the image arm on four fifths of the clips for two epochs:
the first with the files dropped from the page cache, the second with what the system kept of them.
"anonymous" is the largest resident memory of that process beside the mapped pages (RssAnon, sampled), "at
start" what it held before it opened anything. Times are seconds of the processor on one thread, beside the
"elapsed" ones; "per clip" is of the second epoch. With --epoch 8000 an epoch is as many clips from all over
the cache.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from mfer_core.base.files import write_table
from mfer_core.base.labels import LabelSet, label_set
from mfer_core.base.manifest import Clip, write_manifest
from mfer_core.base.paths import DataPaths
from mfer_core.base.settings import load_settings
from mfer_core.cache.embeddings import EmbeddingRow, EmbeddingShards
from mfer_core.cache.shards import partition
from mfer_core.protocol.folds import FOLDS_SCHEMA

CORPUS, PROTOCOL, CLASSES = "bench", "luna5", label_set("eight")
DIM, SHARD_CLIPS, SPEAKERS = 768, 128, 24
SAMPLE_S = 0.05  # between two looks at the memory


def write_cache(paths: DataPaths, count: int, steps: int) -> int:
    """``count`` clips of about ``steps`` steps; returns the bytes of their embeddings."""
    rng = np.random.default_rng(0)
    noise = rng.standard_normal((4 * steps, DIM), np.float32)
    names = [f"{number:06d}" for number in range(count)]
    clips = [
        Clip(
            clip_id=f"{CORPUS}/{name}",
            corpus=CORPUS,
            path=f"{name}.mp4",
            sha256=name,
            label=CLASSES[number % len(CLASSES)],
            speaker=f"{CORPUS}-{number % SPEAKERS:02d}",
            has_video=True,
            has_audio=True,
        )
        for number, name in enumerate(names)
    ]
    write_manifest(paths.manifest(CORPUS), clips, CORPUS)
    ids = [clip.clip_id for clip in clips]
    parts = ["valid" if number % 5 == 0 else "train" for number in range(count)]
    folds = pd.DataFrame({"protocol": PROTOCOL, "fold": 0, "clip_id": ids, "part": parts})
    write_table(paths.folds, folds, FOLDS_SCHEMA)
    LabelSet().write(paths.labels)

    def row_of(clip_id: str) -> EmbeddingRow:
        length = int(rng.integers(steps // 2, 3 * steps // 2))
        first = int(rng.integers(len(noise) - length))
        return EmbeddingRow(clip_id, "key", np.arange(length) / 5, noise[first : first + length])

    store = EmbeddingShards(paths.embeddings("visual", CORPUS), {"name": "random", "dtype": "float32"})
    for shard in partition(dict.fromkeys(ids, "key"), SHARD_CLIPS):
        store.fill(shard, row_of)
    return sum(path.stat().st_size for path in store.files())


def forget_pages(folder: Path) -> None:
    """Take a folder's files out of the page cache, where the system does as it is asked."""
    for path in folder.glob("*.arrow"):
        descriptor = os.open(path, os.O_RDONLY)
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)


def anonymous() -> int:
    """Resident bytes of this process that belong to no file."""
    status = Path("/proc/self/status").read_text()
    return 1024 * int(status.split("RssAnon:")[1].split()[0])


class Watch:
    """The largest ``anonymous`` memory so far, looked at in a thread."""

    def __init__(self) -> None:
        self.start = self.most = anonymous()
        threading.Thread(target=self._look, daemon=True).start()

    def _look(self) -> None:
        while True:
            self.most = max(self.most, anonymous())
            time.sleep(SAMPLE_S)


def train(data: Path, most: int | None) -> dict[str, float]:
    """Two epochs of stage 1 on a cache, of at most so many clips; figures by name."""
    from mfer_core.dataset.fold import Fold
    from mfer_core.dataset.steps import moments
    from mfer_core.training.fit import ClipTraining, trainable
    from mfer_core.training.stages import new_arm

    torch.set_num_threads(1)
    settings = load_settings().train_visual
    forget_pages(DataPaths(data).embeddings("visual", CORPUS))
    watch, times, started = Watch(), [time.process_time()], time.perf_counter()
    fold = Fold.read(data, CORPUS, PROTOCOL, 0)
    key = fold.digest(["visual"])
    modality = fold.modality("visual")
    clips = fold.clips({"visual": modality}) if key else {}
    times.append(time.process_time())
    arm = new_arm("visual", modality, settings, CLASSES)
    arm.standardise(*moments(clips["train"].modalities["visual"]))
    times.append(time.process_time())
    forget_pages(DataPaths(data).embeddings("visual", CORPUS))
    model, device = trainable(arm, settings.learning_rate), torch.device("cpu")
    shuffled = np.random.default_rng(0).permutation(len(clips["train"]))
    trained = clips["train"].select(shuffled[:most].tolist())
    training = ClipTraining(arm, model, trained, clips["valid"], len(CLASSES), settings, device)
    for epoch in range(2):
        training.train_epoch(np.random.default_rng(epoch))
        times.append(time.process_time())
    names = ("opened", "statistics", "first epoch", "second epoch")
    seconds = dict(zip(names, np.diff(times).tolist(), strict=True))
    per_clip = 1000 * seconds["second epoch"] / len(trained)
    seconds["elapsed"] = time.perf_counter() - started
    return {**seconds, "ms per clip": per_clip, "at start": watch.start, "anonymous": watch.most}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clips", type=int, nargs="+", default=[1_000, 100_000])
    parser.add_argument("--steps", type=int, default=20, help="of a clip, on average")
    parser.add_argument("--folder", type=Path, help="where the caches are written for the time being")
    parser.add_argument("--epoch", type=int, help="clips of an epoch, at most; by default all")
    parser.add_argument("--train", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.train:
        print(json.dumps(train(options.train, options.epoch)))
        return
    rows = {}
    for count in options.clips:
        with tempfile.TemporaryDirectory(dir=options.folder) as data:
            size = write_cache(DataPaths(Path(data)), count, options.steps)
            command = [sys.executable, "-m", "benchmarks.mapped", "--train", data]
            command += ["--epoch", str(options.epoch)] if options.epoch else []
            figures = json.loads(
                subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
            )
        memory = {f"{name}, MB": figures.pop(name) / 1e6 for name in ("at start", "anonymous")}
        rows[f"{count:,} clips"] = {"embeddings, MB": size / 1e6, **memory, **figures}
    table = pd.DataFrame(rows)
    print(table.to_string(float_format="{:.2f}".format))
    first, *_, last = table.loc["ms per clip"]
    print(f"time per clip: {last / first:.2f} times that of the smallest cache")


if __name__ == "__main__":
    main()
