"""Train a ViT, a compact or a published one, on a FER-2013-like corpus of 48x48 gray faces; the result is a Hugging Face folder.

The corpus's own three-way split is kept: Training trains, PublicTest stops early, PrivateTest is looked at once.
"""

import copy
import logging
import time
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from sklearn.metrics import recall_score
from torch.nn.functional import cross_entropy

from mfer_core.base.errors import MferError
from mfer_core.base.files import atomic_path, write_json
from mfer_core.base.settings import PretrainVit
from mfer_core.encoders.device import choose_device, one_thread, send
from mfer_core.encoders.face_augmentation import augment_faces
from mfer_core.encoders.images import Preprocessing
from mfer_core.encoders.sharpness import blur_between
from mfer_core.encoders.vit_start import LABELS, build_vit, preprocessing_of, published_vit, save_vit

SPLITS = ("Training", "PublicTest", "PrivateTest")
SCORED = 256  # faces at a time
log = logging.getLogger("mfer")


def pretrain_vit(
    images: np.ndarray, labels: list[str], splits: list[str], settings: PretrainVit, seed: int, out: Path
) -> dict:
    """Train on ``images`` (uint8 [N, 48, 48]) and write the checkpoint, history.csv and metrics.json to ``out``.

    Returns the metrics. A corpus without PrivateTest (FER-2013's image folders) has no figures of it. Raises MferError for a label
    outside the seven of FER-2013, and without Training or PublicTest images.
    """
    started = time.monotonic()
    parts, dropped = split_faces(images, labels, splits)
    device = choose_device(settings.device)
    with one_thread() if device.type == "cpu" else nullcontext(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        trained = _start(parts, settings, device, images.shape[1])
        history = _fit(trained, parts, settings, torch.Generator().manual_seed(seed))
        figures = {name: _score(trained, *parts[name]) for name in SPLITS[1:] if name in parts}
    model = trained.model.cpu()
    metrics = {f"{name}_{key}": value for name, scores in figures.items() for key, value in scores.items()}
    metrics |= {
        "epochs": len(history),
        "parameters": sum(p.numel() for p in model.parameters()),
        "duplicates_dropped": dropped,
    }
    metrics |= {"blur_pixels": getattr(model.config, "blur", 0.0)}
    metrics |= {f"images_{name}": len(part[1]) for name, part in parts.items()}
    save_vit(model, trained.preprocessing, out)
    with atomic_path(out / "history.csv") as path:
        pd.DataFrame(history).to_csv(path, index=False)
    write_json(out / "metrics.json", metrics)
    found = ", ".join(
        f"{name} {metrics[f'{name}_accuracy']:.3f}" if name in parts else f"{name} absent"
        for name in SPLITS[1:]
    )
    log.info("pretrain_vit: %s in %.0f s", found, time.monotonic() - started)
    return metrics


def split_faces(
    images: np.ndarray, labels: list[str], splits: list[str]
) -> tuple[dict[str, tuple[torch.Tensor, torch.Tensor]], int]:
    """(faces float32 [N, 1, H, W] in 0..1, class numbers) per split, and how many training faces were dropped.

    A training face whose pixels also stand in a test part is dropped: it would be known by heart.
    """
    unknown = sorted(set(labels) - set(LABELS))
    if unknown:
        raise MferError(f"faces labelled {unknown[0]!r}: the faces corpus knows {', '.join(LABELS)}")
    names = np.asarray(splits)
    held_out = {images[row].tobytes() for row in np.flatnonzero(names != "Training")}
    leaked = np.array(
        [
            name == "Training" and image.tobytes() in held_out
            for name, image in zip(names, images, strict=True)
        ],
        bool,
    )
    classes = torch.tensor([LABELS.index(label) for label in labels])
    parts = {}
    for split in SPLITS:
        rows = torch.from_numpy(np.flatnonzero((names == split) & ~leaked))
        if not len(rows) and split != "PrivateTest":
            raise MferError(f"the faces corpus has no images in its {split} split")
        if len(rows):
            parts[split] = (torch.from_numpy(images)[rows][:, None].float() / 255, classes[rows])
    return parts, int(leaked.sum())


@dataclass(frozen=True)
class Trained:
    """A ViT in training, and how it takes faces."""

    model: torch.nn.Module
    preprocessing: Preprocessing
    device: torch.device
    precision: str

    def logits(self, faces: torch.Tensor) -> torch.Tensor:
        """[N, C] of faces float32 [N, 1, H, W] in 0..1."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16"):
            return self.model(self._pixels(send(faces, self.device))).logits.float()

    def _pixels(self, faces: torch.Tensor) -> torch.Tensor:
        """float32 [N, 3, height, width], normalised as preprocessor_config.json says."""
        size = (self.preprocessing.height, self.preprocessing.width)
        if faces.shape[2:] != size:
            faces = torch.nn.functional.interpolate(faces, size=size, mode="bilinear", antialias=True)
        return self.preprocessing.normalise(faces / self.preprocessing.scale)


def _start(parts: dict, settings: PretrainVit, device: torch.device, side: int) -> Trained:
    """The ViT before its first step; faces are ``side`` pixels wide."""
    found = _blur(parts, settings)
    if settings.checkpoint:
        model, preprocessing = published_vit(settings)
    else:
        model, preprocessing = (
            build_vit(settings, found * settings.image_size / side),
            preprocessing_of(settings),
        )
    return Trained(model.to(device), preprocessing, device, settings.precision)


def _blur(parts: dict, settings: PretrainVit) -> float:
    """How much blurrier the training images are than PublicTest's, in their pixels."""
    found = blur_between(parts["Training"][0], parts["PublicTest"][0])
    if found and (settings.checkpoint or not settings.stem_channels):
        raise MferError(
            f"Training images are blurrier than PublicTest's by {found:.1f} pixels: take another copy of the corpus, or a compact ViT with "
            "pretrain_vit.stem_channels, which can mend that"
        )
    if found:
        log.info(
            "Training images are blurrier than PublicTest's by %.1f pixels: the ViT will blur what it is given alike",
            found,
        )
    return found


def _fit(trained: Trained, parts: dict, settings: PretrainVit, generator: torch.Generator) -> list[dict]:
    """Train with one-cycle AdamW; leaves the weights of the epoch with the best PublicTest accuracy in the model."""
    model = trained.model
    faces, classes = parts["Training"]
    steps = -(-len(faces) // settings.batch_size)
    optimiser = torch.optim.AdamW(
        model.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, settings.learning_rate, total_steps=steps * settings.epochs, pct_start=0.2
    )
    history: list[dict] = []
    best, best_state = -1.0, {}
    for epoch in range(1, settings.epochs + 1):
        loss = _train_epoch(trained, faces, classes, settings, generator, optimiser, schedule)
        score = _score(trained, *parts["PublicTest"])
        history.append(
            {"epoch": epoch, "train_loss": loss, **{f"public_{key}": value for key, value in score.items()}}
        )
        log.info("pretrain_vit epoch %d: loss %.3f, PublicTest accuracy %.3f", epoch, loss, score["accuracy"])
        if score["accuracy"] > best:
            best, best_epoch, best_state = score["accuracy"], epoch, copy.deepcopy(model.state_dict())
        if epoch - best_epoch >= settings.patience > 0:
            break
    model.load_state_dict(best_state)
    return history


def _train_epoch(
    trained: Trained, faces, classes, settings: PretrainVit, generator, optimiser, schedule
) -> float:
    trained.model.train()
    losses = []
    for rows in torch.randperm(len(faces), generator=generator).split(settings.batch_size):
        logits = trained.logits(augment_faces(faces[rows], generator))
        loss = cross_entropy(
            logits, send(classes[rows], trained.device), label_smoothing=settings.label_smoothing
        )
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained.model.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        losses.append(loss.detach())
    return torch.stack(losses).mean().item()  # read once: asking a GPU for a number waits for it


@torch.inference_mode()
def _score(trained: Trained, faces: torch.Tensor, classes: torch.Tensor) -> dict[str, float]:
    trained.model.eval()
    found = torch.cat([trained.logits(chunk).argmax(-1) for chunk in faces.split(SCORED)]).cpu()
    uar = recall_score(classes, found, average="macro", labels=sorted(set(classes.tolist())))
    return {"accuracy": float((found == classes).float().mean()), "uar": float(uar)}
