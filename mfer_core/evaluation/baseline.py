"""A classical baseline under the same folds: MFCC statistics, pitch and duration into an RBF SVM (C = 5).

An arm that does not beat it has not learned much.
"""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from scipy.special import softmax
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from torchaudio.functional import compute_deltas
from torchaudio.transforms import MFCC

from mfer_core.media.extracted import open_extracted
from mfer_core.media.pitch import pitch

SAMPLE_RATE = 16000  # Hz
COEFFICIENTS = 20
MIN_SAMPLES = SAMPLE_RATE // 2  # shorter clips are padded with silence, so that every statistic exists
SPECTRUM = {"n_fft": 512, "win_length": 400, "hop_length": 160, "n_mels": 40}


def _statistics(rows: torch.Tensor) -> list[torch.Tensor]:
    """Mean, standard deviation, maximum and minimum over time of [R, T], each [R]."""
    return [rows.mean(1), rows.std(1), rows.amax(1), rows.amin(1)]


def features(waveform: np.ndarray, mfcc: MFCC) -> np.ndarray:
    """Float32 [165] of a mono waveform [N] at 16 kHz: statistics of 20 MFCCs and deltas, of the pitch, and seconds."""
    samples = np.pad(waveform, (0, max(0, MIN_SAMPLES - len(waveform))))
    cepstrum = mfcc(torch.from_numpy(samples))  # [20, T]
    parts = [
        *_statistics(torch.cat([cepstrum, compute_deltas(cepstrum)])),
        *_statistics(torch.from_numpy(pitch(samples))[None]),
    ]
    return torch.cat([*parts, torch.tensor([len(waveform) / SAMPLE_RATE])]).numpy()


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


def by_speaker(values: dict[str, np.ndarray], manifest: pd.DataFrame) -> dict[str, np.ndarray]:
    """The features less their speaker's mean, divided by their speaker's standard deviation; no label is used."""
    found = dict(values)
    for _, clips in manifest.groupby("speaker").clip_id:
        if own := [clip for clip in clips if clip in values]:
            several = np.stack([values[clip] for clip in own])
            found |= dict(
                zip(own, (several - several.mean(0)) / np.maximum(several.std(0), 1e-6), strict=True)
            )
    return found


def _fit_predict(
    values: dict[str, np.ndarray],
    labels: pd.Series,
    train: list[str],
    test: list[str],
    classes: tuple[str, ...],
) -> np.ndarray:
    """Probabilities [N, C]: softmax of the decision values, not calibrated; 0 for classes without a training clip."""
    model = make_pipeline(StandardScaler(), SVC(C=5, decision_function_shape="ovr"))
    model.fit(np.stack([values[clip] for clip in train]), labels[train])
    decision = model.decision_function(np.stack([values[clip] for clip in test]))
    decision = (
        np.stack([-decision, decision], 1) if decision.ndim == 1 else decision
    )  # two classes give one column
    result = np.zeros((len(test), len(classes)))
    result[:, [classes.index(name) for name in model.classes_]] = softmax(decision, 1)
    return result


def baseline_predictions(
    values: dict[str, np.ndarray],
    manifest: pd.DataFrame,
    folds: pd.DataFrame,
    classes: tuple[str, ...],
    arm: str = "baseline",
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
        table = pd.DataFrame(
            _fit_predict(values, labels, train, test, classes), columns=list(classes)
        ).astype(np.float32)
        facts = {
            "clip_id": test,
            "protocol": protocol,
            "fold": fold,
            "arm": arm,
            "label": labels[test].to_numpy(),
        }
        tables.append(pd.concat([pd.DataFrame(facts), table], axis=1))
    return (
        pd.concat(tables, ignore_index=True)
        if tables
        else pd.DataFrame(columns=["clip_id", "protocol", "fold", "arm", "label", *classes])
    )
