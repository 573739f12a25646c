"""Train a compact Emotion2vec on labelled speech; the result is a FunASR folder for ``load_emotion2vec``.

The model is FunASR's own class with few, narrow layers, and the head it is trained through is that class's
own (a linear layer on the mean of the frames), so that the folder holds what a published "+" checkpoint
holds. As in emotion2vec, a loss of the utterance (its emotion) goes with one of the frames (see
speech_targets.py).
"""

import hashlib
import logging
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch.nn.functional import cross_entropy, layer_norm, mse_loss

from mfer_core.base.errors import MferError
from mfer_core.base.files import digest
from mfer_core.base.labels import EMOTIONS
from mfer_core.base.settings import PretrainEmotion2vec
from mfer_core.cache.code import code_digest
from mfer_core.encoders.device import one_thread
from mfer_core.encoders.emotion2vec_batch import ExactBatches
from mfer_core.encoders.emotion2vec_config import model_conf
from mfer_core.encoders.emotion2vec_fast import speed_up
from mfer_core.encoders.emotion2vec_model import build_model, write_checkpoint
from mfer_core.encoders.speech_filters import FILTER_LAYERS, STEP, WINDOW, install_filters
from mfer_core.encoders.speech_targets import SIZE, FrameTargets
from mfer_core.encoders.waveform_augmentation import augment_waveform, change_speed
from mfer_core.protocol.metrics import decision_scores
from mfer_core.training.encoder_folder import begin, finish, finished_metrics
from mfer_core.training.loop import Row, Run, Training, run_epochs

STAGE = "pretrain_emotion2vec"
CROP_FRAMES = 124  # 2.5 s: the part of a clip that one step of training sees
# Other voices are what small corpora lack most (Ko et al. 2015, 'Audio augmentation for speech recognition').
SPEEDS = (0.9, 1.0, 1.1)
TARGETS_KEPT = 4096  # clips at one speed whose frame targets stay in memory: at most 160 MB at 2.5 s each
POOLED_CLIPS = 16  # clips of like length that are evaluated together
SAMPLE_CLIPS = 256  # clips that the mean and standard deviation of the frame targets are taken from
GRADIENT_NORM = 1.0  # a step's gradient is clipped to it
log = logging.getLogger("mfer")
Waveforms = list[np.ndarray]


def pretrain_emotion2vec(
    waveforms: Waveforms,
    labels: list[str],
    held_out: list[bool],
    settings: PretrainEmotion2vec,
    seed: int,
    out: Path,
) -> dict:
    """Train on mono 16 kHz ``waveforms``; write checkpoint, history.csv and metrics.json to ``out``; return
    the metrics.

    Nothing is trained where ``out`` holds the result of the same waveforms, settings and code. Clips that are
    ``held_out`` are not trained on; the metrics give their UAR for a linear probe on the mean frames of the
    trained weights, of random ones, and of random ones behind the fixed front end. Raises MferError for an
    unknown label or when nothing is held out.
    """
    run = _run(waveforms, labels, held_out, settings, seed, Path(out))
    if (metrics := finished_metrics(run)) is not None:
        return metrics
    speech = Speech(waveforms, labels, np.array(held_out, bool))
    begin(run.folder)
    with one_thread(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        conf = compact_conf(settings)
        model = build_model(conf, len(speech.classes) + 1)
        speed_up(model, "fp32")
        batches = ExactBatches(model, FILTER_LAYERS)
        metrics = {"valid_uar_random_weights": speech.probe(batches)}
        install_filters(model)
        metrics["valid_uar_fixed_front_end"] = speech.probe(batches)
        history = run_epochs(SpeechTraining(batches, speech, settings), run).history
        metrics["valid_uar_trained"] = speech.probe(batches)
    metrics |= {"valid_uar_head": history[-1]["valid_uar"], "chance": 1 / len(speech.classes)}
    metrics |= {"epochs": len(history), "clips_train": len(speech.train), "clips_valid": len(speech.valid)}
    metrics["parameters"] = sum(weights.numel() for weights in model.parameters())
    write_checkpoint(model, conf, speech.classes, run.folder)
    finish(run, history, metrics)
    uars = {name: round(value, 3) for name, value in metrics.items() if name.startswith("valid_uar")}
    log.info("%s: %s", STAGE, uars)
    return metrics


def compact_conf(settings: PretrainEmotion2vec) -> dict:
    """The configuration of the compact Emotion2vec that is trained here.

    Attention drops nothing: torch has no quick kernel for that on a CPU, and it gained nothing in figures.
    """
    shape = (settings.hidden_size, settings.layers, settings.prenet_layers, settings.heads)
    return model_conf(*shape, FILTER_LAYERS, pos_groups=settings.heads) | {"attention_dropout": 0.0}


def _run(
    waveforms: Waveforms,
    labels: list[str],
    held_out: list[bool],
    settings: PretrainEmotion2vec,
    seed: int,
    out: Path,
) -> Run:
    """The key covers the samples themselves."""
    samples = hashlib.sha256()
    for waveform in waveforms:
        samples.update(np.ascontiguousarray(waveform, np.float32).data)
    lengths = [len(waveform) for waveform in waveforms]
    shape = settings.model_dump(exclude={"leave_one_out"})  # Other encoders change nothing in this one.
    shaped_by = [shape, samples.hexdigest(), lengths, labels, held_out, code_digest(__name__)]
    return Run(out, digest(STAGE, seed, *shaped_by), seed, STAGE)


class Speech:
    """The clips, their classes, and which of them are held out."""

    def __init__(self, waveforms: Waveforms, labels: list[str], held_out: np.ndarray):
        if not held_out.any() or held_out.all():
            raise MferError(
                f"{STAGE} needs speakers to train on and others to hold out: give it a corpus of three "
                "speakers or more"
            )
        self.classes = sorted(set(labels), key=lambda name: (name not in EMOTIONS, name))
        self.waveforms = waveforms
        self.train, self.valid = np.flatnonzero(~held_out), np.flatnonzero(held_out)
        self.targets = torch.tensor([self.classes.index(label) for label in labels])

    @torch.no_grad()
    def pooled(self, batches: ExactBatches, rows: np.ndarray) -> torch.Tensor:
        """[N, D]: the mean frame of each clip, in the order of ``rows``."""
        batches.model.eval()
        order = np.argsort([len(self.waveforms[row]) for row in rows], kind="stable")
        means = []
        for positions in np.split(order, range(POOLED_CLIPS, len(order), POOLED_CLIPS)):
            clips = [normalised(self.waveforms[rows[position]]) for position in positions]
            means += [frames.mean(0) for frames in batches(clips)]
        return torch.stack(means)[np.argsort(order)]

    def uar(self, predicted: np.ndarray) -> float:
        """UAR of decisions on the held-out clips."""
        return decision_scores(self.targets[self.valid].numpy(), predicted, len(self.classes) + 1)["uar"]

    def probe(self, batches: ExactBatches) -> float:
        """UAR on the held-out speakers of a logistic regression on mean frames."""
        probe = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=1000))
        probe.fit(self.pooled(batches, self.train).numpy(), self.targets[self.train])
        return self.uar(probe.predict(self.pooled(batches, self.valid).numpy()))


def normalised(waveform: np.ndarray) -> torch.Tensor:
    """Samples of mean 0 and variance 1, as the published checkpoints take them."""
    samples = torch.from_numpy(np.ascontiguousarray(waveform, np.float32))
    return layer_norm(samples, samples.shape)


class Crops:
    """Training clips at another speed, cut and disturbed, with what their clean frames sound like."""

    def __init__(self, waveforms: Waveforms):
        self.waveforms = waveforms
        self.targets = FrameTargets()
        self.targets_at_speed = lru_cache(maxsize=TARGETS_KEPT)(self._targets_at_speed)
        rows = range(min(len(waveforms), SAMPLE_CLIPS))
        sample = torch.cat([self.targets_at_speed(row, 1.0) for row in rows])
        self.mean, self.std = sample.mean(0), sample.std(0).clamp(min=1e-3)

    def _targets_at_speed(self, row: int, speed: float) -> torch.Tensor:
        return self.targets(normalised(change_speed(self.waveforms[row], speed)).numpy())

    def draw(self, row: int, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Samples [N] of at most CROP_FRAMES frames and the standardised targets [T, SIZE] of these."""
        speed = float(rng.choice(SPEEDS))
        waveform, targets = change_speed(self.waveforms[row], speed), self.targets_at_speed(row, speed)
        first = int(rng.integers(0, max(1, len(targets) - CROP_FRAMES + 1)))
        frames = targets[first : first + CROP_FRAMES]
        samples = waveform[first * STEP : (first + len(frames) - 1) * STEP + WINDOW]
        return normalised(augment_waveform(samples, rng, 0.0)), (frames - self.mean) / self.std


class SpeechTraining(Training):
    """One-cycle AdamW to the last epoch: few held-out clips cannot tell a good one, and the frames learn to
    the end.
    """

    logs_epochs = True

    def __init__(self, batches: ExactBatches, speech: Speech, settings: PretrainEmotion2vec):
        self.batches, self.speech, self.settings = batches, speech, settings
        self.crops = Crops([speech.waveforms[row] for row in speech.train])
        # From frames to frame targets; the checkpoint of the encoder goes without it.
        self.reader = torch.nn.Linear(settings.hidden_size, SIZE)
        self.model = torch.nn.ModuleDict({"encoder": batches.model, "reader": self.reader})
        self.epochs = settings.epochs
        self.steps = -(-len(speech.train) // settings.batch_size)
        rate = settings.learning_rate
        weights = self.model.parameters()
        self.optimiser = torch.optim.AdamW(weights, lr=rate, weight_decay=settings.weight_decay)
        total = self.steps * settings.epochs
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimiser, rate, total_steps=total, pct_start=0.2
        )

    def epoch(self, rng: np.random.Generator) -> Row:
        self.model.train()
        losses = []
        for rows in np.array_split(rng.permutation(len(self.speech.train)), self.steps):
            loss = self._loss(rows, rng)
            self.optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), GRADIENT_NORM)
            self.optimiser.step()
            self.schedule.step()
            losses.append(loss.item())
        return {"train_loss": float(np.mean(losses)), "valid_uar": self._head_uar()}

    def _loss(self, rows: np.ndarray, rng: np.random.Generator) -> torch.Tensor:
        """The loss of the utterances' emotions and, weighed, of their frames' spectrum and pitch."""
        clips, targets = zip(*(self.crops.draw(row, rng) for row in rows), strict=True)
        frames = self.batches(list(clips))
        logits = self.batches.model.proj(torch.stack([part.mean(0) for part in frames]))
        truth = self.speech.targets[self.speech.train[rows]]
        utterances = cross_entropy(logits, truth, label_smoothing=self.settings.label_smoothing)
        return utterances + self.settings.frame_weight * mse_loss(
            self.reader(torch.cat(frames)), torch.cat(targets)
        )

    @torch.no_grad()
    def _head_uar(self) -> float:
        means = self.speech.pooled(self.batches, self.speech.valid)
        return self.speech.uar(self.batches.model.proj(means).argmax(-1).numpy())

    def better(self, new: Row, best: Row) -> bool:
        return True
