"""The table of predictions: what every arm leaves and evaluation reads."""

import pyarrow as pa


def predictions_schema(classes: tuple[str, ...]) -> pa.Schema:
    """One row per prediction: who, where, by which arm, the true label, and a probability per class name."""
    fields = [
        ("clip_id", pa.string()),
        ("protocol", pa.string()),
        ("fold", pa.int32()),
        ("arm", pa.string()),
        ("label", pa.string()),
    ]
    return pa.schema(fields + [(name, pa.float32()) for name in classes])
