"""The folder of results: asking whether it can be written leaves nothing, whenever that is killed."""

import os

from mfer_core.prediction.results_folder import ResultsFolder


def test_no_name_is_there_that_a_kill_could_leave(tmp_path, monkeypatch):
    removed = []
    monkeypatch.setattr(os, "unlink", lambda path, **_: removed.append(path))
    ResultsFolder(tmp_path / "out").check_writable()
    assert not removed and not [*(tmp_path / "out").iterdir()]
