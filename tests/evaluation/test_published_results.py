"""Which published figures are shown, and when ours stand beside them."""

from dataclasses import replace

import pandas as pd
import pytest

from mfer_core.base.labels import LabelSet
from mfer_core.evaluation.benchmark import open_benchmark
from mfer_core.evaluation.published_results import published_table, why_not_beside
from tests.training.synthetic import manifest_and_folds, small_settings, write_benchmark

SCORE = {"mean": 0.5, "std": 0.1}


@pytest.fixture
def benchmark(tmp_path):
    """Six speakers of RAVDESS, said to be real ones."""
    settings = small_settings()
    write_benchmark(tmp_path, settings, speakers=6)
    return replace(open_benchmark(settings, *manifest_and_folds(tmp_path), LabelSet()), synthetic=False)


def test_ours_stand_beside_published_ones_only_where_all_speakers_and_clips_are_there(benchmark):
    assert benchmark.label("luna5") == "luna5, 6 of 24 actors"
    assert why_not_beside(benchmark) == "this run has 6 of 24 speakers"
    whole = replace(benchmark, manifest=whole_ravdess(benchmark.manifest))
    ours = {"luna5": {arm: {"accuracy": SCORE} for arm in ("visual", "audio", "fused")}}
    table = published_table(ours, {}, whole)
    assert table.frame[table.frame.system == "this project"].fused.tolist() == ["50.00 ± 10.00"]
    assert "Ours are not" not in table.notes


def whole_ravdess(manifest):
    """1440 clips of 24 speakers from a small manifest."""
    rows = pd.concat([manifest] * 15).iloc[:1440].reset_index(drop=True)
    return rows.assign(speaker=[f"ravdess-{number % 24 + 1:02d}" for number in range(1440)])


def test_the_figures_shown_are_those_of_the_benchmarks_corpus(benchmark):
    crema = published_table({}, {}, replace(benchmark, adapter="crema_d"))
    assert "CREMA-D, 7442 clips of 91 speakers, 6 classes" in crema.notes
    assert "84.89 (UAR 84.91)" in set(crema.frame.fused)
    assert not crema.frame.system.str.contains("Luna|human|MFER").any()
    custom = published_table({}, {}, replace(benchmark, adapter="custom"))
    assert custom.frame.empty and "no published figures are known" in custom.notes
