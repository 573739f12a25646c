"""One epoch of each training stage at RAVDESS size and the reference's dimensions, in several ways over one
cache.

The cache is written first, as stage embed writes it: shards of 1440 clips with random embeddings. The ways:

ours, fp32 and bf16   the project's: the shards mapped, batches of like length, stage 3 on hidden states
computed once
plain                 a DataLoader, an item per clip in shuffled batches, torch's GRU and AdamW by their
                      defaults. Its items come from
    mapped            the same mapped embeddings that ours reads
    memory            the whole cache read once into tensors: the plain loop at its best
  packed, padded      batches packed with pack_padded_sequence, or the state at each clip's last step taken
                      out of the padded batch
reference             the reference's way: the stage's encoders run again for every clip of every epoch, then
                      the fastest plain loop

    python -m benchmarks.train --batches 6

Times are seconds of the processor, on one thread, as a fold trains. An epoch is timed on --batches batches of
clips from all over the cache and scaled to 1440 clips; --batches 90 runs it whole. The ways take turns and
each is given its best round. "once" is what a way does before its first epoch, timed on the whole cache;
"whole" is an epoch with its share of that, over the epochs of the stage's 5 folds.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.figures import Figure, hand_over
from benchmarks.plain_training import PlainClips, PlainModel, Read, plain_epoch
from benchmarks.timing import fastest, timed
from mfer_core.base.labels import label_set
from mfer_core.base.settings import Train
from mfer_core.cache.embeddings import EmbeddingRow, EmbeddingShards, open_embeddings
from mfer_core.cache.shards import partition
from mfer_core.dataset.clips import Clips
from mfer_core.dataset.steps import StoredSteps, steps_of
from mfer_core.models.arm import Arm, ArmConfig
from mfer_core.models.fusion import Fused
from mfer_core.training.fit import ClipTraining, head_inputs, trainable

CLIPS, SHARD_CLIPS = 1440, 128  # RAVDESS has so many clips of speech; params.yaml puts so many into a file.
SECONDS = {"loc": 3.69, "scale": 0.32}  # Mean and standard deviation of RAVDESS's clips.
RATES = {"visual": 5, "audio": 50}  # steps per second
BATCH, DIM, HIDDEN = 16, 768, 384
CLASSES = label_set("eight")
FOLDS, EPOCHS, STAGE3_EPOCHS = 5, 30, 8  # The numbers of profiles/report.yaml.
CPU_CLOCK = time.process_time
PRECISIONS, MODELS = ("fp32", "bf16"), ("packed", "padded")


def write_cache(data: Path) -> list[str]:
    """Embeddings of both modalities in data/embed/<modality>/ravdess; returns the clips' names."""
    rng = np.random.default_rng(0)
    seconds = rng.normal(size=CLIPS, **SECONDS).clip(2.9, 4.9)
    clip_ids = [f"ravdess/{number:04d}" for number in range(CLIPS)]
    for name, rate in RATES.items():
        folder = EmbeddingShards(data / "embed" / name / "ravdess", {"name": "random", "dtype": "float32"})
        lengths = dict(zip(clip_ids, np.rint(seconds * rate).astype(int), strict=True))
        for shard in partition(dict.fromkeys(clip_ids, "key"), SHARD_CLIPS):
            values = {clip: rng.standard_normal((lengths[clip], DIM), np.float32) for clip in shard.keys}
            rows = {
                clip: EmbeddingRow(clip, "key", np.arange(len(value)) / rate, value)
                for clip, value in values.items()
            }
            folder.fill(shard, rows.__getitem__)
    return clip_ids


def from_mapping(folder: Path) -> StoredSteps:
    return StoredSteps(open_embeddings(folder))


def from_memory(folder: Path) -> dict[str, Tensor]:
    return dict(from_mapping(folder))


SOURCES = {"mapped": from_mapping, "memory": from_memory}
# By modality and source: the reader of a cache, and the seconds that opening took.
Opened = dict[tuple[str, str], tuple[Read, float]]


def open_cache(data: Path) -> Opened:
    folders = {name: data / "embed" / name / "ravdess" for name in RATES}
    return {
        (name, source): timed(partial(SOURCES[source], folders[name]), CPU_CLOCK)
        for name in folders
        for source in SOURCES
    }


def new_arm(name: str) -> Arm:
    return Arm(
        ArmConfig(modality=name, input_dim=DIM, hidden_size=HIDDEN, layers=2, dropout=0.0, classes=CLASSES)
    )


def settings_of(precision: str) -> Train:
    return Train(
        epochs=1, batch_size=BATCH, accumulation=1, learning_rate=1e-3, optimiser="adamw", weight_decay=0,
        schedule="constant", schedule_factor=1, patience=0, label_smoothing=0, class_weight_power=0,
        sampler_power=0.5, precision=precision,
    )  # fmt: skip


def our_epoch(model: nn.Module, clips: Clips, settings: Train) -> None:
    groups, cpu = trainable(model, 1e-3), torch.device("cpu")
    ClipTraining(model, groups, clips, clips, len(CLASSES), settings, cpu).train_epoch(
        np.random.default_rng(0)
    )


def our_stage3(clips: Clips, settings: Train) -> None:
    """The stage whole: hidden states once, then all epochs of the classifier."""
    fused = Fused(new_arm("visual"), new_arm("audio"))
    states = head_inputs(fused, clips)
    for _ in range(STAGE3_EPOCHS):
        our_epoch(fused.head, states, settings)


def encoder_seconds() -> dict[str, float]:
    """Seconds per clip of each modality's encoder at the reference's size (random weights of the same shape),
    as it runs them.
    """
    from transformers import ViTConfig, ViTModel, Wav2Vec2Config, Wav2Vec2Model

    vit, speech = ViTModel(ViTConfig()).eval(), Wav2Vec2Model(Wav2Vec2Config()).eval()
    frames, sound = torch.randn(18, 3, 224, 224), torch.randn(1, int(SECONDS["loc"] * 16000))
    with torch.no_grad():
        ways = {"visual": partial(vit, frames), "audio": partial(speech, sound)}
        return fastest(ways, 2, CPU_CLOCK, warm_up=False)


@dataclass(frozen=True)
class Part:
    """The clips that an epoch is timed on, and the ways to them."""

    clip_ids: list[str]
    labels: Tensor
    opened: Opened


@dataclass(frozen=True)
class Stage:
    name: str
    modalities: tuple[str, ...]
    epochs: int = EPOCHS

    def once(self, way: str, opened: Opened) -> float:
        source = "mapped" if way.startswith("ours") else way.split(", ")[1]
        return sum(opened[name, source][1] for name in self.modalities)

    def ours(self, precision: str, part: Part) -> Callable[[], None]:
        values = {name: steps_of(part.opened[name, "mapped"][0], part.clip_ids) for name in self.modalities}
        clips = Clips(
            tuple(part.clip_ids), ("x",) * len(part.clip_ids), part.labels, values, dict.fromkeys(values, DIM)
        )
        if len(self.modalities) > 1:
            return partial(our_stage3, clips, settings_of(precision))
        return partial(our_epoch, new_arm(*self.modalities), clips, settings_of(precision))

    def plain(self, source: str, kind: str, part: Part) -> Callable[[], None]:
        clips = PlainClips(
            [part.opened[name, source][0] for name in self.modalities], part.clip_ids, part.labels
        )
        modalities = len(self.modalities)
        model = PlainModel(modalities, DIM, HIDDEN, len(CLASSES), packed=kind == "packed")
        model.grus.requires_grad_(modalities == 1)  # Stage 3 trains the classifier alone.
        return partial(plain_epoch, model, clips, BATCH)

    def times(self, part: Part, rounds: int) -> dict[str, float]:
        """Seconds of each way's epoch over ``part``."""
        ways = {f"ours {precision}": self.ours(precision, part) for precision in PRECISIONS}
        ways |= {
            f"plain, {source}, {kind}": self.plain(source, kind, part)
            for source in SOURCES
            for kind in MODELS
        }
        seconds = fastest(ways, rounds, CPU_CLOCK, warm_up=False)
        if len(self.modalities) > 1:
            seconds |= {way: seconds[way] / STAGE3_EPOCHS for way in seconds if way.startswith("ours")}
        return seconds


STAGES = (
    Stage("1 visual", ("visual",)),
    Stage("2a and 2b audio", ("audio",)),
    Stage("3 fused, classifier", tuple(RATES), STAGE3_EPOCHS),
)


def print_stage(
    stage: Stage, epochs: dict[str, float], once: dict[str, float], encoders: dict[str, float]
) -> None:
    """A row per way: seconds of an epoch, of what is done once, of an epoch with its share of that, and how
    much faster ours are.
    """
    encoding = sum(encoders[name] for name in stage.modalities) * CLIPS
    whole = {way: seconds + once[way] / (FOLDS * stage.epochs) for way, seconds in epochs.items()}
    peer = min((way for way in whole if way.startswith("plain")), key=whole.get)
    for ours in (f"ours {precision}" for precision in PRECISIONS):
        what = f"stage {stage.name}, {ours}, speed"
        hand_over(Figure(what, "the fastest plain loop", whole[peer] / whole[ours], "more"))
    rows = [(way + (" *" if way == peer else ""), epochs[way], once[way], whole[way]) for way in whole]
    rows.append(("reference", epochs[peer] + encoding, once[peer], whole[peer] + encoding))
    print(
        f"\n{f'stage {stage.name}':30}{'epoch':>10}{'once':>8}{'whole':>10}"
        + "".join(f"{f'ours {kind}':>16}" for kind in PRECISIONS)
    )
    for way, *seconds in rows:
        ratios = [seconds[-1] / whole[f"ours {precision}"] for precision in PRECISIONS]
        print(
            f"{way:30}{seconds[0]:10.2f}{seconds[1]:8.2f}{seconds[2]:10.2f}"
            + "".join(f"{ratio:15.1f}x" for ratio in ratios)
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--batches", type=int, default=6, help="batches of 16 clips timed per way")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(1)
    encoders = encoder_seconds()
    with tempfile.TemporaryDirectory() as folder:
        rng, clip_ids = np.random.default_rng(1), write_cache(Path(folder))
        chosen = rng.choice(clip_ids, options.batches * BATCH, replace=False).tolist()
        labels = torch.from_numpy(rng.integers(len(CLASSES), size=len(chosen)))
        part = Part(chosen, labels, open_cache(Path(folder)))
        print(
            "seconds of the processor; right: how many times longer than ours a way takes, whole; *: the "
            "fastest plain way"
        )
        for stage in STAGES:
            seconds = stage.times(part, options.rounds)
            once = {way: stage.once(way, part.opened) for way in seconds}
            epochs = {way: spent * CLIPS / len(chosen) for way, spent in seconds.items()}
            print_stage(stage, epochs, once, encoders)


if __name__ == "__main__":
    main()
