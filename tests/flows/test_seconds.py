"""The schedule of a run: what ran when, beside what else."""

import psutil

from flows.seconds import (
    WIDTH,
    record_seconds,
    recorded_seconds,
    run_seconds,
    schedule_table,
    spent_seconds,
)

RECORD = {
    "folds": {"seconds": 10.0, "processor": 4.0, "ended": 1040.0, "run": "2 1000"},
    "demo": {"seconds": 20.0, "processor": 30.0, "ended": 1020.0, "run": "2 1000"},
    "vit": {"seconds": 15.0, "processor": 15.0, "ended": 1035.0, "run": "2 1000"},
    "ingest@urdu": {"seconds": 3.0, "ended": 500.0},
}


def test_bars_show_the_stages_of_the_newest_run_where_they_ran():
    assert [(one.stage, one.bar) for one in spent_seconds(RECORD)] == [
        ("ingest@urdu", ""),
        ("demo", "█" * 20),
        ("vit", " " * 20 + "█" * 15),
        ("folds", " " * 30 + "█" * 10),
    ]
    assert run_seconds(RECORD) == WIDTH == 40


def test_the_artifact_holds_the_newest_run_only():
    table = schedule_table(RECORD)
    assert "| vit | 15.0 | 15.0 |" in table and "ingest" not in table


def test_stages_before_and_after_a_jump_of_the_clock_are_of_one_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".prefect").mkdir()
    booted = psutil.boot_time()
    for stage, jump_s in (("ingest", 0), ("extract", 3600), ("embed", -3600)):
        monkeypatch.setattr(psutil._psplatform, "boot_time", lambda jump_s=jump_s: booted + jump_s)
        record_seconds(stage)
    assert len({entry["run"] for entry in recorded_seconds().values()}) == 1
