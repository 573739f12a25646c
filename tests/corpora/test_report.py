import pandas as pd
import pytest

from mfer_core.base.manifest import Clip, Reject, read_manifest, write_manifest, write_rejects
from mfer_core.corpora.report import confounds, dataset_report, report_figures, report_tables

LABELS = ("angry", "happy", "neutral", "sad")


@pytest.fixture
def tables(tmp_path):
    """tables(clips, rejects) as the stages hand them on: through Parquet."""

    def write(clips, rejects=()):
        write_manifest(tmp_path / "m.parquet", clips, "set")
        return read_manifest(tmp_path / "m.parquet"), write_rejects(tmp_path / "r.parquet", list(rejects))

    return write


def clips(speaker_of=lambda number, label: f"S{number % 5}", count=20, **facts):
    return [
        Clip(
            clip_id=f"set/{label}{number}",
            corpus="set",
            path=f"{label}{number}.wav",
            sha256=f"{label}{number}",
            label=label,
            speaker=f"set-{speaker_of(number, label)}",
            has_audio=True,
            duration_s=1.0 + number % 5,
            sample_rate=16000,
            **{name: value(number, label) for name, value in facts.items()},
        )
        for label in LABELS
        for number in range(count)
    ]


def row(table: pd.DataFrame, trace: str):
    return table.set_index("trace").loc[trace]


def test_a_speaker_who_shows_one_emotion_only_gives_it_away(tables):
    manifest, rejects = tables(clips(lambda number, label: f"{label}{number % 3}"))
    assert (
        row(confounds(manifest), "speaker").association > 0.9 and row(confounds(manifest), "speaker").warning
    )
    report = dataset_report(manifest, rejects)
    assert (
        "12 of 12 speakers occur in one emotion only" in report
        and "| speaker | 12 | 0.95 | goes with the label |" in report
    )


def test_a_balanced_corpus_gives_nothing_away(tables):
    table = confounds(tables(clips())[0])
    assert (
        set(table.trace) == {"speaker", "duration"}
        and not table.warning.any()
        and (table.association == 0).all()
    )


def test_a_fact_of_its_own_for_each_clip_tells_nothing(tables):
    table = confounds(tables(clips(lambda number, label: f"{label}-{number}"))[0])
    assert row(table, "speaker").association == 0


def test_a_recording_condition_that_goes_with_an_emotion_is_found(tables):
    manifest, _ = tables(clips(statement=lambda number, label: "x" if label == "sad" else None))
    assert row(confounds(manifest), "statement").warning


def test_counts_are_by_label_and_sex_and_a_class_that_is_not_there_is_absent(tables):
    manifest, rejects = tables(
        clips(sex=lambda number, label: ["female", "male", None][number % 3]),
        [Reject(corpus="set", path=f"{n}", stage="ingest", reason="song") for n in range(3)],
    )
    by_title = report_tables(manifest, rejects)
    labels = by_title["Labels"].set_index("label")
    assert labels.clips["sad"] == 20 and labels.clips["calm"] == "absent" and pd.isna(labels.female["calm"])
    assert labels.loc["sad", ["female", "male", "sex unknown"]].tolist() == [7, 7, 6]
    assert by_title["Durations (s)"].iloc[0].to_dict() == {
        "clips": 80,
        "shortest": 1,
        "median": 3,
        "mean": 3,
        "longest": 5,
        "total": 240,
    }
    assert by_title["Tracks and formats"].iloc[0].to_dict() == {
        "tracks": "audio",
        "frame_size": "",
        "rate": "",
        "sample_rate": 16000,
        "clips": 80,
    }
    assert by_title["Rejected files"].iloc[0].to_dict() == {"stage": "ingest", "reason": "song", "files": 3}
    assert "Absent classes: calm, disgust, fearful, surprised." in dataset_report(manifest, rejects)


def test_figures_are_numbers_by_name(tables):
    figures = report_figures(*tables(clips()))
    assert all(isinstance(value, float) for value in figures.values())
    assert (
        figures["clips"] == 80
        and figures["speakers"] == 5
        and figures["label_sad"] == 20
        and "label_calm" not in figures
    )
    assert figures["hours"] == pytest.approx(240 / 3600) and "label_with_speaker" in figures


def test_unknown_speakers_are_not_counted_as_one(tables):
    manifest, rejects = tables(clips(lambda number, label: "unknown"))
    assert (
        "80 clips of unknown speakers" in dataset_report(manifest, rejects)
        and report_figures(manifest, rejects)["speakers"] == 0
    )
    by_title = report_tables(manifest, rejects)
    assert by_title["Speakers"].empty and by_title["Labels"].set_index("label").speakers["sad"] == "unknown"


def test_equal_durations_say_nothing_about_the_label(tables):
    manifest, _ = tables(clips())
    assert "duration" not in set(confounds(manifest.assign(duration_s=2.0)).trace)


def test_notes_stand_in_the_report_and_an_absent_corpus_has_one_too(tables):
    manifest, rejects = tables(clips())
    assert "> watch out" in dataset_report(manifest, rejects, ["watch out"])
    assert (
        dataset_report(manifest[:0], rejects) == "Absent: no clips.\n"
        and report_figures(manifest[:0], rejects)["clips"] == 0
    )
