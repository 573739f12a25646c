"""Temperatures of published heads, fitted on recordings whose labels are known.

A head's logits are divided by one number, so that its probabilities fit how often it is right (Guo et al.
2017, https://arxiv.org/abs/1706.04599): the temperature with the least mean log loss. No label that a head
gives a picture or a stretch of sound changes by it; a clip's may, since pictures are averaged afterwards.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file
from scipy.optimize import minimize_scalar
from sklearn.model_selection import GroupKFold

from mfer_core.base.errors import ClipError, MferError
from mfer_core.base.files import atomic_path, digest, sha256_file
from mfer_core.base.modalities import MODALITIES
from mfer_core.base.progress import track
from mfer_core.base.workers import LostWorkerError
from mfer_core.prediction.predictor import Predictor
from mfer_core.prediction.published import PublishedHeads
from mfer_core.protocol.metrics import calibration, calibration_error, losses

FEWEST = 20  # clips; a temperature of fewer says little.
GROUPS = 10
LIMITS = (0.05, 20.0)  # of a temperature
Logits = dict[str, np.ndarray]  # modality -> logits [T, L]: of every picture, of the mean frame of sound


@dataclass(frozen=True)
class Calibration:
    """One arm before and after. The losses after are of people whom the temperature was not fitted on."""

    arm: str
    temperature: float | None  # None: of the mean of both heads, which has none of its own
    clips: int
    before: tuple[float, float]  # mean log loss (nats) and expected calibration error
    after: tuple[float, float]


def clip_logits(
    predictor: Predictor, files: Iterable[Path], cache: Path
) -> tuple[dict[Path, Logits], dict[Path, str]]:
    """The logits of every file, and why the others have none. Each is kept in ``cache`` as soon as it is
    known, by the file's content and the encoders.
    """
    heads = heads_of(predictor)
    shape = (predictor.visual.metadata, predictor.audio.metadata, predictor.settings.shaping())
    read: dict[Path, Logits] = {}
    rejected: dict[Path, str] = {}
    for path in track(list(files), "calibrate"):
        try:
            kept = cache / f"{digest(sha256_file(path), *shape)}.safetensors"
            read[path] = _read(kept) or _write(kept, _logits(heads, predictor, path))
        except (ClipError, LostWorkerError, OSError) as error:
            rejected[path] = str(error)
    return read, rejected


def fit(
    heads: PublishedHeads, logits: list[Logits], labels: np.ndarray, speakers: np.ndarray
) -> list[Calibration]:
    """A ``Calibration`` for each arm: labels [N] are names among the heads' classes.

    Raises MferError for fewer than ``FEWEST`` clips of an arm or fewer than two speakers.
    """
    ids = pd.Categorical(labels, heads.classes).codes.astype(int)
    before, after, rows = {}, {}, []
    for arm in MODALITIES:
        has = np.array([arm in clip for clip in logits])
        if has.sum() < FEWEST or len(set(speakers[has])) < 2:
            raise MferError(
                f"{arm}: {has.sum()} clips of {len(set(speakers[has]))} speakers whose label its head knows; "
                f"a temperature needs at least {FEWEST} of at least two"
            )
        steps = [clip[arm] for clip in logits if arm in clip]
        shares = _shares_of(heads, arm, steps)
        fitted = _fit(shares, ids[has])
        before[arm] = np.full((len(logits), len(heads.classes)), np.nan)
        after[arm] = before[arm].copy()
        before[arm][has] = shares(1.0)
        after[arm][has] = _held_out(heads, arm, steps, ids[has], speakers[has])
        rows.append(Calibration(arm, fitted, *_scores(before[arm], after[arm], ids)))
    mean_before, mean_after = (
        np.nanmean([sides[arm] for arm in MODALITIES], axis=0) for sides in (before, after)
    )
    return [*rows, Calibration("fused", None, *_scores(mean_before, mean_after, ids))]


def _scores(
    before: np.ndarray, after: np.ndarray, ids: np.ndarray
) -> tuple[int, tuple[float, float], tuple[float, float]]:
    """Clips, and the losses of a ``Calibration`` before and after; rows of clips without the modality are
    NaN.
    """
    has = ~np.isnan(before[:, 0])

    def pair(shares: np.ndarray) -> tuple[float, float]:
        error = calibration_error(calibration(shares[has], ids[has]))
        return float(losses(shares[has], ids[has])[:, 1].mean()), float(error)

    return int(has.sum()), pair(before), pair(after)


def _held_out(
    heads: PublishedHeads, arm: str, steps: list[np.ndarray], ids: np.ndarray, speakers: np.ndarray
) -> np.ndarray:
    """Probabilities [N, C] of every clip at the temperature of the other speakers' clips."""
    shares = np.zeros((len(steps), len(heads.classes)))
    folds = GroupKFold(min(GROUPS, len(set(speakers))))
    for learned, held in folds.split(steps, groups=speakers):
        temperature = _fit(_shares_of(heads, arm, [steps[row] for row in learned]), ids[learned])
        shares[held] = _shares_of(heads, arm, [steps[row] for row in held])(temperature)
    return shares


def _shares_of(heads: PublishedHeads, arm: str, steps: list[np.ndarray]) -> Callable[[float], np.ndarray]:
    """Probabilities [N, C] of clips as a function of the temperature."""
    return lambda temperature: heads.shares(arm, steps, temperature)


def _fit(shares: Callable[[float], np.ndarray], ids: np.ndarray) -> float:
    minimum = minimize_scalar(
        lambda log: losses(shares(float(np.exp(log))), ids)[:, 1].mean(),
        bounds=np.log(LIMITS),
        method="bounded",
        options={"xatol": 1e-3},
    )
    return float(np.exp(minimum.x))


def heads_of(predictor: Predictor) -> PublishedHeads:
    """Raises TypeError for a trained model."""
    if not isinstance(predictor.classifier, PublishedHeads):
        raise TypeError("a trained model has no published heads")
    return predictor.classifier


def _logits(heads: PublishedHeads, predictor: Predictor, path: Path) -> Logits:
    with predictor.folder() as folder:
        embedded = predictor.embed(predictor.extract(path, Path(folder)))
        values = {"visual": embedded.visual, "audio": embedded.audio}
        return {arm: heads.heads[arm].clip_logits(arm, steps) for arm, steps in values.items() if len(steps)}


def _read(kept: Path) -> Logits | None:
    """What was kept before; None where it was not, or is damaged."""
    try:
        return load_file(kept) if kept.is_file() else None
    except SafetensorError:
        return None


def _write(kept: Path, logits: Logits) -> Logits:
    kept.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(kept) as temporary:
        save_file(logits, temporary)
    return logits
