"""`make bench` fails by a figure that is a tenth worse than its bar, and by one that found a fault."""

import json
from importlib.util import find_spec

import pytest

from benchmarks import __main__ as bench
from benchmarks.figures import VARIABLE, Figure, hand_over, handed_over

FAST, SLOW = Figure("embedding", "the published", 2.0, "more"), Figure("extract", "decoding", 1.5, "less")


@pytest.mark.parametrize(
    ("bars", "failed", "status"),
    [
        ({"embedding": 2.2, "extract": 1.4}, [], 0),
        ({"embedding": 2.3, "extract": 1.4}, [], 1),
        ({"embedding": 2.2, "extract": 1.3}, [], 1),
        ({}, [], 0),
        ({}, ["hostile"], 1),
    ],
    ids=["within a tenth", "slower", "more time", "no bars yet", "a fault"],
)
def test_a_figure_that_is_a_tenth_worse_than_its_bar_fails(
    bars, failed, status, tmp_path, monkeypatch, capsys
):
    path = tmp_path / "bars.json"
    path.write_text(json.dumps({"machine": "another", "bars": bars}))
    monkeypatch.setattr(bench, "BARS", path)
    monkeypatch.setattr(bench, "measured", lambda names: ([FAST, SLOW], failed))
    monkeypatch.setattr("sys.argv", ["benchmarks"])
    assert bench.main() == status
    assert ("WORSE" in capsys.readouterr().out) == (status == 1 and not failed)
    assert json.loads(path.read_text())["bars"] == bars
    monkeypatch.setattr("sys.argv", ["benchmarks", "--keep"])
    bench.main()
    assert json.loads(path.read_text())["bars"] == {"embedding": 2.0, "extract": 1.5}


def test_benchmarks_hand_their_figures_over_only_where_they_are_asked(tmp_path, monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    hand_over(FAST)
    monkeypatch.setenv(VARIABLE, str(tmp_path / "figures"))
    hand_over(FAST)
    hand_over(SLOW)
    assert handed_over(tmp_path / "figures") == [FAST, SLOW]


def test_every_benchmark_that_is_run_is_one():
    assert all(find_spec(f"benchmarks.{name}") for name in bench.RUN)
