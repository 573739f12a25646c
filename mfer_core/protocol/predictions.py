"""The table of predictions, which every arm writes and evaluation reads."""

import numpy as np
import pandas as pd
import pyarrow as pa

from mfer_core.base.labels import RESERVED

# The seed of predictions that no random number shapes: of probes, of the SVM, of the encoders' own heads.
NO_SEED = float("nan")


def predictions_schema(classes: tuple[str, ...]) -> pa.Schema:
    """One row per prediction: clip, protocol and fold, the seed of the training (null where nothing is
    drawn), arm, true label, and a probability per class name.
    """
    fields = [
        ("clip_id", pa.string()),
        ("protocol", pa.string()),
        ("fold", pa.int32()),
        ("seed", pa.int64()),
        ("arm", pa.string()),
        ("label", pa.string()),
    ]
    return pa.schema(fields + [(name, pa.float32()) for name in classes])


def classes_of(table: pd.DataFrame) -> tuple[str, ...]:
    """The classes of a table of predictions, in its order: all columns but those with other facts."""
    return tuple(name for name in table.columns if name not in RESERVED)


def prediction_rows(
    labels: pd.Series,
    protocol: str,
    fold: int,
    arm: str,
    probabilities: np.ndarray,
    classes: tuple[str, ...],
) -> pd.DataFrame:
    """Rows of the table of predictions of what has no seed: ``probabilities`` [N, C] of the N clips whose
    true ``labels`` are given by clip_id.
    """
    facts = {
        "clip_id": list(labels.index),
        "protocol": protocol,
        "fold": fold,
        "seed": NO_SEED,
        "arm": arm,
        "label": labels.to_numpy(),
    }
    table = pd.DataFrame(probabilities, columns=list(classes)).astype(np.float32)
    return pd.concat([pd.DataFrame(facts), table], axis=1)
