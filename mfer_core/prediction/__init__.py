"""From media files to emotions: ``Predictor`` is the way in."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mfer_core.prediction.predictor import Predictor as Predictor


def __getattr__(name: str) -> Any:
    """Load ``Predictor`` when somebody asks for it: what shows results needs no arm, no torch."""
    if name != "Predictor":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from mfer_core.prediction.predictor import Predictor

    return Predictor
