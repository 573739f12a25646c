"""One epoch of each training stage at RAVDESS size and the reference's dimensions, in several ways.

ours, fp32 and bf16   the project's loop: batches of like length, models/gru.py, stage 3 on hidden states computed once
plain, packed         a DataLoader over the same embeddings, held in memory as ours are: an item per clip, shuffled batches
                      packed with pack_padded_sequence, torch's GRU and AdamW by their defaults
plain, padded         the same without packing: the state at each clip's last step is taken out of the padded batch
reference             the reference's way: both encoders run again for every clip of every epoch, then the plain loop

    python benchmarks/train.py --batches 6

A stage is timed on --batches batches per way and scaled to 1440 clips; --batches 90 runs the epoch whole. The ways take
turns and each is given its best round. Times are seconds of the processor, on one thread, as a fold trains.
"""

import argparse
import time
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_sequence
from torch.utils.data import DataLoader, Dataset

from mfer_core.labels import label_set
from mfer_core.models.arm import Arm, ArmConfig
from mfer_core.models.fusion import Fused
from mfer_core.settings import Train
from mfer_core.training.clips import Clips
from mfer_core.training.fused import hidden_states
from mfer_core.training.loop import train_epoch
from mfer_core.training.optimiser import build_optimiser, trainable

CLIPS = 1440
BATCH = 16
DIM, HIDDEN = 768, 384
STEPS = {"visual": (15, 26), "audio": (110, 260)}  # shortest, longest: about 18 frames and 185 steps of 20 ms in the mean
CLASSES = label_set("eight")
STAGE3_EPOCHS = 8
PRECISIONS = ("fp32", "bf16")
PLAIN = ("packed", "padded")


def random_clips(count: int, seed: int) -> Clips:
    """Clips of RAVDESS's lengths with random embeddings of both modalities."""
    rng = np.random.default_rng(seed)
    values = {
        name: [torch.from_numpy(rng.normal(size=(int(rng.integers(*span)), DIM)).astype(np.float32)) for _ in range(count)]
        for name, span in STEPS.items()
    }
    labels = torch.from_numpy(rng.integers(len(CLASSES), size=count))
    return Clips(tuple(map(str, range(count))), ("x",) * count, labels, values, dict.fromkeys(STEPS, DIM))


def only(clips: Clips, name: str) -> Clips:
    return Clips(clips.clip_ids, clips.speakers, clips.labels, {name: clips.modalities[name]}, {name: DIM})


def new_arm(name: str) -> Arm:
    return Arm(
        ArmConfig(
            modality=name,
            input_dim=DIM,
            hidden_size=HIDDEN,
            layers=2,
            dropout=0.0,
            pool=1,
            readout="last",
            noise=0.0,
            jitter=0.0,
            classes=CLASSES,
        )
    )


class PlainClips(Dataset):
    """What one writes first: an item per clip."""

    def __init__(self, clips: Clips):
        self.clips = clips

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, index: int) -> tuple[list[Tensor], Tensor]:
        return [values[index] for values in self.clips.modalities.values()], self.clips.labels[index]


def plain_batch(items: list) -> tuple[list[Tensor], list[Tensor], Tensor]:
    columns = list(zip(*(values for values, _ in items), strict=True))
    lengths = [torch.tensor([len(value) for value in column]) for column in columns]
    return [pad_sequence(list(column), batch_first=True) for column in columns], lengths, torch.stack([label for _, label in items])


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
        return self.classifier(torch.cat([self.last_state(*parts) for parts in zip(self.grus, values, lengths, strict=True)], 1))


def plain_epoch(model: PlainModel, clips: Clips) -> None:
    optimiser = torch.optim.AdamW([value for value in model.parameters() if value.requires_grad], 1e-3)
    for values, lengths, labels in DataLoader(PlainClips(clips), BATCH, shuffle=True, collate_fn=plain_batch):
        nn.functional.cross_entropy(model(values, lengths), labels).backward()
        optimiser.step()
        optimiser.zero_grad()


def our_epoch(model: nn.Module, clips: Clips, hyper: Train) -> None:
    optimiser = build_optimiser(trainable(model, 1e-3), hyper)
    train_epoch(model, optimiser, nn.CrossEntropyLoss(torch.ones(len(CLASSES))), clips, hyper, np.random.default_rng(0))


def our_stage3(clips: Clips, hyper: Train) -> None:
    """The stage's whole cost divided by its epochs: hidden states once, then epochs of the classifier."""
    fused = Fused(new_arm("visual"), new_arm("audio"))
    states = hidden_states(fused, clips)
    for _ in range(STAGE3_EPOCHS):
        our_epoch(fused.head, states, hyper)


def encoder_seconds(clips: int) -> float:
    """Seconds per clip of both encoders at the reference's size (random weights of the same shape), as it runs them."""
    from transformers import ViTConfig, ViTModel, Wav2Vec2Config, Wav2Vec2Model

    vit, speech = ViTModel(ViTConfig()).eval(), Wav2Vec2Model(Wav2Vec2Config()).eval()
    frames, sound = torch.randn(18, 3, 224, 224), torch.randn(1, int(3.7 * 16000))
    start = time.process_time()
    with torch.no_grad():
        for _ in range(clips):
            vit(frames)
            speech(sound)
    return (time.process_time() - start) / clips


def best_times(ways: dict[str, Callable[[], None]], rounds: int) -> dict[str, float]:
    """Shortest time of each way, in seconds of this process, taking turns."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            start = time.process_time()
            way()
            times[name].append(time.process_time() - start)
    return {name: min(values) for name, values in times.items()}


def hyperparameters(precision: str) -> Train:
    return Train(
        epochs=1, batch_size=BATCH, accumulation=1, learning_rate=1e-3, optimiser="adamw", weight_decay=0, schedule="constant",
        schedule_factor=1, patience=0, label_smoothing=0, class_weight_power=0, sampler_power=0.5, precision=precision,
    )  # fmt: skip


def stages(clips: Clips) -> dict[str, dict[str, Callable[[], None]]]:
    def arm(name: str) -> dict[str, Callable[[], None]]:
        own = only(clips, name)
        ours = {f"ours {kind}": partial(our_epoch, new_arm(name), own, hyperparameters(kind)) for kind in PRECISIONS}
        return ours | {f"plain {kind}": partial(plain_epoch, PlainModel(1, kind == "packed"), own) for kind in PLAIN}

    ours = {f"ours {kind}": partial(our_stage3, clips, hyperparameters(kind)) for kind in PRECISIONS}
    plain = {kind: PlainModel(2, kind == "packed") for kind in PLAIN}
    for model in plain.values():
        model.grus.requires_grad_(False)
    fused = ours | {f"plain {kind}": partial(plain_epoch, model, clips) for kind, model in plain.items()}
    return {"1 visual": arm("visual"), "2a and 2b audio": arm("audio"), "3 fused, classifier": fused}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batches", type=int, default=6, help="batches of 16 clips timed per way")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--encoder-clips", type=int, default=1, help="clips on which the encoders are timed; 0 leaves them out")
    options = parser.parse_args()
    torch.set_num_threads(1)
    scale = CLIPS / (options.batches * BATCH)
    clips = random_clips(options.batches * BATCH, 0)
    encoders = encoder_seconds(options.encoder_clips) * CLIPS if options.encoder_clips else float("nan")
    ours, plain = [f"ours {kind}" for kind in PRECISIONS], [f"plain {kind}" for kind in PLAIN]
    columns = (*ours, *plain, "reference")
    print("seconds per epoch, and how many times faster than plain packed, plain padded and the reference")
    print(f"{'stage':20}" + "".join(f"{name:>16}" for name in columns) + "".join(f"{f'{name}: faster':>24}" for name in ours))
    for name, ways in stages(clips).items():
        seconds = {way: value * scale for way, value in best_times(ways, options.rounds).items()}
        seconds |= {way: seconds[way] / STAGE3_EPOCHS for way in ours if name.startswith("3")}
        seconds["reference"] = min(seconds[way] for way in plain) + encoders
        ratios = [" / ".join(f"{seconds[peer] / seconds[own]:.1f}" for peer in (*plain, "reference")) for own in ours]
        print(f"{name:20}" + "".join(f"{seconds[way]:16.1f}" for way in columns) + "".join(f"{ratio:>24}" for ratio in ratios))


if __name__ == "__main__":
    main()
