"""What is learned of a clip whose crowd said something else."""

import pandas as pd
import pytest

from mfer_core.base.labels import LabelSet
from mfer_core.dataset.crowd import crowd_column, soft_targets


def test_each_arm_learns_from_those_who_were_shown_what_it_reads():
    assert [crowd_column(names) for names in (["visual"], ["audio"], ["visual", "audio"])] == [
        "crowd_visual",
        "crowd_audio",
        "crowd_fused",
    ]


def test_the_crowd_has_its_share_divided_among_ties_and_none_where_it_named_no_class():
    declared = LabelSet(("angry", "happy", "sad"), {"calm": "happy"}, crowd_share=0.5)
    labels = pd.Series(["angry"] * 5)
    votes = pd.Series(["angry", "sad", "happy:sad", None, "surprised"])
    assert soft_targets(labels, votes, declared).tolist() == [
        pytest.approx(row) for row in ([1, 0, 0], [0.5, 0, 0.5], [0.5, 0.25, 0.25], [1, 0, 0], [1, 0, 0])
    ]
    assert soft_targets(labels[:1], pd.Series(["calm"]), declared).tolist() == [[0.5, 0.5, 0]]
