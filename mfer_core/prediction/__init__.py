"""From media files to emotions: ``Predictor`` is the way in."""

from mfer_core.prediction.predictor import Predictor as Predictor
