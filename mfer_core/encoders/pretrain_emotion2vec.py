"""Train a compact Emotion2vec on labelled speech; the result is a FunASR folder for ``load_emotion2vec``.

The model is FunASR's own class with few, narrow layers, and the head it is trained through is that class's own (a linear
layer on the mean of the frames), so that the folder holds what a published "+" checkpoint holds. As in emotion2vec, a loss of
the utterance (its emotion) goes with one of the frames (see speech_targets.py).
"""

import logging
import time
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from ruamel.yaml import YAML
from safetensors.torch import save_file
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import recall_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch.nn.functional import cross_entropy, layer_norm, mse_loss

from mfer_core.base.errors import MferError
from mfer_core.base.files import atomic_path, write_json
from mfer_core.base.labels import EMOTIONS
from mfer_core.base.settings import PretrainEmotion2vec
from mfer_core.encoders.device import one_thread
from mfer_core.encoders.emotion2vec_batch import ExactBatches
from mfer_core.encoders.emotion2vec_config import model_conf
from mfer_core.encoders.emotion2vec_fast import speed_up
from mfer_core.encoders.emotion2vec_model import build_model
from mfer_core.encoders.speech_filters import FILTER_LAYERS, STEP, WINDOW, install_filters
from mfer_core.encoders.speech_targets import SIZE, FrameTargets
from mfer_core.encoders.waveform_augmentation import augment_waveform, change_speed

# As the published tokens.txt spells them; 'calm' has no published token.
TOKENS = {
    **{
        "angry": "生气/angry",
        "disgust": "厌恶/disgusted",
        "fearful": "恐惧/fearful",
        "happy": "开心/happy",
        "neutral": "中立/neutral",
    },
    **{"sad": "难过/sad", "surprised": "吃惊/surprised", "calm": "平静/calm"},
}
VALID_SHARE = 0.2  # of the speakers, for the figures printed
CROP_FRAMES = 124  # of a clip seen in one step of training: 2.5 s
SPEEDS = (
    0.9,
    1.0,
    1.1,
)  # other voices, which small corpora lack most (Ko et al. 2015, 'Audio augmentation for speech recognition')
TARGETS_KEPT = 4096  # clips at a speed whose frame targets are kept: at most 160 MB at 2.5 s each
POOLED = 16  # clips of like length that are evaluated together
SAMPLE_CLIPS = 256  # that the targets' mean and standard deviation are taken from
log = logging.getLogger("mfer")
Waveforms = list[np.ndarray]


def pretrain_emotion2vec(
    waveforms: Waveforms,
    labels: list[str],
    speakers: list[str],
    settings: PretrainEmotion2vec,
    seed: int,
    out: Path,
) -> dict:
    """Train on mono 16 kHz ``waveforms`` and write the checkpoint, history.csv and metrics.json to ``out``.

    A fifth of the speakers is held out for the figures printed. The metrics give their UAR for a linear probe on the mean frames
    of the trained weights, of random ones, and of random ones behind the fixed front end. Raises MferError for an unknown label
    or fewer than five speakers.
    """
    started = time.monotonic()
    names = _classes(labels)
    targets = torch.tensor([names.index(label) for label in labels])
    train, valid = split_speakers(speakers, seed)
    conf = model_conf(
        settings.hidden_size,
        settings.layers,
        settings.prenet_layers,
        settings.heads,
        FILTER_LAYERS,
        pos_groups=settings.heads,
    )
    with one_thread(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = build_model(conf, len(names) + 1)
        speed_up(model, "fp32")
        batches = ExactBatches(model, FILTER_LAYERS)
        random_uar = _probe(batches, waveforms, targets, train, valid)
        install_filters(model)
        filters_uar = _probe(batches, waveforms, targets, train, valid)
        history = _fit(batches, waveforms, targets, train, valid, settings, np.random.default_rng(seed))
        trained_uar = _probe(batches, waveforms, targets, train, valid)
    metrics = {
        "valid_uar_random_weights": random_uar,
        "valid_uar_fixed_front_end": filters_uar,
        "valid_uar_trained": trained_uar,
        "chance": 1 / len(names),
    }
    metrics |= {"valid_uar_head": history[-1]["valid_uar"], "epochs": len(history), "clips_train": len(train)}
    metrics |= {"clips_valid": len(valid), "parameters": sum(p.numel() for p in batches.model.parameters())}
    write_checkpoint(batches.model, conf, names, out)
    with atomic_path(out / "history.csv") as path:
        pd.DataFrame(history).to_csv(path, index=False)
    write_json(out / "metrics.json", metrics)
    seconds = time.monotonic() - started
    line = "pretrain_emotion2vec: validation UAR %.3f trained, %.3f with random weights, %.3f with random ones behind the fixed front end; %.0f s"
    log.info(line, trained_uar, random_uar, filters_uar, seconds)
    return metrics


def split_speakers(speakers: list[str], seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of training and of validation clips; no speaker is in both, and every corpus's speakers are drawn alike."""
    names = sorted(set(speakers))
    if len(names) < 5:
        raise MferError(
            f"pretrain_emotion2vec holds a fifth of the speakers out: {len(names)} speakers are too few, 5 are needed"
        )
    generator = np.random.default_rng(seed)
    held_out: set[str] = set()
    for corpus in sorted({name.split("-")[0] for name in names}):
        own = [name for name in names if name.split("-")[0] == corpus]
        held_out |= (
            set(generator.permutation(own)[: max(1, round(VALID_SHARE * len(own)))])
            if len(own) > 1
            else set()
        )
    held = np.array([speaker in held_out for speaker in speakers])
    return np.flatnonzero(~held), np.flatnonzero(held)


def _classes(labels: list[str]) -> list[str]:
    """The labels that occur, in the order of EMOTIONS."""
    unknown = sorted(set(labels) - set(EMOTIONS))
    if unknown:
        raise MferError(f"speech labelled {unknown[0]!r}: use {', '.join(EMOTIONS)}")
    return [name for name in EMOTIONS if name in set(labels)]


def _normalised(waveform: np.ndarray) -> torch.Tensor:
    samples = torch.from_numpy(np.ascontiguousarray(waveform, np.float32))
    return layer_norm(samples, samples.shape)


def _mean_frames(batches: ExactBatches, clips: list[torch.Tensor]) -> torch.Tensor:
    """[B, D]: the mean of each clip's frames."""
    return torch.stack([frames.mean(0) for frames in batches(clips)])


def _fit(
    batches: ExactBatches,
    waveforms: Waveforms,
    targets,
    train,
    valid,
    settings: PretrainEmotion2vec,
    generator,
) -> list[dict]:
    """Train with one-cycle AdamW, to the last epoch: few held-out clips cannot tell a good one, and the frames learn to the end."""
    model = batches.model
    steps = -(-len(train) // settings.batch_size)
    crops = Crops([waveforms[row] for row in train])
    reader = torch.nn.Linear(
        settings.hidden_size, SIZE
    )  # frames -> frame targets; not part of the checkpoint
    weights = [*model.parameters(), *reader.parameters()]
    optimiser = torch.optim.AdamW(weights, lr=settings.learning_rate, weight_decay=settings.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, settings.learning_rate, total_steps=steps * settings.epochs, pct_start=0.2
    )
    history: list[dict] = []
    for epoch in range(1, settings.epochs + 1):
        model.train()
        losses = []
        for rows in np.array_split(generator.permutation(len(train)), steps):
            clips, sounds = zip(*(crops.draw(row, generator) for row in rows), strict=True)
            frames = batches([_normalised(clip) for clip in clips])
            logits = model.proj(torch.stack([part.mean(0) for part in frames]))
            loss = cross_entropy(logits, targets[train[rows]], label_smoothing=settings.label_smoothing)
            loss = loss + settings.frame_weight * mse_loss(reader(torch.cat(frames)), torch.cat(sounds))
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(weights, 1.0)
            optimiser.step()
            schedule.step()
            losses.append(loss.item())
        uar = _head_uar(batches, waveforms, targets, valid)
        history.append({"epoch": epoch, "train_loss": float(np.mean(losses)), "valid_uar": uar})
        log.info(
            "pretrain_emotion2vec epoch %d: loss %.3f, validation UAR %.3f",
            epoch,
            history[-1]["train_loss"],
            uar,
        )
    return history


class Crops:
    """Training clips as the loop sees them: played at another speed, cut, disturbed, with what their clean frames sound like."""

    def __init__(self, waveforms: Waveforms):
        self.waveforms = waveforms
        self.targets = FrameTargets()
        self.at_speed = lru_cache(maxsize=TARGETS_KEPT)(self._at_speed)
        sample = torch.cat([self.at_speed(row, 1.0) for row in range(min(len(waveforms), SAMPLE_CLIPS))])
        self.mean, self.std = sample.mean(0), sample.std(0).clamp(min=1e-3)

    def _at_speed(self, row: int, speed: float) -> torch.Tensor:
        return self.targets(_normalised(change_speed(self.waveforms[row], speed)).numpy())

    def draw(self, row: int, generator: np.random.Generator) -> tuple[np.ndarray, torch.Tensor]:
        """Samples [N] of at most CROP_S and the standardised targets [T, SIZE] of their frames."""
        speed = float(generator.choice(SPEEDS))
        waveform, targets = change_speed(self.waveforms[row], speed), self.at_speed(row, speed)
        first = int(generator.integers(0, max(1, len(targets) - CROP_FRAMES + 1)))
        frames = targets[first : first + CROP_FRAMES]
        samples = waveform[first * STEP : (first + len(frames) - 1) * STEP + WINDOW]
        return augment_waveform(samples, generator, 0.0), (frames - self.mean) / self.std


@torch.no_grad()
def _pooled(batches: ExactBatches, waveforms: Waveforms, rows: np.ndarray) -> torch.Tensor:
    """[N, D]: the mean frame of each clip, in the order of ``rows``."""
    batches.model.eval()
    order = np.argsort([len(waveforms[row]) for row in rows], kind="stable")
    together = np.split(order, range(POOLED, len(order), POOLED))
    found = torch.cat(
        [
            _mean_frames(batches, [_normalised(waveforms[rows[place]]) for place in places])
            for places in together
        ]
    )
    return found[np.argsort(order)]


def _head_uar(batches: ExactBatches, waveforms: Waveforms, targets, rows) -> float:
    with torch.no_grad():
        found = batches.model.proj(_pooled(batches, waveforms, rows)).argmax(-1)
    return _uar(targets[rows], found)


def _uar(truth: torch.Tensor, found) -> float:
    return float(
        recall_score(truth, found, average="macro", labels=sorted(set(truth.tolist())), zero_division=0)
    )


def _probe(batches: ExactBatches, waveforms: Waveforms, targets, train, valid) -> float:
    """UAR on the held-out speakers of a logistic regression on mean frames."""
    probe = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=1000))
    probe.fit(_pooled(batches, waveforms, train).numpy(), targets[train])
    return _uar(targets[valid], probe.predict(_pooled(batches, waveforms, valid).numpy()))


def write_checkpoint(model: torch.nn.Module, conf: dict, names: list[str], out: Path) -> None:
    """Write the FunASR layout (config.yaml, configuration.json, tokens.txt, weights last); the head's classes are ``names`` and <unk>."""
    out.mkdir(parents=True, exist_ok=True)
    tokenizer = {
        "tokenizer": "CharTokenizer",
        "tokenizer_conf": {"unk_symbol": "<unk>", "split_with_space": True},
    }
    with atomic_path(out / "config.yaml") as path:
        YAML(typ="safe", pure=True).dump({"model": "Emotion2vec", "model_conf": conf, **tokenizer}, path)
    metas = {
        "init_param": "model.safetensors",
        "config": "config.yaml",
        "tokenizer_conf": {"token_list": "tokens.txt"},
    }
    write_json(
        out / "configuration.json",
        {"framework": "pytorch", "task": "emotion-recognition", "file_path_metas": metas},
    )
    with atomic_path(out / "tokens.txt") as path:
        path.write_text("\n".join([*(TOKENS[name] for name in names), "<unk>"]) + "\n", encoding="utf-8")
    with atomic_path(out / "model.safetensors") as path:
        save_file({name: tensor.contiguous() for name, tensor in model.state_dict().items()}, path)
