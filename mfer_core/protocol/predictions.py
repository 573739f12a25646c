"""The table of predictions, which every arm writes and evaluation reads."""

import pyarrow as pa


def predictions_schema(classes: tuple[str, ...]) -> pa.Schema:
    """One row per prediction: clip, protocol and fold, arm, true label, and a probability per class name."""
    fields = [
        ("clip_id", pa.string()),
        ("protocol", pa.string()),
        ("fold", pa.int32()),
        ("arm", pa.string()),
        ("label", pa.string()),
    ]
    return pa.schema(fields + [(name, pa.float32()) for name in classes])
