"""What each stage will take, from the size of the corpora and the rates of this machine."""

from dataclasses import dataclass

from mfer_core.base.modalities import MODALITIES
from mfer_core.base.paths import DataPaths
from mfer_core.base.settings import Settings
from mfer_core.planning.corpus_size import CorpusSize, corpus_size
from mfer_core.planning.rates import PUBLISHED_DIM, Rates
from mfer_core.protocol.protocols import HELD_OUT, PRESET_ACTORS, folds_of, protocol

PROCESS_S = 6.0  # A stage's start: imports, Prefect, DVC.
INGEST_S = 0.01  # A file is hashed and its header read.
FACE_KB, SOUND_KB_PER_S, FLOAT_B = 8.0, 32.0, 4.0  # A face is a JPEG, sound 16 kHz of 16 bits.
REPORT_FOLDS = 5  # Protocol report5 has so many.
ONCE_MORE = ("train_visual", "train_audio", "train_fused")  # trained on all clips too, by stage train_final
BACKWARD = 3.0  # A pass forward and back costs about three passes forward.


@dataclass(frozen=True)
class Estimate:
    """A stage, on one corpus where it runs per corpus. ``work`` says what it does, in numbers."""

    stage: str
    corpus: str
    work: str
    seconds: float
    memory_gb: float
    disk_gb: float


def estimate(settings: Settings, rates: Rates, data: DataPaths) -> list[Estimate]:
    """All stages of the settings in the pipeline's order, but for those that take seconds."""
    sizes = {name: corpus_size(name, corpus, data) for name, corpus in settings.corpora.items()}
    listed = [_ingest(name, size, settings) for name, size in sizes.items() if size.clips]
    for name in settings.media_corpora:
        if sizes[name].clips:
            listed.append(_extract(name, sizes[name], settings, rates))
    listed += _encoders(settings, rates, sizes)
    for name in settings.media_corpora:
        if sizes[name].clips:
            listed.append(_embed(name, sizes[name], settings, rates))
    return listed + _training(settings, rates, sizes)


def _ingest(name: str, size: CorpusSize, settings: Settings) -> Estimate:
    work = f"{size.clips} files ({size.basis})"
    return Estimate("ingest", name, work, PROCESS_S + INGEST_S * size.clips / settings.workers, 0.4, 0.0)


def _extract(name: str, size: CorpusSize, settings: Settings, rates: Rates) -> Estimate:
    picture_s, sound_s = size.picture_s, size.seconds
    seconds = picture_s * rates["picture"].seconds + sound_s * rates["sound"].seconds
    faces = picture_s * settings.extract.frames_per_second
    return Estimate(
        "extract",
        name,
        f"{picture_s / 60:.0f} min of video, {sound_s / 60:.0f} min of sound",
        PROCESS_S + seconds / settings.workers,
        settings.workers * max(rates["picture"].memory_gb, rates["sound"].memory_gb),
        (faces * FACE_KB + sound_s * SOUND_KB_PER_S) / 1e6,
    )


def _encoders(settings: Settings, rates: Rates, sizes: dict[str, CorpusSize]) -> list[Estimate]:
    """The trainings of compact encoders; a published one is only named."""
    listed = []
    if settings.pretrain_vit.checkpoint is None:
        faces, epochs = sizes[settings.roles.faces].clips, settings.pretrain_vit.epochs
        seconds = PROCESS_S + BACKWARD * rates["visual"].seconds * faces * epochs
        work = f"{faces} faces, {epochs} epochs"
        listed.append(Estimate("pretrain_vit", "", work, seconds, rates["visual"].memory_gb, 0.0))
    if settings.pretrain_emotion2vec.checkpoint is None:
        sound_s = sum(sizes[name].seconds for name in settings.roles.pretraining)
        epochs, corpora = settings.pretrain_emotion2vec.epochs, len(settings.roles.pretraining)
        # Beside the one encoder n others, each without a corpus: together they hear every corpus n times.
        rounds = corpora if settings.pretrain_emotion2vec.leave_one_out else 1
        seconds = PROCESS_S + BACKWARD * rates["audio"].seconds * sound_s * epochs * rounds
        work = f"{rounds * sound_s / 60:.0f} min of sound, {epochs} epochs"
        listed.append(Estimate("pretrain_emotion2vec", "", work, seconds, rates["audio"].memory_gb, 0.0))
    return listed


def _embed(name: str, size: CorpusSize, settings: Settings, rates: Rates) -> Estimate:
    from mfer_core.encoders.device import choose_device

    threads = settings.workers if choose_device(settings.embed.device).type == "cpu" else 1
    faces, sound_s = size.picture_s * settings.extract.frames_per_second, size.seconds
    faces *= 1 + settings.views_of(name, "visual")
    sound_s *= 1 + settings.views_of(name, "audio")
    return Estimate(
        "embed",
        name,
        f"{faces:.0f} faces, {sound_s / 60:.0f} min of sound, with all views",
        PROCESS_S + (faces * rates["visual"].seconds + sound_s * rates["audio"].seconds) / threads,
        max(rates["visual"].memory_gb, rates["audio"].memory_gb) + threads * settings.embed.batch_gib,
        PUBLISHED_DIM * (faces + 50 * sound_s) * FLOAT_B / 1e9,
    )


def _epoch_s(stage: str, arm: str, corpora: list[CorpusSize], settings: Settings, rates: Rates) -> float:
    """Seconds of an epoch over ``corpora``, those of the encoders among them where it draws new views."""
    modalities = MODALITIES if arm == "fused" else (arm,)
    per_clip = sum(rates[f"train_{modality}"].seconds for modality in modalities)
    trained = per_clip * sum(size.clips for size in corpora)
    if getattr(settings, stage).views == "stored":
        return trained
    per_second = {
        "visual": rates["visual"].seconds * settings.extract.frames_per_second,
        "audio": rates["audio"].seconds,
    }
    seconds = {
        "visual": sum(size.picture_s for size in corpora),
        "audio": sum(size.seconds for size in corpora),
    }
    return trained + sum(per_second[name] * seconds[name] for name in modalities)


def _training(settings: Settings, rates: Rates, sizes: dict[str, CorpusSize]) -> list[Estimate]:
    """Stages 1 to 3: every fold of every protocol with every seed, twice where a fresh model is trained on
    all speakers; and once more each on all clips.
    """
    benchmark = sizes[settings.roles.benchmark]
    folds = sum(_folds(name) for name in settings.folds.protocols)
    runs = folds * len(settings.seeds) * (2 if settings.folds.refit else 1)
    four = [sizes[name] for name in settings.roles.pretraining]
    models_2a = 1 + settings.pretrain_audio.leaky_folds
    audio, visual = rates["train_audio"], rates["train_visual"]
    stages = [
        (stage, arm, _epoch_s(stage, arm, corpora, settings, rates) * trained, epochs, rate)
        for stage, arm, corpora, trained, epochs, rate in (
            ("train_visual", "visual", [benchmark], runs, settings.train_visual.epochs, visual),
            ("pretrain_audio", "audio", four, models_2a, settings.pretrain_audio.epochs, audio),
            ("train_audio", "audio", [benchmark], runs, settings.train_audio.epochs, audio),
            ("train_fused", "fused", [benchmark], runs, settings.train_fused.epochs, audio),
        )
    ]
    once = sum(per_epoch * epochs / runs for name, _, per_epoch, epochs, _ in stages if name in ONCE_MORE)
    final = Estimate("train_final", "", "all clips, once per arm", PROCESS_S + once, audio.memory_gb, 0.0)
    listed = [
        Estimate(
            stage,
            "",
            f"{epochs} epochs"
            + (
                f", {runs} trainings over {folds} folds, seeds {settings.seeds}"
                if stage != "pretrain_audio"
                else ""
            ),
            PROCESS_S + per_epoch * epochs / (1 if stage == "pretrain_audio" else settings.workers),
            settings.workers * rate.memory_gb,
            0.0,
        )
        for stage, arm, per_epoch, epochs, rate in stages
        if arm in settings.arms
    ]
    return listed if settings.why_no_model else [*listed, final]


def _folds(name: str) -> int:
    """How many folds a protocol has; leaving one speaker out as many as RAVDESS has actors."""
    rule = protocol(name)
    if rule.kind == "preset":
        return len(HELD_OUT[rule.speakers_by])
    if rule.kind == "groupk":
        return folds_of(rule.speakers_by)
    return {"loso": PRESET_ACTORS["ravdess"], "statement": 2}.get(rule.kind, REPORT_FOLDS)
