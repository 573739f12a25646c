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

    python benchmarks/train.py --batches 6

Times are seconds of the processor, on one thread, as a fold trains. An epoch is timed on --batches batches of
clips from all over the cache and scaled to 1440 clips; --batches 90 runs it whole. The ways take turns and
each is given its best round. "once" is what a way does before its first epoch, timed on the whole cache;
"whole" is an epoch with its share of that, over the epochs of the stage's 5 folds.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_sequence
from torch.utils.data import DataLoader, Dataset

from mfer_core.base.labels import label_set
from mfer_core.base.settings import Train
from mfer_core.cache.embeddings import EmbeddingRow, EmbeddingShards, open_embeddings
from mfer_core.cache.shards import partition
from mfer_core.dataset.clips import Clips
from mfer_core.dataset.steps import StoredSteps, steps_of
from mfer_core.models.arm import Arm, ArmConfig
from mfer_core.models.fusion import Fused
from mfer_core.training.fit import ClipTraining, hidden_states, trainable

Result = TypeVar("Result")
Read = Mapping[str, Tensor]  # clip_id -> [T, D]

CLIPS, SHARD_CLIPS = 1440, 128  # of RAVDESS's speech; as in params.yaml
SECONDS = {"loc": 3.69, "scale": 0.32}  # of RAVDESS's clips: mean, standard deviation
RATES = {"visual": 5, "audio": 50}  # steps per second
BATCH, DIM, HIDDEN = 16, 768, 384
CLASSES = label_set("eight")
FOLDS, EPOCHS, STAGE3_EPOCHS = 5, 30, 8  # as in profiles/report.yaml
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


def timed(work: Callable[[], Result]) -> tuple[Result, float]:
    """What ``work`` returns, and its seconds of this process."""
    start = time.process_time()
    result = work()
    return result, time.process_time() - start


def from_mapping(folder: Path) -> StoredSteps:
    return StoredSteps(open_embeddings(folder))


def from_memory(folder: Path) -> dict[str, Tensor]:
    return dict(from_mapping(folder))


SOURCES = {"mapped": from_mapping, "memory": from_memory}
Opened = dict[
    tuple[str, str], tuple[Read, float]
]  # (modality, source) -> its reader, and the seconds that opening took


def open_cache(data: Path) -> Opened:
    folders = {name: data / "embed" / name / "ravdess" for name in RATES}
    return {
        (name, source): timed(partial(SOURCES[source], folders[name]))
        for name in folders
        for source in SOURCES
    }


def new_arm(name: str) -> Arm:
    return Arm(
        ArmConfig(modality=name, input_dim=DIM, hidden_size=HIDDEN, layers=2, dropout=0.0, classes=CLASSES)
    )


def hyperparameters(precision: str) -> Train:
    return Train(
        epochs=1, batch_size=BATCH, accumulation=1, learning_rate=1e-3, optimiser="adamw", weight_decay=0,
        schedule="constant", schedule_factor=1, patience=0, label_smoothing=0, class_weight_power=0,
        sampler_power=0.5, precision=precision,
    )  # fmt: skip


def our_epoch(model: nn.Module, clips: Clips, hyper: Train) -> None:
    groups, cpu = trainable(model, 1e-3), torch.device("cpu")
    ClipTraining(model, groups, clips, clips, len(CLASSES), hyper, cpu).train_epoch(np.random.default_rng(0))


def our_stage3(clips: Clips, hyper: Train) -> None:
    """The stage whole: hidden states once, then all epochs of the classifier."""
    fused = Fused(new_arm("visual"), new_arm("audio"))
    states = hidden_states(fused, clips)
    for _ in range(STAGE3_EPOCHS):
        our_epoch(fused.head, states, hyper)


class PlainClips(Dataset):
    """What one writes first: an item per clip."""

    def __init__(self, reads: list[Read], clip_ids: list[str], labels: Tensor):
        self.reads, self.clip_ids, self.labels = reads, clip_ids, labels

    def __len__(self) -> int:
        return len(self.clip_ids)

    def __getitem__(self, index: int) -> tuple[list[Tensor], Tensor]:
        return [read[self.clip_ids[index]] for read in self.reads], self.labels[index]


def plain_batch(items: list) -> tuple[list[Tensor], list[Tensor], Tensor]:
    columns = list(zip(*(values for values, _ in items), strict=True))
    lengths = [torch.tensor([len(value) for value in column]) for column in columns]
    return (
        [pad_sequence(list(column), batch_first=True) for column in columns],
        lengths,
        torch.stack([label for _, label in items]),
    )


class PlainModel(nn.Module):
    """GRUs and a linear layer over their last valid states."""

    def __init__(self, modalities: int, packed: bool):
        super().__init__()
        self.packed = packed
        self.grus = nn.ModuleList(nn.GRU(DIM, HIDDEN, 2, batch_first=True) for _ in range(modalities))
        self.classifier = nn.Linear(HIDDEN * modalities, len(CLASSES))

    def last_state(self, gru: nn.GRU, values: Tensor, lengths: Tensor) -> Tensor:
        if self.packed:
            return gru(pack_padded_sequence(values, lengths, batch_first=True, enforce_sorted=False))[1][-1]
        return gru(values)[0][torch.arange(len(lengths)), lengths - 1]

    def forward(self, values: list[Tensor], lengths: list[Tensor]) -> Tensor:
        return self.classifier(
            torch.cat([self.last_state(*parts) for parts in zip(self.grus, values, lengths, strict=True)], 1)
        )


def plain_epoch(model: PlainModel, clips: PlainClips) -> None:
    optimiser = torch.optim.AdamW([value for value in model.parameters() if value.requires_grad], 1e-3)
    for values, lengths, labels in DataLoader(clips, BATCH, shuffle=True, collate_fn=plain_batch):
        nn.functional.cross_entropy(model(values, lengths), labels).backward()
        optimiser.step()
        optimiser.zero_grad()


def best_times(ways: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Shortest time of each way, in seconds of this process, taking turns."""
    times = [{name: timed(way)[1] for name, way in ways.items()} for _ in range(rounds)]
    return {name: min(row[name] for row in times) for name in ways}


def encoder_seconds() -> dict[str, float]:
    """Seconds per clip of each modality's encoder at the reference's size (random weights of the same shape),
    as it runs them.
    """
    from transformers import ViTConfig, ViTModel, Wav2Vec2Config, Wav2Vec2Model

    vit, speech = ViTModel(ViTConfig()).eval(), Wav2Vec2Model(Wav2Vec2Config()).eval()
    frames, sound = torch.randn(18, 3, 224, 224), torch.randn(1, int(SECONDS["loc"] * 16000))
    with torch.no_grad():
        return best_times({"visual": partial(vit, frames), "audio": partial(speech, sound)}, 2)


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
            return partial(our_stage3, clips, hyperparameters(precision))
        return partial(our_epoch, new_arm(*self.modalities), clips, hyperparameters(precision))

    def plain(self, source: str, kind: str, part: Part) -> Callable[[], None]:
        clips = PlainClips(
            [part.opened[name, source][0] for name in self.modalities], part.clip_ids, part.labels
        )
        model = PlainModel(len(self.modalities), kind == "packed")
        model.grus.requires_grad_(len(self.modalities) == 1)  # stage 3 trains the classifier
        return partial(plain_epoch, model, clips)

    def times(self, part: Part, rounds: int) -> dict[str, float]:
        """Seconds of each way's epoch over ``part``."""
        ways = {f"ours {precision}": self.ours(precision, part) for precision in PRECISIONS}
        ways |= {
            f"plain, {source}, {kind}": self.plain(source, kind, part)
            for source in SOURCES
            for kind in MODELS
        }
        found = best_times(ways, rounds)
        if len(self.modalities) > 1:
            found |= {way: found[way] / STAGE3_EPOCHS for way in found if way.startswith("ours")}
        return found


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
            found = stage.times(part, options.rounds)
            once = {way: stage.once(way, part.opened) for way in found}
            print_stage(
                stage, {way: seconds * CLIPS / len(chosen) for way, seconds in found.items()}, once, encoders
            )


if __name__ == "__main__":
    main()
