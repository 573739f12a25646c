"""Ctrl-C in any stage, or a kill: the run ends in seconds, nothing is left at work, what is done stays."""

import pytest

from flows.pipeline import stages
from mfer_core.cache.code import ROOT
from tests.pipeline.stopped import shards_done

LIMIT_S = 10


@pytest.mark.parametrize("stage", stages(ROOT / "dvc.yaml"))
def test_ctrl_c_ends_a_stage_within_seconds_and_leaves_no_process(reproduced, stage):
    ending = reproduced.endings[stage]
    assert ending.status in (130, 255)
    assert ending.seconds < LIMIT_S
    assert not ending.orphans
    assert ending.printed.count("stopped; the next run goes on where this one ended") == 1, ending.printed
    assert "Traceback" not in ending.printed


def test_shards_that_were_done_at_a_kill_are_not_done_again(project, reproduced):
    now = shards_done(project)
    assert {path: now[path] for path in reproduced.shards_at_kill} == reproduced.shards_at_kill
    assert len(now) > len(reproduced.shards_at_kill)


def test_no_file_is_half_written_after_it_went_on(project, reproduced):
    temporary = project.glob("data/**/.*tmp*")
    assert not [path for path in temporary if path.stat().st_mtime_ns > reproduced.resumed_ns]


def test_make_run_in_a_folder_from_a_zip_goes_on_and_shows_the_results(reproduced):
    assert "results, pooled over folds" in reproduced.printed
    assert reproduced.printed.rstrip().endswith(".venv/bin/mfer predict VIDEO")
