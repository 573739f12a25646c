"""Train a ViT, a compact or a published one, on a corpus of labelled gray faces (FER-2013); writes a Hugging
Face folder.

The corpus's own three-way split is kept: Training trains, PublicTest chooses the epoch, PrivateTest is looked
at once.
"""

import hashlib
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch.nn.functional import cross_entropy, interpolate
from transformers import ViTForImageClassification

from mfer_core.base.errors import MferError
from mfer_core.base.files import digest
from mfer_core.base.settings import PretrainVit
from mfer_core.cache.code import code_digest
from mfer_core.encoders.checkpoints import find_checkpoint
from mfer_core.encoders.device import one_thread, to_device
from mfer_core.encoders.face_augmentation import augment_faces
from mfer_core.encoders.images import Preprocessing
from mfer_core.encoders.vit import SHAPING_FILES
from mfer_core.encoders.vit_start import LABELS, build_vit, preprocessing_of, published_vit, save_vit
from mfer_core.protocol.metrics import decision_scores
from mfer_core.training.encoder_folder import begin, finish, finished_metrics
from mfer_core.training.loop import Row, Run, Training, run_epochs

STAGE = "pretrain_vit"
SPLITS = ("Training", "PublicTest", "PrivateTest")
FACES_AT_ONCE = 256  # An evaluation computes so many faces at a time.
GRADIENT_NORM = 1.0  # a step's gradient is clipped to it
SHARPNESS_SAMPLE = 2000  # images per part
SHARPNESS_RATIO = 0.25  # training images below this share of PublicTest's sharpness are refused
Part = tuple[torch.Tensor, torch.Tensor]  # faces float32 [N, 1, H, W] in 0..1, class numbers int64 [N]


def pretrain_vit(
    images: np.ndarray, labels: list[str], splits: list[str], settings: PretrainVit, seed: int, out: Path
) -> dict:
    """Train on ``images`` (uint8 [N, H, W]); write checkpoint, history.csv and metrics.json to ``out``;
    return the metrics.

    Nothing is trained where ``out`` holds the result of the same images, settings and code. A corpus without
    PrivateTest (FER-2013's image folders) has no figures of it. Raises MferError for a label outside the
    seven of FER-2013, without Training or PublicTest images, and for blurred training images.
    """
    run = _run(images, labels, splits, settings, seed, Path(out))
    if (metrics := finished_metrics(run)) is not None:
        return metrics
    parts, dropped = split_faces(images, labels, splits)
    check_sharpness(images, splits)
    begin(run.folder)
    device = run.device(settings.device)
    with one_thread() if device.type == "cpu" else nullcontext(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        training = VitTraining(parts, settings, device)
        history = run_epochs(training, run).history
        classifier = training.classifier.on(torch.device("cpu"))
        scored = {name: classifier.scores(*parts[name]) for name in SPLITS[1:] if name in parts}
    metrics = {f"{name}_{key}": value for name, scores in scored.items() for key, value in scores.items()}
    metrics |= {f"images_{name}": len(classes) for name, (_, classes) in parts.items()}
    parameters = sum(weights.numel() for weights in classifier.model.parameters())
    metrics |= {"epochs": len(history), "parameters": parameters, "duplicates_dropped": dropped}
    save_vit(classifier.model, classifier.preprocessing, run.folder)
    finish(run, history, metrics)
    return metrics


def _run(
    images: np.ndarray, labels: list[str], splits: list[str], settings: PretrainVit, seed: int, out: Path
) -> Run:
    """The key covers the pixels themselves, so that it holds whatever layout they came in."""
    pixels = hashlib.sha256(np.ascontiguousarray(images).data).hexdigest()
    published = (
        settings.checkpoint
        and find_checkpoint(settings.checkpoint, settings.revision, SHAPING_FILES, settings.hash).hash
    )
    shaped_by = [
        settings.model_dump(exclude={"revision", "hash"}),
        published,
        pixels,
        images.shape,
        labels,
        splits,
        code_digest(__name__),
    ]
    return Run(out, digest(STAGE, seed, *shaped_by), seed, STAGE)


def split_faces(images: np.ndarray, labels: list[str], splits: list[str]) -> tuple[dict[str, Part], int]:
    """The images by split, and how many training images were dropped.

    A training image whose pixels also stand in a test part is dropped: it would be known by heart.
    """
    if unknown := sorted(set(labels) - set(LABELS)):
        raise MferError(f"faces labelled {unknown[0]!r}: the faces corpus knows {', '.join(LABELS)}")
    names = np.asarray(splits)
    held_out = {images[row].tobytes() for row in np.flatnonzero(names != "Training")}
    leaked = np.zeros(len(images), bool)
    for row in np.flatnonzero(names == "Training"):
        leaked[row] = images[row].tobytes() in held_out
    classes = torch.tensor([LABELS.index(label) for label in labels])
    parts = {}
    for split in SPLITS:
        rows = torch.from_numpy(np.flatnonzero((names == split) & ~leaked))
        if not len(rows) and split != "PrivateTest":
            raise MferError(f"the faces corpus has no images in its {split} split")
        if len(rows):
            parts[split] = (torch.from_numpy(images)[rows][:, None].float() / 255, classes[rows])
    return parts, int(leaked.sum())


def check_sharpness(images: np.ndarray, splits: list[str]) -> None:
    """Raise MferError when the Training images are far blurrier than PublicTest's.

    Copies of FER-2013 are about whose training images were blurred; what is learned from them does not carry
    over to sharp faces. Sharpness is the variance of the Laplacian (Pech-Pacheco et al. 2000), compared by
    its median over a part.
    """
    names = np.asarray(splits)
    training, public = (_sharpness(images[names == name]) for name in SPLITS[:2])
    if training < SHARPNESS_RATIO * public:
        raise MferError(
            "the Training images of the faces corpus are blurred (median variance of the Laplacian "
            f"{training:.3g}, of "
            f"PublicTest {public:.4g}): take another copy of the corpus"
        )


def _sharpness(images: np.ndarray) -> float:
    sample = images[:: max(1, len(images) // SHARPNESS_SAMPLE)]
    return float(np.median([cv2.Laplacian(image, cv2.CV_64F).var() for image in sample]))


@dataclass(frozen=True)
class FaceClassifier:
    """A ViT with the preprocessing that it takes faces by."""

    model: ViTForImageClassification
    preprocessing: Preprocessing
    device: torch.device
    precision: str

    def on(self, device: torch.device) -> "FaceClassifier":
        # transformers' types take the wrapped method for one that is not bound.
        model = self.model.to(device)  # type: ignore[arg-type]
        return FaceClassifier(model, self.preprocessing, device, self.precision)

    def logits(self, faces: torch.Tensor) -> torch.Tensor:
        """[N, C] of faces float32 [N, 1, H, W] in 0..1."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16"):
            return self.model(self._pixels(to_device(faces, self.device))).logits.float()

    def _pixels(self, faces: torch.Tensor) -> torch.Tensor:
        """float32 [N, 3, height, width], normalised as preprocessor_config.json says."""
        size = (self.preprocessing.height, self.preprocessing.width)
        if faces.shape[2:] != size:
            faces = interpolate(faces, size=size, mode="bilinear", antialias=True)
        return self.preprocessing.normalise(faces / self.preprocessing.scale)

    @torch.inference_mode()
    def scores(self, faces: torch.Tensor, classes: torch.Tensor) -> dict[str, float]:
        """Accuracy and UAR."""
        self.model.eval()
        predicted = torch.cat([self.logits(chunk).argmax(-1) for chunk in faces.split(FACES_AT_ONCE)]).cpu()
        scores = decision_scores(classes.numpy(), predicted.numpy(), len(LABELS))
        return {name: scores[name] for name in ("accuracy", "uar")}


class VitTraining(Training):
    """One-cycle AdamW on augmented Training faces; PublicTest's accuracy chooses the epoch."""

    logs_epochs = True

    def __init__(self, parts: dict[str, Part], settings: PretrainVit, device: torch.device):
        if settings.checkpoint:
            model, preprocessing = published_vit(settings)
        else:
            model, preprocessing = build_vit(settings), preprocessing_of(settings)
        self.classifier = FaceClassifier(model, preprocessing, device, settings.precision).on(device)
        self.model, self.parts, self.settings = model, parts, settings
        self.epochs, self.patience = settings.epochs, settings.patience
        rate = settings.learning_rate
        self.optimiser = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=settings.weight_decay)
        steps = -(-len(parts["Training"][1]) // settings.batch_size) * settings.epochs
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimiser, rate, total_steps=steps, pct_start=0.2
        )

    def epoch(self, rng: np.random.Generator) -> Row:
        loss = self._train_epoch(torch.Generator().manual_seed(int(rng.integers(2**31))))
        public = self.classifier.scores(*self.parts["PublicTest"])
        return {"train_loss": loss} | {f"public_{name}": value for name, value in public.items()}

    def better(self, new: Row, best: Row) -> bool:
        return new["public_accuracy"] > best["public_accuracy"]

    def _train_epoch(self, generator: torch.Generator) -> float:
        """One pass over the Training faces; returns the mean loss of its batches."""
        self.model.train()
        faces, classes = self.parts["Training"]
        losses = []
        for rows in torch.randperm(len(faces), generator=generator).split(self.settings.batch_size):
            logits = self.classifier.logits(augment_faces(faces[rows], generator))
            truth = to_device(classes[rows], self.classifier.device)
            loss = cross_entropy(logits, truth, label_smoothing=self.settings.label_smoothing)
            self.optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), GRADIENT_NORM)
            self.optimiser.step()
            self.schedule.step()
            losses.append(loss.detach())
        # A GPU waits when it is asked for a number, so it is asked once.
        return torch.stack(losses).mean().item()
