"""Exports open in the tools of the trade and say what the timeline says, at the same times."""

from xml.etree import ElementTree

import pandas as pd
import parselmouth
import pysubs2
import pytest
from parselmouth.praat import call

from mfer_core.prediction.batch import Batch
from mfer_core.prediction.media_files import find_media
from mfer_core.prediction.results_folder import ResultsFolder
from mfer_core.prediction.windows import label_segments


@pytest.fixture(scope="module")
def exported(predictor, recordings, tmp_path_factory):
    """The long recording in windows of a second, its exports, and its stretches in milliseconds by arm."""
    out, path = tmp_path_factory.mktemp("out"), recordings / "long.mp4"
    Batch(predictor, "the model", 1.0, 0.5, out).run(find_media([path], out))
    folder = ResultsFolder(out)
    timeline = folder.read(path).timeline
    stretches = {
        arm: [(round(1000 * a), round(1000 * b), label) for a, b, label in label_segments(timeline, arm, 0.5)]
        for arm in timeline.arm.unique()
    }
    assert len(stretches) == 3 and all(stretches.values())
    return folder, path, stretches


def test_elan_gets_the_recording_and_a_tier_per_arm(exported):
    folder, path, stretches = exported
    document = ElementTree.parse(folder.file("elan", path)).getroot()
    moments = {slot.get("TIME_SLOT_ID"): int(slot.get("TIME_VALUE")) for slot in document.iter("TIME_SLOT")}
    tiers = {
        tier.get("TIER_ID"): sorted(
            (moments[mark.get("TIME_SLOT_REF1")], moments[mark.get("TIME_SLOT_REF2")], mark[0].text)
            for mark in tier.iter("ALIGNABLE_ANNOTATION")
        )
        for tier in document.iter("TIER")
    }
    assert tiers == stretches
    (media,) = document.iter("MEDIA_DESCRIPTOR")
    assert media.get("MEDIA_URL") == path.as_uri() and media.get("MIME_TYPE") == "video/mp4"
    types = {kind.get("LINGUISTIC_TYPE_ID") for kind in document.iter("LINGUISTIC_TYPE")}
    assert {tier.get("LINGUISTIC_TYPE_REF") for tier in document.iter("TIER")} <= types


def test_praat_itself_reads_the_textgrid(exported):
    folder, path, stretches = exported
    grid = parselmouth.read(str(folder.file("praat", path)))
    tiers = {}
    for tier in range(1, int(call(grid, "Get number of tiers")) + 1):
        intervals = range(1, int(call(grid, "Get number of intervals", tier)) + 1)
        texts = [
            (
                round(1000 * call(grid, "Get starting point", tier, number)),
                round(1000 * call(grid, "Get end point", tier, number)),
                call(grid, "Get label of interval", tier, number),
            )
            for number in intervals
        ]
        tiers[call(grid, "Get tier name", tier)] = [one for one in texts if one[2]]
    assert tiers == stretches
    assert call(grid, "Get end time") == pytest.approx(folder.read(path).duration_s, abs=1e-3)


@pytest.mark.parametrize("kind", ["webvtt", "srt"])
def test_players_show_the_fused_label(exported, kind):
    folder, path, stretches = exported
    shown = pysubs2.load(str(folder.file(kind, path)))
    assert [(line.start, line.end, line.plaintext) for line in shown] == stretches["fused"]


def test_statistics_programs_get_a_row_per_window(exported):
    folder, path, _ = exported
    wide, timeline = pd.read_csv(folder.folder / "windows.csv"), folder.read(path).timeline
    assert len(wide) == timeline.start_s.nunique()
    for arm, rows in timeline.groupby("arm"):
        has = wide[wide[f"{arm}_label"].notna()]
        assert has.start_s.tolist() == rows.start_s.tolist()
        assert has[f"{arm}_label"].tolist() == rows.label.tolist()
        assert has[f"{arm}_happy"].to_numpy() == pytest.approx(rows.happy.to_numpy(), rel=1e-5)
    assert set(wide[wide.audio_label.isna()].filter(like="audio_").count()) == {0}
