"""A trained model as a repository of Hugging Face's hub: JSON, YAML and safetensors with a card, no code and
no pickle.

The folder is the one that ``predictor`` reads, with ``config.json`` (the kind of model, its classes, arms and
encoders) and ``README.md`` (the card with its metadata) beside it, and ``onnx/`` where that was asked for.
"""

import re
import shutil
import tempfile
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import NamedTuple

from mfer_core.base.errors import MferError, typed_line
from mfer_core.base.files import read_json, refused_writes, write_json
from mfer_core.base.modalities import ARMS
from mfer_core.cache.schemas import SAMPLE_RATE
from mfer_core.encoders.checkpoint_pointer import POINTER, parse_source, source_of
from mfer_core.models.fusion import Fused
from mfer_core.models.onnx import write_onnx
from mfer_core.models.store import CONFIG, SELECTION, load_kind
from mfer_core.prediction.model_settings import ModelSettings

MODEL_TYPE, LAYOUT = "mfer", 1
HUB_ID = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*(@[\w./-]+)?", re.ASCII)
KEPT = (".json", ".yaml", ".txt", ".safetensors")
PICKLES = (".pt", ".pth", ".bin", ".ckpt", ".pkl", ".pickle")
CARD = "README.md"
TASK = "video-classification"
TAGS = ["emotion-recognition", "audio-visual", "speech-emotion-recognition", "facial-expression-recognition"]
USE = """
## Use

    pip install .           # in a checkout of MFER {version}
    mfer predict my_video.mp4 --model FOLDER --out seen

`FOLDER` is a folder with these files, or the id of their repository on the hub. Nothing of it is run as code:
it is JSON, YAML and safetensors. Published encoders are not in it; `published.json` in `visual/` or `audio/`
names them, and another one than was trained on is refused by its hash.
"""


class Figure(NamedTuple):
    """One figure of the card: of the folds, each tested on people whom it had not met."""

    corpus: str
    protocol: str
    metric: str  # "accuracy" or "uar"
    value: float
    clips: int


def write_hub_folder(model: Path, out: Path, figures: list[Figure], onnx: bool = False) -> None:
    """Write the model's folder ``model`` as a repository into ``out``, a folder that is new or empty.

    Raises MferError where ``out`` holds something or ``model`` is none, for an encoder that is a pickle on
    this machine, and as ``write_onnx`` does.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise MferError(f"{out} is there and not empty: name a new folder")
    fused, config, _ = load_kind(Fused, model / "fused")
    settings = ModelSettings.read(model)
    with refused_writes(out):
        out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".mfer-", dir=out.parent) as temporary:
        folder = Path(temporary) / "model"
        published = _copy(model, folder)
        graphs = [path.name for path in write_onnx(fused, folder / "onnx")] if onnx else []
        _write_description(folder, config, settings, graphs)
        body = (model / CARD).read_text(encoding="utf-8") if (model / CARD).is_file() else "# MFER\n"
        card = (
            _metadata(settings, figures, published, onnx)
            + body
            + USE.format(version=installed_version("mfer"))
        )
        (folder / CARD).write_text(card, encoding="utf-8")
        folder.chmod(0o755)
        folder.replace(out)


def _copy(model: Path, folder: Path) -> list[str]:
    """The model's files; returns the ids of published encoders, which stay where they are published."""
    published = []
    for path in sorted(model.rglob("*")):
        name = path.relative_to(model)
        if path.name == POINTER and Path(source_of(path.parent).checkpoint).is_dir():
            _copy_encoder(Path(source_of(path.parent).checkpoint), folder / name.parent)
            continue
        if path.name == POINTER:
            published.append(source_of(path.parent).checkpoint)
        if path.suffix in PICKLES:
            raise MferError(f"{path} is a pickle, which is not handed on: store its weights as safetensors")
        if path.suffix in KEPT and path.name != SELECTION:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, folder / name)
    return published


def _copy_encoder(encoder: Path, folder: Path) -> None:
    """An encoder that is a folder on this machine, which a name could not lead anyone else to."""
    if not list(encoder.glob("*.safetensors")):
        raise MferError(
            f"the encoder in {encoder} is a pickle, which is not handed on: store its weights as "
            "safetensors, or name it by its hub id and train again"
        )
    folder.mkdir(parents=True, exist_ok=True)
    for path in encoder.iterdir():
        if path.is_file() and path.suffix in KEPT:
            shutil.copyfile(path, folder / path.name)


def _write_description(folder: Path, config: dict, settings: ModelSettings, graphs: list[str]) -> None:
    labels = {str(number): label for number, label in enumerate(config["labels"])}
    description = {
        "model_type": MODEL_TYPE,
        "layout": LAYOUT,
        "library_version": installed_version("mfer"),
        "id2label": labels,
        "label2id": {label: int(number) for number, label in labels.items()},
        "arms": list(ARMS),
        "encoders": config.get("encoders", {}),
        "sampling_rate": SAMPLE_RATE,
        "frames_per_second": settings.extract.frames_per_second,
        "synthetic": settings.synthetic,
        "onnx": graphs,
    }
    write_json(folder / CONFIG, description)


def _metadata(settings: ModelSettings, figures: list[Figure], published: list[str], onnx: bool) -> str:
    """The card's metadata as the hub reads them, between lines of dashes."""
    from huggingface_hub import EvalResult, ModelCardData

    results = [
        EvalResult(
            task_type=TASK,
            dataset_type=figure.corpus,
            dataset_name=figure.corpus,
            dataset_config=figure.protocol,
            dataset_split="test",
            metric_type=figure.metric,
            metric_name=f"{figure.metric} over {figure.clips} predictions, {figure.protocol}",
            metric_value=round(figure.value, 4),
        )
        for figure in figures
    ]
    card = ModelCardData(
        license="mit" if settings.synthetic else "other",
        license_name=None if settings.synthetic else "see-card",
        library_name="mfer",
        pipeline_tag=TASK,
        tags=TAGS + ["synthetic"] * settings.synthetic + ["onnx"] * onnx,
        base_model=published or None,
        model_name="mfer" if results else None,
        eval_results=results or None,
    )
    return f"---\n{card.to_yaml()}\n---\n\n"


def is_hub_id(model: str) -> bool:
    """Whether ``model`` reads OWNER/NAME or OWNER/NAME@REVISION and is no folder here."""
    return HUB_ID.fullmatch(model) is not None and not Path(model).exists()


def model_from_hub(model: str) -> Path:
    """The folder of a model on the hub, OWNER/NAME[@REVISION], downloaded where it is not in the local cache;
    of its files only those that are no code and no pickle.

    Raises MferError where it is not to be had or no model of this project.
    """
    from huggingface_hub import snapshot_download

    name, revision = parse_source(model)[:2]
    wanted = [f"*{suffix}" for suffix in KEPT] + [CARD]
    try:
        folder = Path(snapshot_download(name, revision=revision, allow_patterns=wanted))
    # The hub raises whatever its transport raises; each error means that the model is not to be had.
    except Exception as error:
        raise MferError(
            f"no folder {model}, and the hub does not offer it now ({typed_line(error)}): name a model's "
            "folder, models:/NAME@ALIAS or a hub id"
        ) from error
    kind = read_json(folder / CONFIG).get("model_type") if (folder / CONFIG).is_file() else None
    if kind != MODEL_TYPE:
        raise MferError(f"{model} on the hub is no model of mfer (model_type {kind!r} in its config.json)")
    return folder
