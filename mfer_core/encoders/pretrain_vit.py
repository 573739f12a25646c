"""Train a compact ViT on a FER-2013-like corpus of 48x48 gray faces; the result is a Hugging Face folder for ``load_vit``.

The corpus's own three-way split is kept: Training trains, PublicTest stops early, PrivateTest is looked at once.
"""

import copy
import logging
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from sklearn.metrics import recall_score
from torch.nn.functional import cross_entropy
from transformers import ViTConfig
from transformers.utils.logging import disable_progress_bar

from mfer_core.encoders.device import one_thread
from mfer_core.encoders.face_augmentation import augment_faces
from mfer_core.encoders.images import FILE
from mfer_core.encoders.sharpness import blur_between
from mfer_core.encoders.vit_stem import vit_class, weight_scale
from mfer_core.errors import MferError
from mfer_core.files import atomic_path, write_json
from mfer_core.labels import label_set
from mfer_core.settings import PretrainVit

LABELS = label_set("seven")
SPLITS = ("Training", "PublicTest", "PrivateTest")
MEAN = STD = 0.5
log = logging.getLogger("mfer")


def pretrain_vit(images: np.ndarray, labels: list[str], splits: list[str], settings: PretrainVit, seed: int, out: Path) -> dict:
    """Train on ``images`` (uint8 [N, 48, 48]) and write the checkpoint, history.csv and metrics.json to ``out``.

    Returns the metrics. A corpus without PrivateTest (FER-2013's image folders) has no figures of it. Raises MferError for a label
    outside the seven of FER-2013, and without Training or PublicTest images.
    """
    started = time.monotonic()
    parts, dropped = split_faces(images, labels, splits)
    with one_thread(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = build_vit(settings, _blur(parts, settings) * settings.image_size / images.shape[1])
        history = _fit(model, parts, settings, torch.Generator().manual_seed(seed))
    metrics = {f"{name}_{key}": value for name in SPLITS[1:] if name in parts for key, value in _score(model, *parts[name]).items()}
    metrics |= {"epochs": len(history), "parameters": sum(p.numel() for p in model.parameters()), "duplicates_dropped": dropped}
    metrics |= {"blur_pixels": model.config.blur}
    metrics |= {f"images_{name}": len(part[1]) for name, part in parts.items()}
    save_vit(model, settings, out)
    with atomic_path(out / "history.csv") as path:
        pd.DataFrame(history).to_csv(path, index=False)
    write_json(out / "metrics.json", metrics)
    found = ", ".join(f"{name} {metrics[f'{name}_accuracy']:.3f}" if name in parts else f"{name} absent" for name in SPLITS[1:])
    log.info("pretrain_vit: %s in %.0f s", found, time.monotonic() - started)
    return metrics


def split_faces(images: np.ndarray, labels: list[str], splits: list[str]) -> tuple[dict[str, tuple[torch.Tensor, torch.Tensor]], int]:
    """(faces float32 [N, 1, H, W] in 0..1, class numbers) per split, and how many training faces were dropped.

    A training face whose pixels also stand in a test part is dropped: it would be known by heart.
    """
    unknown = sorted(set(labels) - set(LABELS))
    if unknown:
        raise MferError(f"faces labelled {unknown[0]!r}: the faces corpus knows {', '.join(LABELS)}")
    names = np.asarray(splits)
    held_out = {images[row].tobytes() for row in np.flatnonzero(names != "Training")}
    leaked = np.array([name == "Training" and image.tobytes() in held_out for name, image in zip(names, images, strict=True)], bool)
    classes = torch.tensor([LABELS.index(label) for label in labels])
    parts = {}
    for split in SPLITS:
        rows = torch.from_numpy(np.flatnonzero((names == split) & ~leaked))
        if not len(rows) and split != "PrivateTest":
            raise MferError(f"the faces corpus has no images in its {split} split")
        if len(rows):
            parts[split] = (torch.from_numpy(images)[rows][:, None].float() / 255, classes[rows])
    return parts, int(leaked.sum())


def _blur(parts: dict, settings: PretrainVit) -> float:
    """How much blurrier the training images are than PublicTest's, in their pixels."""
    found = blur_between(parts["Training"][0], parts["PublicTest"][0])
    if found and not settings.stem_channels:
        raise MferError(
            f"Training images are blurrier than PublicTest's by {found:.1f} pixels: only a ViT with pretrain_vit.stem_channels can mend that"
        )
    if found:
        log.info("Training images are blurrier than PublicTest's by %.1f pixels: the ViT will blur what it is given alike", found)
    return found


def build_vit(settings: PretrainVit, blur: float = 0.0) -> torch.nn.Module:
    """A fresh compact ViT with random weights (torch's global generator); ``blur`` in pixels of its input."""
    config = ViTConfig(
        image_size=settings.image_size,
        patch_size=settings.patch_size,
        stem_channels=settings.stem_channels,
        blur=blur,
        hidden_size=settings.hidden_size,
        num_hidden_layers=settings.layers,
        num_attention_heads=settings.heads,
        intermediate_size=4 * settings.hidden_size,
        initializer_range=weight_scale(settings.hidden_size),
        id2label=dict(enumerate(LABELS)),
        label2id={name: number for number, name in enumerate(LABELS)},
        num_labels=len(LABELS),
    )
    return vit_class(config)(config)


def _pixels(faces: torch.Tensor, side: int) -> torch.Tensor:
    """float32 [N, 3, side, side], normalised as preprocessor_config.json says."""
    if faces.shape[-1] != side:
        faces = torch.nn.functional.interpolate(faces, size=(side, side), mode="bilinear", antialias=True)
    return ((faces - MEAN) / STD).expand(-1, 3, -1, -1)


def _fit(model, parts: dict, settings: PretrainVit, generator: torch.Generator) -> list[dict]:
    """Train with one-cycle AdamW; leaves the weights of the epoch with the best PublicTest accuracy in ``model``."""
    faces, classes = parts["Training"]
    steps = -(-len(faces) // settings.batch_size)
    optimiser = torch.optim.AdamW(model.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, settings.learning_rate, total_steps=steps * settings.epochs, pct_start=0.2)
    history: list[dict] = []
    best, best_state = -1.0, {}
    for epoch in range(1, settings.epochs + 1):
        loss = _train_epoch(model, faces, classes, settings, generator, optimiser, schedule)
        score = _score(model, *parts["PublicTest"])
        history.append({"epoch": epoch, "train_loss": loss, **{f"public_{key}": value for key, value in score.items()}})
        log.info("pretrain_vit epoch %d: loss %.3f, PublicTest accuracy %.3f", epoch, loss, score["accuracy"])
        if score["accuracy"] > best:
            best, best_epoch, best_state = score["accuracy"], epoch, copy.deepcopy(model.state_dict())
        if epoch - best_epoch >= settings.patience > 0:
            break
    model.load_state_dict(best_state)
    return history


def _train_epoch(model, faces, classes, settings: PretrainVit, generator, optimiser, schedule) -> float:
    model.train()
    losses = []
    for rows in torch.randperm(len(faces), generator=generator).split(settings.batch_size):
        pixels = _pixels(augment_faces(faces[rows], generator), settings.image_size)
        loss = cross_entropy(model(pixels).logits, classes[rows], label_smoothing=settings.label_smoothing)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        losses.append(loss.item())
    return float(np.mean(losses))


@torch.inference_mode()
def _score(model, faces: torch.Tensor, classes: torch.Tensor) -> dict[str, float]:
    model.eval()
    found = torch.cat([model(_pixels(chunk, model.config.image_size)).logits.argmax(-1) for chunk in faces.split(256)])
    uar = recall_score(classes, found, average="macro", labels=sorted(set(classes.tolist())))
    return {"accuracy": float((found == classes).float().mean()), "uar": float(uar)}


def save_vit(model: torch.nn.Module, settings: PretrainVit, out: Path) -> None:
    """Write the Hugging Face layout: config.json, model.safetensors, preprocessor_config.json."""
    disable_progress_bar()
    model.save_pretrained(out)
    side = {"height": settings.image_size, "width": settings.image_size}
    flags = {"do_resize": True, "do_rescale": True, "do_normalize": True, "resample": 2, "rescale_factor": 1 / 255}
    norm = {"image_mean": [MEAN] * 3, "image_std": [STD] * 3}
    write_json(out / FILE, {"image_processor_type": "ViTImageProcessor", "size": side, **flags, **norm})
