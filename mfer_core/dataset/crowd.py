"""Labels of a crowd that was shown the picture, the sound or both, as what a model learns from."""

from collections.abc import Collection

import pandas as pd
import torch
from torch import Tensor

from mfer_core.base.labels import LabelSet


def crowd_column(modalities: Collection[str]) -> str:
    """The manifest's column of what most said who were shown these modalities."""
    return f"crowd_{next(iter(modalities)) if len(modalities) == 1 else 'fused'}"


def soft_targets(labels: pd.Series, votes: pd.Series, declared: LabelSet) -> Tensor:
    """Float32 [N, C], each row summing to 1: the label's class, and by ``crowd_share`` the classes of the
    ``votes``, divided evenly among ties; the label's alone where there are no votes.
    """
    targets = torch.zeros(len(labels), len(declared.classes))
    for row, (label, vote) in enumerate(zip(labels, votes, strict=True)):
        named = declared.crowd_classes(vote)
        share = declared.crowd_share if named else 0.0
        targets[row, declared.classes.index(label)] = 1 - share
        for name in named:
            targets[row, declared.classes.index(name)] += share / len(named)
    return targets
