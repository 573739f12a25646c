"""A classical baseline under the same folds: MFCC statistics, pitch and duration into an RBF SVM (C = 5).

An arm that does not beat it has not learned much.
"""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from scipy.special import softmax
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from torchaudio.functional import compute_deltas
from torchaudio.transforms import MFCC

from mfer_core.cache.schemas import SAMPLE_RATE
from mfer_core.evaluation.arms import BASELINE
from mfer_core.media.extracted import open_extracted
from mfer_core.media.pitch import pitch
from mfer_core.protocol.predictions import prediction_rows, predictions_schema

COEFFICIENTS = 20
MIN_SAMPLES = SAMPLE_RATE // 2  # shorter clips are padded with silence, so that every statistic exists
SPECTRUM = {"n_fft": 512, "hop_length": 160, "n_mels": 64}
WINDOW = 400  # samples, 25 ms, of the level by which silence is trimmed
# Windows below this share of the loudest window's level are silent; RAVDESS's clips begin and end with a
# second of silence.
SILENCE = 0.02


def trimmed(waveform: np.ndarray) -> np.ndarray:
    """A waveform [N] from its first window that is not silent to its last."""
    windows = np.pad(waveform, (0, -len(waveform) % WINDOW)).reshape(-1, WINDOW)
    level = np.sqrt(np.square(windows, dtype=np.float64).mean(1))
    loud = np.flatnonzero(level >= SILENCE * level.max())
    return waveform[loud[0] * WINDOW : (loud[-1] + 1) * WINDOW]


def _statistics(rows: torch.Tensor) -> list[torch.Tensor]:
    """Mean, standard deviation, maximum and minimum over time of [R, T], each [R]."""
    return [rows.mean(1), rows.std(1), rows.amax(1), rows.amin(1)]


def features(waveform: np.ndarray, mfcc: MFCC) -> np.ndarray:
    """Float32 [164] of a mono waveform [N] at 16 kHz, silence at its ends trimmed.

    Mean, deviation, maximum and minimum of 20 MFCCs and their deltas; mean, deviation and median of the
    pitch; seconds.
    """
    spoken = trimmed(waveform)
    samples = np.pad(spoken, (0, max(0, MIN_SAMPLES - len(spoken))))
    cepstrum = mfcc(torch.from_numpy(samples))  # [20, T]
    height = torch.from_numpy(pitch(samples))
    melody = torch.stack([height.mean(), height.std(), height.median()])
    parts = [*_statistics(torch.cat([cepstrum, compute_deltas(cepstrum)])), melody]
    return torch.cat([*parts, torch.tensor([len(spoken) / SAMPLE_RATE])]).numpy()


def baseline_features(extract: Path, clips: set[str]) -> dict[str, np.ndarray]:
    """clip_id -> features of the whole clip (no speech detection), for those of ``clips`` with sound.

    ``extract`` is the corpus's folder of extracted clips. Raises MferError when extract has not run.
    """
    mfcc = MFCC(SAMPLE_RATE, COEFFICIENTS, melkwargs=SPECTRUM)
    return {
        speech.clip_id: features(speech.waveform, mfcc)
        for speech in open_extracted(extract).all_speech(math.inf)
        if speech.clip_id in clips
    }


def standardised(
    values: dict[str, np.ndarray], clips: list[str], moments_of: list[str]
) -> dict[str, np.ndarray]:
    """The features of ``clips`` less the mean of ``moments_of``, divided by their standard deviation."""
    rows = np.stack([values[clip] for clip in moments_of])
    mean, std = rows.mean(0), np.maximum(rows.std(0), 1e-6)
    return {clip: (values[clip] - mean) / std for clip in clips}


def by_speaker(values: dict[str, np.ndarray], manifest: pd.DataFrame) -> dict[str, np.ndarray]:
    """The features standardised by all clips of their speaker: it takes no label, and assumes that all hold
    like emotions.
    """
    result = dict(values)
    for _, clips in manifest.groupby("speaker").clip_id:
        if known := [clip for clip in clips if clip in values]:
            result |= standardised(values, known, known)
    return result


def fit_baseline(values: dict[str, np.ndarray], labels: pd.Series, train: list[str]) -> Pipeline:
    """The SVM, fitted on the features of ``train``; ``labels`` by clip_id."""
    model = make_pipeline(StandardScaler(), SVC(C=5, decision_function_shape="ovr"))
    return model.fit(np.stack([values[clip] for clip in train]), labels[train])


def _shares(
    model: Pipeline, values: dict[str, np.ndarray], test: list[str], classes: tuple[str, ...]
) -> np.ndarray:
    """[N, C] for the predictions contract: softmax of the decision values, no probabilities; 0 for classes
    never trained on.
    """
    decision = model.decision_function(np.stack([values[clip] for clip in test]))
    if decision.ndim == 1:  # two classes give one column
        decision = np.stack([-decision, decision], 1)
    result = np.zeros((len(test), len(classes)))
    result[:, [classes.index(name) for name in model.classes_]] = softmax(decision, 1)
    return result


def baseline_predictions(
    values: dict[str, np.ndarray],
    manifest: pd.DataFrame,
    folds: pd.DataFrame,
    classes: tuple[str, ...],
    arm: str = BASELINE,
) -> pd.DataFrame:
    """Rows of the predictions contract, as ``arm``, for all folds.

    It chooses nothing on an inner split, so it trains on all clips outside the test part.
    """
    labels = manifest.set_index("clip_id").label
    tables = []
    for (protocol, fold), rows in folds[folds.clip_id.isin(list(values))].groupby(
        ["protocol", "fold"], sort=False
    ):
        test = sorted(rows.clip_id[rows.part == "test"])
        train = sorted(set(rows.clip_id) - set(test))
        shares = _shares(fit_baseline(values, labels, train), values, test, classes)
        tables.append(prediction_rows(labels[test], protocol, fold, arm, shares, classes))
    return (
        pd.concat(tables, ignore_index=True)
        if tables
        else pd.DataFrame(columns=predictions_schema(classes).names)
    )
