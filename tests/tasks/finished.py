"""What a training stage leaves of a fold, and what it read, written without training."""

from pathlib import Path

import numpy as np
import pandas as pd

from mfer_core.base.files import write_json, write_table
from mfer_core.base.labels import LabelSet, label_set
from mfer_core.base.manifest import Clip, clips_frame

LABELS = label_set("eight")
CLIPS = clips_frame(
    [
        Clip(
            clip_id=f"ravdess/{i}",
            corpus="ravdess",
            path=f"{i}.mp4",
            sha256=str(i),
            label=label,
            speaker=f"ravdess-{i % 3}",
            has_video=True,
        )
        for i, label in enumerate(LABELS)
    ]
)
PARTS = ["train"] * 5 + ["valid", "test", "test"]


def finish_fold(arm: str, fold: int, hits: int) -> Path:
    """A fold of ``arm`` under luna5 that predicts ``hits`` of 8 clips rightly; its folder in data/."""
    folder = Path("data") / f"train_{arm}" / "luna5" / "seed-42" / f"fold-{fold}"
    folder.mkdir(parents=True)
    pd.DataFrame({"epoch": [1, 2], "train_loss": [2.0, 1.5], "valid_uar": [0.2, 0.3]}).to_csv(
        folder / "history.csv", index=False
    )
    guesses = np.eye(8, dtype=np.float32)
    guesses[hits:] = np.roll(guesses, 1, axis=1)[hits:]
    write_table(
        folder / "predictions.parquet",
        pd.DataFrame(guesses, columns=list(LABELS)).assign(**CLIPS[["clip_id", "label"]]),
    )
    encoder = {"name": "vit", "hash": "abc"}
    facts = {
        "key": f"{arm}-{fold}",
        "data": "d1",
        "labels": LABELS,
        "protocol": "luna5",
        "fold": fold,
        "seed": 42,
        "encoders": {"visual": encoder},
    }
    write_json(folder / "config.json", facts)
    folds = pd.concat(
        CLIPS[["clip_id"]].assign(protocol="luna5", fold=number, part=PARTS) for number in range(5)
    )
    for path, table in (("folds/folds.parquet", folds), ("ingest/ravdess/manifest.parquet", CLIPS)):
        (Path("data") / path).parent.mkdir(parents=True, exist_ok=True)
        write_table(Path("data") / path, table)
    LabelSet().write(Path("data/folds/labels.json"))
    return folder
