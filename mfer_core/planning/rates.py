"""How fast this machine is at what takes the time: measured in about a minute, each part in a process of its
own.

Rates are of one processor, or of the device that the settings give an encoder or a training. A measurement on
random pictures, sounds and weights stands for real ones: what is computed does not depend on the values.
"""

import multiprocessing
import resource
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor
from fractions import Fraction
from pathlib import Path

import numpy as np
from pydantic import BaseModel

from mfer_core.base.settings import Settings, TrainArm
from mfer_core.base.workers import LostWorkerError

TRIAL_S = 3.0  # A measurement repeats its work for at least this long.
CLIP_S = 3.0  # The clip that is measured lasts this long.
WIDTH, HEIGHT, PICTURES_PER_S = 1280, 720, 30  # The size and rate of RAVDESS's videos.
PUBLISHED_DIM = 768  # Both published encoders give so many values per step.


class Rate(BaseModel):
    """Seconds per unit of work, and the most memory that the process held."""

    seconds: float
    memory_gb: float


Rates = dict[str, Rate]


def measure_rates(settings: Settings) -> Rates:
    """The rates of ``settings``.

    Stage extract: per second of video ("picture") and of sound ("sound"). Stage embed: per face ("visual")
    and per second of sound ("audio"). Training stages: per clip and epoch.
    """
    parts = {
        "picture": _extract_picture,
        "sound": _extract_sound,
        "visual": _embed_visual,
        "audio": _embed_audio,
        "train_visual": _train_visual,
        "train_audio": _train_audio,
    }
    return {name: _apart(part, settings) for name, part in parts.items()}


def _apart(part: Callable[[Settings], float], settings: Settings) -> Rate:
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        try:
            return pool.submit(_measured, part, settings).result()
        except BrokenExecutor as broken:
            line = "the process that measured was ended from outside: is there memory enough? Run it again"
            raise LostWorkerError(line) from broken


def _measured(part: Callable[[Settings], float], settings: Settings) -> Rate:
    seconds = part(settings)
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return Rate(seconds=seconds, memory_gb=kilobytes / 2**20)


def _time(work: Callable[[], object], device: str = "cpu") -> float:
    """Seconds of one call of ``work``, after a first one that is not counted.

    Of the processor seconds that this process was given count, so that a busy machine measures the same.
    """
    work()
    clock = time.process_time if device == "cpu" else time.perf_counter
    started, calls = clock(), 0
    while clock() - started < TRIAL_S:
        work()
        calls += 1
    return (clock() - started) / calls


def _extract_picture(settings: Settings) -> float:
    from mfer_core.media.clip import extract_clip

    with tempfile.TemporaryDirectory(prefix="mfer-") as folder:
        path = _write_video(Path(folder) / "trial.mp4")
        return _time(lambda: extract_clip(path, settings.extract)) / CLIP_S


def _write_video(path: Path) -> Path:
    """A moving pattern in H.264."""
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("h264", rate=Fraction(PICTURES_PER_S))
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        columns = np.arange(WIDTH)[None, :, None] // 4 % 200
        for number in range(int(CLIP_S * PICTURES_PER_S)):
            picture = np.broadcast_to((columns + number).astype(np.uint8), (HEIGHT, WIDTH, 3))
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), "rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def _extract_sound(settings: Settings) -> float:
    import soundfile

    from mfer_core.media.clip import extract_clip

    with tempfile.TemporaryDirectory(prefix="mfer-") as folder:
        path = Path(folder) / "trial.wav"
        soundfile.write(path, np.random.default_rng(0).normal(0, 0.1, int(CLIP_S * 48_000)), 48_000)
        return _time(lambda: extract_clip(path, settings.extract)) / CLIP_S


def _embed_visual(settings: Settings) -> float:
    from mfer_core.encoders.checkpoint_pointer import Source
    from mfer_core.encoders.device import one_thread
    from mfer_core.encoders.faces import load_faces

    with tempfile.TemporaryDirectory(prefix="mfer-") as folder:
        checkpoint = _here(settings.pretrain_vit.checkpoint) or _write_vit(settings, Path(folder))
        encoder = load_faces(Source(str(checkpoint)), settings.embed.device, _precision(settings))
    faces = [np.zeros((224, 224), np.uint8)] * 8
    with one_thread():
        return _time(lambda: encoder.embed(faces, settings.embed.batch_gib), encoder.device.type) / len(faces)


def _embed_audio(settings: Settings) -> float:
    from mfer_core.encoders.checkpoint_pointer import Source
    from mfer_core.encoders.device import one_thread
    from mfer_core.encoders.speech import load_speech

    with tempfile.TemporaryDirectory(prefix="mfer-") as folder:
        chosen = settings.pretrain_emotion2vec
        here = _here(chosen.checkpoint)
        source = Source(str(here), None, chosen.layer) if here else None
        source = source or Source(str(_write_speech(settings, Path(folder))))
        encoder = load_speech(source, settings.embed.device, _precision(settings))
    sounds = [np.random.default_rng(0).normal(0, 0.1, int(CLIP_S * 16_000)).astype(np.float32)] * 4
    with one_thread():
        seconds = _time(lambda: encoder.embed(sounds, settings.embed.batch_gib), encoder.device.type)
    return seconds / (CLIP_S * len(sounds))


def _precision(settings: Settings) -> str:
    from mfer_core.encoders.precision import choose_precision

    return choose_precision(settings.embed.precision, settings.embed.device)


def _here(checkpoint: str | None) -> Path | None:
    """The folder of a published checkpoint that is on this machine already."""
    from mfer_core.encoders.checkpoints import CHECKPOINTS

    folders = (Path(checkpoint), CHECKPOINTS / checkpoint) if checkpoint else ()
    return next((folder for folder in folders if folder.is_dir()), None)


def _write_vit(settings: Settings, folder: Path) -> Path:
    """A ViT-B/16 with random weights in place of a published one that is not here, or the compact one."""
    from transformers import ViTConfig, ViTForImageClassification

    from mfer_core.encoders.vit_start import build_vit, preprocessing_of, save_vit

    section = settings.pretrain_vit
    if section.checkpoint is None:
        save_vit(build_vit(section), preprocessing_of(section), folder)
    else:
        published = section.model_copy(update={"image_size": 224})
        save_vit(ViTForImageClassification(ViTConfig()), preprocessing_of(published), folder)
    return folder


def _write_speech(settings: Settings, folder: Path) -> Path:
    """An emotion2vec base with random weights in place of a published one that is not here, or the compact
    one.
    """
    from mfer_core.encoders.emotion2vec_config import PUBLISHED_LAYERS, model_conf
    from mfer_core.encoders.emotion2vec_model import build_model, write_checkpoint
    from mfer_core.training.pretrain_emotion2vec import compact_conf

    section = settings.pretrain_emotion2vec
    published = model_conf(PUBLISHED_DIM, 8, 4, 12, PUBLISHED_LAYERS)
    conf = published if section.checkpoint else compact_conf(section)
    write_checkpoint(build_model(conf, 2), conf, ["happy"], folder)
    return folder


def _train_visual(settings: Settings) -> float:
    return _train(settings.train_visual, settings.extract.frames_per_second)


def _train_audio(settings: Settings) -> float:
    return _train(settings.pretrain_audio, 50)


def _train(section: TrainArm, steps_per_s: float) -> float:
    """Seconds per clip of a pass forward and back through the arm's GRU."""
    import torch

    from mfer_core.encoders.device import choose_device, one_thread

    device, steps = choose_device(section.device), max(1, int(CLIP_S * steps_per_s / section.pool))
    gru = torch.nn.GRU(PUBLISHED_DIM, section.hidden_size, section.layers, batch_first=True).to(device)
    clips = torch.zeros(section.batch_size, steps, PUBLISHED_DIM, device=device)
    with one_thread():
        return _time(lambda: gru(clips)[0].sum().backward(), device.type) / section.batch_size
