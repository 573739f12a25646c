"""Tasks of the stages that provide the encoders."""

import shutil
from pathlib import Path

import pandas as pd
from prefect import task
from prefect.artifacts import create_markdown_artifact

from mfer_core.base.manifest import read_manifest
from mfer_core.base.paths import DataPaths
from mfer_core.base.settings import Corpus, Extract, PretrainEmotion2vec, PretrainVit
from mfer_core.corpora import fer2013
from mfer_core.encoders.cards import refuse_forbidden
from mfer_core.encoders.checkpoint_pointer import Source, name_published
from mfer_core.media.extracted import open_extracted
from mfer_core.protocol.speakers import held_out_speakers
from mfer_core.training import pretrain_emotion2vec, pretrain_vit
from mfer_core.training.encoder_folder import begin
from tasks.artifacts import artifact_key


@task
def name_checkpoint(source: Source, out: Path) -> dict:
    """Write where the published checkpoint is; nothing is trained."""
    refuse_forbidden(source.checkpoint)
    begin(out)
    name_published(out, source)
    return source._asdict()


@task
def train_vit(faces: Corpus, manifest_file: Path, settings: PretrainVit, seed: int, out: Path) -> dict:
    """Train the compact ViT, or fine-tune a published one, on the faces corpus."""
    if settings.checkpoint:
        refuse_forbidden(settings.checkpoint)
    manifest = read_manifest(manifest_file)
    images = fer2013.read_faces(faces.path, manifest)
    return pretrain_vit.pretrain_vit(
        images, manifest.label.tolist(), manifest.split.tolist(), settings, seed, out
    )


@task
def train_emotion2vec(
    corpora: list[str], data: Path, extract: Extract, settings: PretrainEmotion2vec, seed: int, out: Path
) -> dict:
    """Train the compact emotion2vec on the pretraining corpora, and where the settings say so one more
    without each of them; returns the figures of the first, and how the others did.
    """
    metrics = _train_emotion2vec(corpora, data, extract, settings, seed, out)
    folder, without = DataPaths(data).encoders_without, list[str]()
    if settings.leave_one_out:
        present = [name for name in corpora if len(read_manifest(DataPaths(data).manifest(name)))]
        without = present if len(present) > 1 else []
    _keep_only(folder, without)
    for name in without:
        others = [other for other in corpora if other != name]
        figures = _train_emotion2vec(others, data, extract, settings, seed, folder / name)
        metrics = metrics | {f"valid_uar_trained_without_{name}": figures["valid_uar_trained"]}
    return metrics


def _keep_only(folder: Path, names: list[str]) -> None:
    """Remove what other settings have left in ``folder``."""
    for former in folder.glob("*"):
        if former.name not in names:
            shutil.rmtree(former)
    if not names:
        shutil.rmtree(folder, ignore_errors=True)


def _train_emotion2vec(
    corpora: list[str], data: Path, extract: Extract, settings: PretrainEmotion2vec, seed: int, out: Path
) -> dict:
    manifest = pd.concat(read_manifest(DataPaths(data).manifest(name)) for name in corpora)
    held_out = manifest.set_index("clip_id").speaker.isin(held_out_speakers(manifest, seed))
    labels = manifest.set_index("clip_id").label
    waveforms = {
        clip.clip_id: clip.waveform
        for name in corpora
        for clip in open_extracted(DataPaths(data).extract(name)).all_speech(extract.vad_min_clip_s)
    }
    used = list(waveforms)
    return pretrain_emotion2vec.pretrain_emotion2vec(
        list(waveforms.values()), labels[used].tolist(), held_out[used].tolist(), settings, seed, out
    )


@task
def publish_metrics(stage: str, metrics: dict, out: Path) -> None:
    """An encoder's figures as a Prefect artifact."""
    rows = "\n".join(f"| {name} | {value} |" for name, value in metrics.items())
    create_markdown_artifact(
        key=artifact_key(stage), markdown=f"| {out} | |\n|---|---|\n{rows}", description=stage
    )
