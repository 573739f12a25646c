"""A person's own features: what is read, and what is refused with a line that names it."""

import numpy as np
import pandas as pd
import pytest

from mfer_core.base.errors import MferError
from mfer_core.base.features_file import open_features


def written(folder, frame, suffix):
    path = folder / f"features{suffix}"
    frame.to_csv(path, index=False) if suffix == ".csv" else frame.to_parquet(path)
    return path


@pytest.fixture
def steps():
    """Three clips of one to three steps in any order; the first column begins with whole numbers."""
    rng = np.random.default_rng(3)
    rows = [(name, step / 5) for name, count in (("b", 3), ("7", 1), ("a", 2)) for step in range(count)]
    frame = pd.DataFrame(rows, columns=["file", "time_s"]).sample(frac=1, random_state=1, ignore_index=True)
    return frame.assign(whole=range(6), x=rng.normal(size=6).astype(np.float32))


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_steps_come_back_in_the_order_of_time(tmp_path, steps, suffix):
    features = open_features(written(tmp_path, steps, suffix))
    assert features.columns == ["whole", "x"] and features.count_rows() == {"a": 2, "b": 3, "7": 1}
    values_of = {name: (values, times) for name, values, times in features.read(["b", "7"])}
    assert set(values_of) == {"b", "7"}
    expected = steps[steps.file == "b"].sort_values("time_s")
    np.testing.assert_allclose(values_of["b"][0], expected[["whole", "x"]], rtol=1e-6)
    np.testing.assert_allclose(values_of["b"][1], [0, 0.2, 0.4])


def test_without_seconds_the_order_is_that_of_the_file_and_times_are_unknown(tmp_path, steps):
    features = open_features(written(tmp_path, steps.drop(columns="time_s"), ".csv"))
    [(_, values, times)] = features.read(["b"])
    np.testing.assert_array_equal(values[:, 0], steps.whole[steps.file == "b"])
    assert np.isnan(times).all()


def test_whole_numbers_may_be_followed_by_fractions_far_down(tmp_path):
    count = 200_000  # rows: more than the block from which the types of a csv are guessed
    frame = pd.DataFrame(
        {"clip_id": [f"c/{number}" for number in range(count)], "x": [1] * (count - 1) + [0.5]}
    )
    features = open_features(written(tmp_path, frame.astype({"x": object}), ".csv"))
    assert len(features.count_rows()) == count
    [(_, values, _)] = features.read([f"c/{count - 1}"])
    assert values.tolist() == [[0.5]]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x": [1, np.nan]}, "column x is missing or not finite for b"),
        ({"x": [np.inf, 1]}, "column x is missing or not finite for a"),
        ({"x": ["1", "smile"], "y": ["p", "q"]}, "not numbers: x, y"),
        ({"Emotion": [1, 2]}, "Emotion would tell"),
        ({"file": [None, "b"]}, "a row without a file"),
    ],
)
@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_what_is_no_table_of_features_is_refused_by_name(tmp_path, change, message, suffix):
    frame = pd.DataFrame({"file": ["a", "b"], "x": [1.0, 2.0]}).assign(**change)
    with pytest.raises(MferError, match=message) as fault:
        open_features(written(tmp_path, frame, suffix)).count_rows()
    assert "\n" not in str(fault.value)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("none.csv", None, "no features at"),
        ("features.xlsx", "x", "ends in .csv or .parquet"),
        ("features.csv", "who,x\na,1\n", "one column must be called clip_id"),
        ("features.csv", "file\na\n", "no column of features"),
        ("features.csv", "file,x\n", "no rows"),
        ("features.csv", "file,x\n" + "a,1\n" * 300_000 + "b,smile\n", "cannot read .*smile"),
        ("features.parquet", "file,x\na,1\n", "cannot read"),
    ],
)
def test_what_cannot_be_read_is_one_line(tmp_path, name, text, message):
    if text:
        (tmp_path / name).write_text(text)
    with pytest.raises(MferError, match=message) as fault:
        open_features(tmp_path / name).count_rows()
    assert "\n" not in str(fault.value)
