"""Embeddings with a known structure: emotion, speaker identity and noise, written as the embed stage writes
them.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pyarrow as pa

from mfer_core.base.files import read_table, write_table
from mfer_core.base.labels import FURTHER, label_set
from mfer_core.base.manifest import Clip, read_manifest, write_manifest
from mfer_core.base.paths import DataPaths
from mfer_core.base.settings import Settings, load_settings
from mfer_core.cache.embeddings import EmbeddingRow, EmbeddingShards
from mfer_core.cache.shards import partition
from mfer_core.media.extracted import ExtractedShards, extracted_row
from mfer_core.media.result import ExtractedClip
from mfer_core.protocol.folds import FOLDS_SCHEMA, make_folds
from mfer_core.training.pretrain_audio import pretrain_audio
from mfer_core.training.stages import STAGES, collect_predictions, folds_to_train, train_fold

EIGHT = label_set("eight")
DIRECTIONS = (*EIGHT, *FURTHER)
DIM = 12
SPOKEN = {"start_s": 0.1, "end_s": 0.35}
ROOT = Path(__file__).resolve().parents[2]


def _train_first_seed(stage: str, protocol: str, fold: int, data: Path, settings: Settings) -> Path:
    """A fold with the first of the settings' seeds."""
    return train_fold(stage, protocol, settings.seeds[0], fold, data, settings)


train_visual_fold = partial(_train_first_seed, "train_visual")
train_audio_fold = partial(_train_first_seed, "train_audio")
train_fused_fold = partial(_train_first_seed, "train_fused")


def small_settings(**changes: object) -> Settings:
    """The real default, shrunk to seconds. ``changes`` are merged section by section."""
    small = {"hidden_size": 12, "layers": 1, "dropout": 0.0, "pool": 1, "readout": "last"}
    small |= {"noise": 0.0, "jitter": 0.0}
    fast = {"epochs": 4, "learning_rate": 1e-2, "select": "uar", "label_smoothing": 0.03}
    base = load_settings(ROOT / "params.yaml").model_dump(by_alias=True)
    merged = {
        "folds": {"protocols": ["groupk:2"], "refit": False},
        "train_visual": small | fast,
        "pretrain_audio": small | fast | {"cross_corpus_epochs": 0},
        "train_audio": fast | {"gru_learning_rate": 5e-3},
        "train_fused": {"epochs": 3, "select": "uar"},
        "evaluate": {"bootstrap": 100, "permutations": 200},
        "transfer": {"draws": 1},
    }
    for section, values in [*merged.items(), *changes.items()]:
        base[section] = base[section] | values if isinstance(values, dict) else values
    base["register"] = base["register"] | {"protocol": base["folds"]["protocols"][0]}
    return Settings.model_validate(base)


def clips_of(corpus: str, speakers: int, repeats: int, labels: tuple[str, ...], first: int = 1) -> list[Clip]:
    """``repeats`` clips of each label by each speaker."""
    return [
        Clip(
            clip_id=f"{corpus}/{speaker:02d}-{label}-{take}",
            corpus=corpus,
            path=f"{speaker:02d}-{label}-{take}.wav",
            sha256=f"{corpus}{speaker}{label}{take}",
            label=label,
            speaker=f"{corpus}-{speaker:02d}",
            sex="male" if speaker % 2 else "female",
            age=(25, 50, None)[speaker % 3],
            intensity="normal",
            statement=f"s{take % 2 + 1}",
            repetition=str(take // 2 + 1),
            has_video=True,
            has_audio=True,
        )
        for speaker in range(first, first + speakers)
        for label in labels
        for take in range(repeats)
    ]


def write_embeddings(
    folder: Path,
    clips: list[Clip],
    steps: tuple[int, int],
    strength: float,
    seed: int,
    identity: float = 0.5,
    shift: float = 0.0,
    dtype: str = "float32",
    **metadata: object,
) -> None:
    """Noise, plus the emotion's direction times ``strength``, plus the (speaker, emotion) pair's own times
    ``identity``.
    """
    rng = np.random.default_rng(seed)
    emotion = {label: np.random.default_rng([7, i]).normal(size=DIM) for i, label in enumerate(DIRECTIONS)}
    personal = {pair: rng.normal(size=DIM) for pair in sorted({(clip.speaker, clip.label) for clip in clips})}
    rows = {}
    for clip in clips:
        length = int(rng.integers(*steps))
        values = (
            rng.normal(size=(length, DIM))
            + strength * emotion[clip.label]
            + identity * personal[clip.speaker, clip.label]
            + shift
        )
        rows[clip.clip_id] = EmbeddingRow(clip.clip_id, f"key-{seed}", np.arange(length) / 5, values)
    shards = EmbeddingShards(folder, {"name": "synthetic", "dtype": dtype, **metadata})
    for shard in partition(dict.fromkeys(rows, f"key-{seed}"), 64):
        shards.fill(shard, rows.__getitem__)


def write_benchmark(
    data: Path,
    settings: Settings,
    speakers: int = 10,
    strength: float = 0.8,
    identity: float = 0.5,
    gap: int = 0,
    labels: tuple[str, ...] = EIGHT,
    crowd: dict[str, Callable[[str], str]] | None = None,
) -> None:
    """Manifest, embeddings of both modalities and folds of the benchmark corpus under ``data``; ``crowd``:
    what it says to a label, by what it was shown.

    With ``gap``, every gap-th clip has no video, and the clip after it no audio.
    """
    corpus = settings.roles.benchmark
    clips = clips_of(corpus, speakers, 2, labels)
    for shown, says in (crowd or {}).items():
        clips = [replace(clip, **{f"crowd_{shown}": says(clip.label)}) for clip in clips]
    seen = [clip for number, clip in enumerate(clips) if not gap or number % gap]
    heard = [clip for number, clip in enumerate(clips) if not gap or number % gap != 1]
    write_manifest(data / "ingest" / corpus / "manifest.parquet", clips, corpus, labels)
    write_embeddings(data / "embed" / "visual" / corpus, seen, (3, 6), strength, 1, identity)
    write_embeddings(data / "embed" / "audio" / corpus, heard, (6, 12), strength, 2, identity)
    write_folds(data, settings)


def write_folds(data: Path, settings: Settings) -> None:
    manifest = read_manifest(data / "ingest" / settings.roles.benchmark / "manifest.parquet")
    manifest = settings.labels.declared.classify(manifest)
    settings.labels.declared.occurring(manifest.label).write(DataPaths(data).labels)
    folds = make_folds(
        manifest, settings.folds, settings.seed, settings.corpora[settings.roles.benchmark].adapter
    )
    write_table(data / "folds" / "folds.parquet", folds, FOLDS_SCHEMA)


def manifest_and_folds(data: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Those of ``write_benchmark`` for RAVDESS."""
    manifest = read_manifest(data / "ingest" / "ravdess" / "manifest.parquet")
    return manifest, read_table(data / "folds" / "folds.parquet")


def write_extracted(data: Path, corpus: str, higher: int = 0) -> None:
    """Per clip half a second of a tone, its height the emotion's (and ``higher``, in Hz), its loudness the
    speaker's, of which SPOKEN counts as speech; two or three noisy 40 x 40 frames, a bright column where the
    emotion says.
    """
    manifest = read_manifest(data / "ingest" / corpus / "manifest.parquet").set_index("clip_id", drop=False)
    store = ExtractedShards(data / "extract" / corpus)

    def row_of(clip_id: str) -> pa.Table:
        clip = manifest.loc[clip_id]
        frames, waveform = _frames(clip_id, clip.label), _waveform(clip.speaker, clip.label, higher)
        facts = {"frame_count": len(frames), "speech_s": 0.5}
        return extracted_row(clip_id, "key", ExtractedClip(frames, waveform, facts))

    for shard in partition(dict.fromkeys(manifest.clip_id, "key"), 64):
        store.fill(shard, row_of)


def _waveform(speaker: str, label: str, higher: int) -> dict:
    height, loudness = 100 + 40 * EIGHT.index(label) + higher, 2000 + 300 * int(speaker[-2:])
    samples = (loudness * np.sin(2 * np.pi * height * np.arange(8000) / 16000)).astype(np.int16)
    return {"sample_rate": 16000, "offset_s": 0.0, "samples": samples, "speech": [SPOKEN]}


def _frames(clip_id: str, label: str) -> list[dict]:
    rng = np.random.default_rng(sum(clip_id.encode()))
    frames = []
    for index in range(rng.integers(2, 4)):
        image = rng.integers(0, 100, (40, 40), dtype=np.uint8)
        image[:, 5 * EIGHT.index(label) :][:, :5] += 120
        data = cv2.imencode(".png", image)[1].tobytes()
        frames.append({"time_s": index / 5, "image": data, "face_source": "centre"})
    return frames


def write_pretraining(data: Path, settings: Settings, speakers: int = 5, repeats: int = 2) -> None:
    """Manifests and audio embeddings of the pretraining corpora."""
    for number, corpus in enumerate(settings.roles.pretraining):
        clips = clips_of(corpus, speakers, repeats, label_set("four"))
        write_manifest(data / "ingest" / corpus / "manifest.parquet", clips, corpus)
        write_embeddings(data / "embed" / "audio" / corpus, clips, (6, 12), 0.8, 10 + number)


def write_transfer(data: Path, settings: Settings, speakers: int = 5, repeats: int = 3) -> None:
    """The custom corpus: new people, shifted embeddings, video further than audio."""
    corpus = settings.roles.transfer
    clips = clips_of(corpus, speakers, repeats, EIGHT)
    write_manifest(data / "ingest" / corpus / "manifest.parquet", clips, corpus)
    write_embeddings(data / "embed" / "visual" / corpus, clips, (3, 6), 0.4, 3, shift=1.0)
    write_embeddings(data / "embed" / "audio" / corpus, clips, (6, 12), 0.6, 4, shift=0.3)


def train_first_folds(data: Path, settings: Settings) -> None:
    """A benchmark, pretraining corpora, and every training stage on the first fold of each protocol."""
    write_benchmark(data, settings)
    write_pretraining(data, settings)
    pretrain_audio(data, settings)
    for train in (train_visual_fold, train_audio_fold, train_fused_fold):
        for protocol in settings.folds.protocols:
            train(protocol, 0, data, settings)


def train_all(data: Path, settings: Settings) -> None:
    """Every training stage on what is in ``data``, as the flows call them."""
    pretrain_audio(data, settings)
    for stage in STAGES:
        for name in folds_to_train(stage, data, settings):
            train_fold(stage, *name, data, settings)
        collect_predictions(stage, data, settings)
