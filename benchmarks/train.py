"""One epoch of each training stage at RAVDESS size and the reference's dimensions, three ways.

ours       the project's loop: clips in memory once, batches of like length, stage 3 on hidden states computed once
plain      a DataLoader over the same embeddings: shuffled batches padded to their longest, torch's defaults
reference  the reference's way: both encoders run again for every clip of every epoch (measured on a few clips, scaled)

    python benchmarks/train.py --batches 6 --precision bf16

A stage is timed on --batches batches per way and scaled to 1440 clips; --batches 90 runs the epoch whole. The ways take
turns, and each is given its best round, so that a busy machine disturbs them alike.
"""

import argparse
import time
from collections.abc import Callable

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
    """GRUs over packed sequences and a linear layer over their last states."""

    def __init__(self, modalities: int):
        super().__init__()
        self.grus = nn.ModuleList(nn.GRU(DIM, HIDDEN, 2, batch_first=True) for _ in range(modalities))
        self.classifier = nn.Linear(HIDDEN * modalities, len(CLASSES))

    def forward(self, values: list[Tensor], lengths: list[Tensor]) -> Tensor:
        packed = [
            pack_padded_sequence(part, length, batch_first=True, enforce_sorted=False) for part, length in zip(values, lengths, strict=True)
        ]
        return self.classifier(torch.cat([gru(part)[1][-1] for gru, part in zip(self.grus, packed, strict=True)], 1))


def plain_epoch(clips: Clips, frozen: bool) -> None:
    model = PlainModel(len(clips.modalities))
    model.grus.requires_grad_(not frozen)
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
    start = time.perf_counter()
    with torch.no_grad():
        for _ in range(clips):
            vit(frames)
            speech(sound)
    return (time.perf_counter() - start) / clips


def best_times(ways: dict[str, Callable[[], None]], rounds: int) -> dict[str, float]:
    """Shortest time in seconds of each way, taking turns."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            start = time.perf_counter()
            way()
            times[name].append(time.perf_counter() - start)
    return {name: min(values) for name, values in times.items()}


def stages(clips: Clips, hyper: Train) -> dict[str, dict[str, Callable[[], None]]]:
    visual, audio = only(clips, "visual"), only(clips, "audio")
    return {
        "1 visual": {"ours": lambda: our_epoch(new_arm("visual"), visual, hyper), "plain": lambda: plain_epoch(visual, False)},
        "2a and 2b audio": {"ours": lambda: our_epoch(new_arm("audio"), audio, hyper), "plain": lambda: plain_epoch(audio, False)},
        "3 fused, classifier": {"ours": lambda: our_stage3(clips, hyper), "plain": lambda: plain_epoch(clips, True)},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batches", type=int, default=6, help="batches of 16 clips timed per way")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="fp32", help="of our loop; the plain one is fp32")
    parser.add_argument("--encoder-clips", type=int, default=1, help="clips on which the encoders are timed; 0 leaves them out")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    hyper = Train(
        epochs=1, batch_size=BATCH, accumulation=1, learning_rate=1e-3, optimiser="adamw", weight_decay=0, schedule="constant",
        schedule_factor=1, patience=0, label_smoothing=0, class_weight_power=0, sampler_power=0.5, precision=options.precision,
    )  # fmt: skip
    scale = CLIPS / (options.batches * BATCH)
    clips = random_clips(options.batches * BATCH, 0)
    encoders = encoder_seconds(options.encoder_clips) * CLIPS if options.encoder_clips else float("nan")
    print(f"{'stage':22}{'ours s/epoch':>14}{'plain s/epoch':>15}{'ratio':>7}{'reference s/epoch':>19}{'ratio':>8}")
    for name, ways in stages(clips, hyper).items():
        best = best_times(ways, options.rounds)
        ours = best["ours"] * scale / (STAGE3_EPOCHS if name.startswith("3") else 1)
        plain = best["plain"] * scale
        reference = plain + encoders
        print(f"{name:22}{ours:14.1f}{plain:15.1f}{plain / ours:7.1f}{reference:19.0f}{reference / ours:8.0f}")


if __name__ == "__main__":
    main()
