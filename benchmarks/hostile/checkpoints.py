"""Checkpoint folders as they come from a hub: emotion2vec in FunASR's layout, a ViT in Hugging Face's.

Every file of a folder is an entrance; the other files are good.
"""

import os
import zipfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from io import BytesIO
from pathlib import Path

import numpy as np
import torch

from benchmarks.hostile.inputs import Entrance

NARROW = [(8, 10, 5)] + [(8, 3, 2)] * 4 + [(8, 2, 2)] * 2  # published kernels and strides
TEXTS = (".yaml", ".json", ".txt")


def checkpoints(scratch: Path) -> dict[str, Entrance]:
    """An entrance for each file, such as "emotion2vec config.yaml"."""
    emotion2vec, vit = scratch / "emotion2vec", scratch / "vit"
    _write_emotion2vec(emotion2vec)
    _write_vit(vit)
    whole = _of(emotion2vec, _hear) | _of(vit, _see)
    pickle, header = whole["emotion2vec model.pt"], whole["vit model.safetensors"]
    return {
        **whole,
        "emotion2vec pickle": replace(pickle, inner=_pickle(pickle.good), wrap=partial(_zip, pickle.good)),
        "vit header": replace(
            header, inner=_header(header.good), is_text=True, wrap=partial(_framed, header.good)
        ),
    }


def _header(safetensors: bytes) -> bytes:
    """The JSON before the tensors (https://github.com/huggingface/safetensors#format)."""
    return safetensors[8 : 8 + int.from_bytes(safetensors[:8], "little")]


def _framed(safetensors: bytes, header: bytes) -> bytes:
    """The file with another header, whose length is right."""
    return len(header).to_bytes(8, "little") + header + safetensors[8 + len(_header(safetensors)) :]


def _pickle(file: bytes) -> bytes:
    """What torch.save's archive calls data.pkl."""
    with zipfile.ZipFile(BytesIO(file)) as archive:
        return archive.read(_pickle_name(archive))


def _pickle_name(archive: zipfile.ZipFile) -> str:
    return next(name for name in archive.namelist() if name.endswith("/data.pkl"))


def _zip(file: bytes, pickle: bytes) -> bytes:
    """The archive with another data.pkl, whose checksum is right."""
    out = BytesIO()
    with zipfile.ZipFile(BytesIO(file)) as archive, zipfile.ZipFile(out, "w") as written:
        for name in archive.namelist():
            written.writestr(name, pickle if name == _pickle_name(archive) else archive.read(name))
    return out.getvalue()


def _of(folder: Path, use: Callable[[Path], object]) -> dict[str, Entrance]:
    files = {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
    return {
        f"{folder.name} {name}": Entrance(
            content, name, partial(_with_the_others, folder, use), is_text=name.endswith(TEXTS)
        )
        for name, content in files.items()
    }


def _with_the_others(folder: Path, use: Callable[[Path], object], path: Path) -> object:
    for other in folder.iterdir():
        if other.name != path.name and not (path.parent / other.name).exists():
            os.link(other, path.parent / other.name)
    return use(path.parent)


def _write_emotion2vec(folder: Path) -> None:
    """With its weights as a pickle, as published."""
    from mfer_core.encoders.emotion2vec_config import model_conf
    from mfer_core.encoders.emotion2vec_model import build_model, write_checkpoint

    conf = model_conf(8, 1, 1, 2, NARROW, pos_groups=2)
    model = build_model(conf, 3)
    write_checkpoint(model, conf, ["angry", "happy"], folder)
    (folder / "model.safetensors").unlink()
    torch.save({"model": model.state_dict()}, folder / "model.pt")


def _write_vit(folder: Path) -> None:
    from mfer_core.base.settings import PretrainVit
    from mfer_core.encoders.vit_start import build_vit, preprocessing_of, save_vit

    sizes = {"image_size": 16, "patch_size": 8, "hidden_size": 8, "layers": 1, "heads": 2}
    settings = PretrainVit(checkpoint=None, epochs=1, batch_size=2, learning_rate=1e-3, patience=0, **sizes)
    save_vit(build_vit(settings), preprocessing_of(settings), folder)


def _hear(folder: Path) -> object:
    """Load the encoder, and let it embed half a second."""
    from mfer_core.encoders.checkpoint_pointer import Source
    from mfer_core.encoders.speech import load_speech

    encoder = load_speech(Source(str(folder)), "cpu", "fp32")
    encoder.head()
    return encoder.embed([np.zeros(8000, np.float32)])


def _see(folder: Path) -> object:
    """Load the encoder, and let it embed a picture."""
    from mfer_core.encoders.checkpoint_pointer import Source
    from mfer_core.encoders.faces import load_faces

    encoder = load_faces(Source(str(folder)), "cpu", "fp32")
    encoder.head()
    return encoder.embed([np.zeros((32, 32), np.uint8)])
