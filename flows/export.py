"""The command export: a trained model as a folder that can be uploaded to a hub, or copied."""

from pathlib import Path

from flows.predict import model_folder
from mfer_core.base.errors import MferError
from mfer_core.base.files import read_table
from mfer_core.base.paths import DataPaths
from mfer_core.prediction.hub_folder import Figure, write_hub_folder
from mfer_core.prediction.predictor import PUBLISHED
from mfer_core.protocol.corpus_scores import corpus_of
from mfer_core.protocol.metrics import decision_scores
from mfer_core.protocol.predictions import classes_of
from mfer_core.protocol.protocols import protocol
from tasks.tracking.champion import PREDICTIONS

METRICS = ("accuracy", "uar")


def export_model(model: str | None, out: Path, onnx: bool) -> None:
    """Write ``model`` (default: the one that stage register put together) into ``out``. Raises MferError as
    ``write_hub_folder`` does.
    """
    if model == PUBLISHED:
        raise MferError("published heads are published already: name a trained model")
    folder = model_folder(model or str(DataPaths().model))
    write_hub_folder(folder, out, _figures(folder), onnx)


def _figures(folder: Path) -> list[Figure]:
    """The fused arm's figures on held-out people, from the test predictions beside the model; none where
    there are none.
    """
    if not (folder / PREDICTIONS).is_file():
        return []
    table = read_table(folder / PREDICTIONS)
    classes = classes_of(table)
    labels = table.label.map(classes.index).to_numpy()
    scores = decision_scores(labels, table[list(classes)].to_numpy().argmax(1), len(classes))
    facts = corpus_of(table.clip_id.iloc[0]), protocol(table.protocol.iloc[0]).label
    return [Figure(*facts, metric, scores[metric], len(table)) for metric in METRICS]
