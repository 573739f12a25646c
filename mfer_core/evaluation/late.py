"""Late fusion: the single arms' probabilities combined without training; stage 3 must beat the result to be
worth its training.
"""

import numpy as np
import pandas as pd

from mfer_core.evaluation.arms import LATE
from mfer_core.protocol.metrics import SMALLEST

KEYS = ["protocol", "fold", "seed", "clip_id", "label"]


def late_predictions(visual: pd.DataFrame, audio: pd.DataFrame, classes: tuple[str, ...]) -> pd.DataFrame:
    """Rows of the predictions contract: ``late`` is the mean of both arms, ``late_product`` their product
    made to sum to 1.

    A clip that only one arm has seen is that arm's. The product takes both arms for independent, given the
    emotion.
    """
    names = list(classes)
    both = pd.concat([visual, audio]).astype(dict.fromkeys(names, np.float64))
    mean = both.groupby(KEYS, sort=False)[names].mean()
    both[names] = np.log(np.maximum(both[names], SMALLEST))
    product = np.exp(both.groupby(KEYS, sort=False)[names].sum())
    product = product.div(product.sum(axis=1), axis=0)
    tables = [
        table.astype(np.float32).reset_index().assign(arm=arm)
        for arm, table in zip(LATE, (mean, product), strict=True)
    ]
    return pd.concat(tables, ignore_index=True)[
        ["clip_id", "protocol", "fold", "seed", "arm", "label", *names]
    ]
