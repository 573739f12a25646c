"""An encoder's card as a row: licence, what it was trained on, whose emotion labels it has seen, and seconds
of computing per second of recording, measured here.

Sound and pictures go through the encoder as the embed stage sends them, loaded as it loads them.
"""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.timing import Clock, fastest
from mfer_core.base.errors import MferError
from mfer_core.base.files import read_json
from mfer_core.base.settings import Settings
from mfer_core.encoders import transformers_faces, transformers_speech, transformers_video
from mfer_core.encoders.cards import NOT_STATED, card_of, labels_learned, licence_of
from mfer_core.encoders.checkpoint_pointer import Source
from mfer_core.encoders.checkpoints import checkpoint_folder
from mfer_core.encoders.faces import load_faces
from mfer_core.encoders.speech import load_speech

PRECISIONS = ("fp32", "bf16", "int8")  # the last on processors alone
READS = {"audio": "speech", "visual": "pictures"}
HEADINGS = (
    *("encoder", "reads", "licence", "trained on", "emotion labels seen"),
    *(f"s per s, {precision}" for precision in PRECISIONS),
    "times the compact one's",
)
Wait = Callable[[Callable[[], object]], Callable[[], object]]


class Load(NamedTuple):
    """What every encoder is timed on."""

    sounds: list[np.ndarray]  # float32 [N] at 16 kHz, a clip each
    pictures: list[list[np.ndarray]]  # uint8 [H, W], a list per clip
    clip_s: float  # seconds of a clip, of sound and of pictures
    batch_gib: float
    device: str


def clips_of(settings: Settings, count: int, clip_s: float, device: str, batch_gib: float) -> Load:
    """``count`` clips of noise of about ``clip_s`` seconds, with as many and as large pictures as ``extract``
    makes of them.
    """
    random, chosen = np.random.default_rng(1), settings.extract
    frames = round(clip_s * chosen.frames_per_second)
    seconds = frames / chosen.frames_per_second
    sounds = [random.normal(0, 0.1, round(seconds * 16000)).astype(np.float32) for _ in range(count)]
    shape = (frames, chosen.image_size, chosen.image_size, *([] if chosen.grayscale else [3]))
    pictures = [list(random.integers(0, 256, shape, dtype=np.uint8)) for _ in range(count)]
    return Load(sounds, pictures, seconds, batch_gib, device)


def modality_of(folder: Path) -> str:
    """Which modality an encoder's files are of. Raises MferError for files of none."""
    if (folder / "config.yaml").is_file():
        return "audio"
    kind = read_json(folder / "config.json").get("model_type")
    families = {
        "audio": [*transformers_speech.FAMILIES],
        "visual": [*transformers_faces.FAMILIES, transformers_video.FAMILY],
    }
    for modality, known in families.items():
        if kind in known:
            return modality
    known = ", ".join(name for names in families.values() for name in names)
    raise MferError(f"{folder} holds a {kind!r} model: an encoder is one of {known}")


def seconds_per_second(
    source: Source, modality: str, load: Load, repeats: int, wait: Wait, clock: Clock = time.perf_counter
) -> list[float]:
    """Seconds of computing per second of recording in each of ``PRECISIONS``, the fastest of ``repeats``
    turns by ``clock``; NaN for one that the device lacks.
    """
    read = {"audio": load_speech, "visual": load_faces}[modality]
    here = precisions(load.device)
    encoders = {precision: read(source, load.device, precision) for precision in here}
    pass_over = {"audio": _hear, "visual": _see}[modality]
    runs = {name: wait(partial(pass_over, encoder, load)) for name, encoder in encoders.items()}
    took = fastest(runs, repeats, clock)
    return [took.get(name, np.nan) / (load.clip_s * len(load.sounds)) for name in PRECISIONS]


def precisions(device: str) -> tuple[str, ...]:
    """In which an encoder computes there."""
    return PRECISIONS if device == "cpu" else PRECISIONS[:-1]


def _hear(encoder: Any, load: Load) -> None:
    """All clips' sound: one by one on a CPU, together on a GPU, as stage embed does it."""
    together = load.device != "cpu"
    for clips in [load.sounds] if together else [[clip] for clip in load.sounds]:
        encoder.embed(clips, load.batch_gib)


def _see(encoder: Any, load: Load) -> None:
    """All clips' pictures, as ``_hear``."""
    together = load.device != "cpu"
    for clips in [load.pictures] if together else [[clip] for clip in load.pictures]:
        images = encoder.prepare([image for clip in clips for image in clip])
        encoder.embed_prepared(images, load.batch_gib, [len(clip) for clip in clips])


def said_of(source: Source, named: str) -> tuple[str, str, str]:
    """Licence, what it was trained on, emotion labels seen, of the published encoder ``named``."""
    card, folder = card_of(named), checkpoint_folder(source.checkpoint, source.revision)
    return licence_of(folder, named), card.trained_on if card else NOT_STATED, labels_learned(named)


def said_of_compact(modality: str, settings: Settings) -> tuple[str, str, str]:
    """``said_of`` the encoder that the pipeline trains."""
    roles = settings.roles
    corpora = ", ".join([roles.faces] if modality == "visual" else roles.pretraining)
    return "this pipeline's own", corpora, corpora


def card_row(name: str, modality: str, said: tuple[str, str, str], costs: list[float], compact: float) -> str:
    """A row of the table; ``compact`` is the fp32 cost of the compact encoder of its modality."""
    figures = [f"{seconds:.2g}" if seconds < 0.1 else f"{seconds:.2f}" for seconds in costs]
    cells = (name, READS[modality], *said, *figures, f"{costs[0] / compact:.0f}")
    return f"| {' | '.join(cells)} |"
