"""The same notice stands wherever a person meets a prediction."""

import html

import pytest

from mfer_core.base.files import read_json
from mfer_core.prediction.batch import Batch
from mfer_core.prediction.media_files import find_media
from mfer_core.prediction.notice import LAW, MEASURED, NOTICE
from tests.media.conftest import ROOT


@pytest.mark.parametrize("page", ["README.md", "docs/notice.md"])
def test_documents_hold_the_notice_word_for_word(page):
    quoted = [line[2:] for line in (ROOT / page).read_text().splitlines() if line.startswith("> ")]
    assert NOTICE in " ".join(quoted)


def test_every_page_and_the_json_hold_the_notice(predictor, recordings, tmp_path):
    Batch(predictor, "the model", 4.0, 1.0, tmp_path).run(find_media([recordings / "short.mp4"], tmp_path))
    assert read_json(tmp_path / "predictions.json")["notice"] == NOTICE
    (recording,) = (tmp_path / "recordings").iterdir()
    for page in (tmp_path / "report.html", recording):
        text = html.unescape(page.read_text())
        assert MEASURED in text and LAW in text
