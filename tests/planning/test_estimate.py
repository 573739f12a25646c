"""A plan is arithmetic on the size of the corpora and the rates of the machine."""

import os
import signal

import pytest

from mfer_core.base.manifest import Clip, write_manifest
from mfer_core.base.paths import DataPaths
from mfer_core.base.settings import load_settings
from mfer_core.base.workers import LostWorkerError
from mfer_core.planning import rates as measuring
from mfer_core.planning.corpus_size import corpus_size
from mfer_core.planning.estimate import PROCESS_S, estimate
from mfer_core.planning.rates import Rate
from tests.media.conftest import ROOT

PARTS = ("picture", "sound", "visual", "audio", "train_visual", "train_audio")


@pytest.fixture
def settings():
    return load_settings(ROOT / "params.yaml")


def test_a_corpuss_size_is_the_manifests_or_the_files_or_as_published(settings, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data, corpus = DataPaths(), settings.corpora["ravdess"].model_copy(update={"source": "local"})
    assert corpus_size("ravdess", corpus, data).clips == 1440
    (corpus.path / "Actor_01").mkdir(parents=True)
    for name in ("a.mp4", "b.wav", "notes.txt"):
        (corpus.path / "Actor_01" / name).write_bytes(b"")
    listed = corpus_size("ravdess", corpus, data)
    assert (listed.clips, listed.with_picture, listed.basis) == (2, 0.5, "files")
    facts = {"corpus": "ravdess", "label": "happy", "speaker": "ravdess-1", "has_audio": True}
    clips = [
        Clip(clip_id=f"ravdess/{n}", path=f"{n}.wav", sha256=str(n), duration_s=2.0 * n, **facts)
        for n in (1, 2, 3)
    ]
    write_manifest(data.manifest("ravdess"), clips, "ravdess")
    read = corpus_size("ravdess", corpus, data)
    assert (read.clips, read.clip_s, read.seconds, read.picture_s) == (3, 4.0, 12.0, 0.0)
    absent = corpus.model_copy(update={"source": "absent"})
    assert corpus_size("ravdess", absent, data).seconds == 0


def test_seconds_are_sizes_times_rates(settings, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    only = {part: dict.fromkeys(PARTS, Rate(seconds=0, memory_gb=1)) for part in PARTS}
    for part in PARTS:
        only[part][part] = Rate(seconds=0.5, memory_gb=2)
    clips, clip_s = 24 * 16, 3.7

    def seconds(part, stage, corpus=""):
        listed = estimate(settings, only[part], DataPaths())
        (row,) = [one for one in listed if (one.stage, one.corpus) == (stage, corpus)]
        return row.seconds - PROCESS_S

    assert seconds("picture", "extract", "ravdess") == pytest.approx(clips * clip_s * 0.5 / settings.workers)
    faces = clips * clip_s * settings.extract.frames_per_second
    assert seconds("visual", "embed", "ravdess") == pytest.approx(faces * 0.5 / settings.workers)
    assert seconds("visual", "embed", "crema_d") == 0
    trainings = 2 * 15  # three protocols of five folds, each trained again on all speakers
    epochs = settings.train_visual.epochs
    once = clips * 0.5 * trainings * epochs / settings.workers
    assert seconds("train_visual", "train_visual") == pytest.approx(once)
    settings = settings.model_copy(update={"seeds": [0, 1, 2]})
    assert seconds("train_visual", "train_visual") == pytest.approx(3 * once)


def test_views_that_every_epoch_draws_anew_cost_the_encoders_time(settings, tmp_path):
    rates, data = dict.fromkeys(PARTS, Rate(seconds=1, memory_gb=1)), DataPaths(tmp_path)

    def seconds(stage, **changes):
        section = getattr(settings, stage).model_copy(update=changes)
        planned = estimate(settings.model_copy(update={stage: section}), rates, data)
        return {one.stage: one.seconds - PROCESS_S for one in planned}[stage]

    size = corpus_size("ravdess", settings.corpora["ravdess"], data)
    faces, sound_s = size.picture_s * settings.extract.frames_per_second, size.seconds
    passes = {"train_visual": faces, "train_audio": sound_s, "train_fused": faces + sound_s}
    for stage, encoded_s in passes.items():
        clips = size.clips * (2 if stage == "train_fused" else 1)
        drawn = seconds(stage, views="each_epoch")
        assert drawn / seconds(stage) == pytest.approx((clips + encoded_s) / clips)


@pytest.mark.parametrize("part", [measuring._extract_sound, measuring._embed_visual, measuring._train_audio])
def test_rates_are_measured_with_the_settings_own_encoders(settings, part, monkeypatch):
    monkeypatch.setattr(measuring, "TRIAL_S", 0.01)
    assert 0 < part(settings) < 60


def _die(settings) -> float:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("unreachable")


def test_a_measuring_process_that_the_system_kills_is_a_line(settings):
    with pytest.raises(LostWorkerError, match="memory enough"):
        measuring._apart(_die, settings)
