"""Whole corpora on disk: layout, repeatability, updates, and folders that are not ours."""

import csv
import hashlib
import json
from pathlib import Path

import pytest

from demo.write import INDEX, write_corpus
from mfer_core.base.errors import MferError
from mfer_core.base.settings import DemoSize


def size(speakers: int, clips: int) -> DemoSize:
    return DemoSize(speakers=speakers, clips_per_speaker=clips)


def held(folder: Path) -> dict[str, str]:
    """Relative path -> content hash of all files but the index."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != INDEX]
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files
    }


def stamps(folder: Path) -> dict[str, int]:
    return {path: (folder / path).stat().st_mtime_ns for path in held(folder)}


@pytest.mark.parametrize(
    ("adapter", "example", "side"),
    [
        ("crema_d", "AudioWAV/1001_", {"VideoDemographics.csv"}),
        ("shemo", "male/M01", {"shemo.json"}),
        ("sdc", "MANDOOB (Night Courier)/ang/001.WAV", set()),
        ("urdu", "Angry/SM1_F1_A001.wav", set()),
        ("fer2013", "fer2013.csv", set()),
    ],
)
def test_corpora_are_laid_out_like_the_real_ones(tmp_path, adapter, example, side):
    write_corpus(adapter, tmp_path, size(5, 2), seed=1, workers=1)
    files = held(tmp_path)
    assert any(path.startswith(example) for path in files)
    assert side <= set(files)
    assert len(files) == (1 if adapter == "fer2013" else 10) + len(side)
    assert set(json.loads((tmp_path / INDEX).read_text())) == set(files)


def test_the_same_seed_gives_the_same_bytes_whatever_the_number_of_processes(tmp_path):
    write_corpus("ravdess", tmp_path / "one", size(2, 1), seed=1, workers=1)
    write_corpus("ravdess", tmp_path / "two", size(2, 1), seed=1, workers=2)
    assert held(tmp_path / "one") == held(tmp_path / "two")


def test_a_second_run_writes_nothing_and_another_size_only_the_difference(tmp_path):
    write_corpus("urdu", tmp_path, size(2, 4), seed=1, workers=1)
    first = stamps(tmp_path)
    write_corpus("urdu", tmp_path, size(2, 4), seed=1, workers=1)
    assert stamps(tmp_path) == first
    write_corpus("urdu", tmp_path, size(3, 5), seed=1, workers=1)
    assert first.items() <= stamps(tmp_path).items()
    assert len(held(tmp_path)) == 15
    write_corpus("urdu", tmp_path, size(2, 1), seed=1, workers=1)
    assert stamps(tmp_path).items() <= first.items()
    assert len(held(tmp_path)) == 2
    assert not (tmp_path / "Sad").exists()


def test_another_seed_changes_every_clip(tmp_path):
    write_corpus("sdc", tmp_path, size(2, 2), seed=1, workers=1)
    first = held(tmp_path)
    write_corpus("sdc", tmp_path, size(2, 2), seed=2, workers=1)
    assert held(tmp_path).keys() == first.keys()
    assert not held(tmp_path).items() & first.items()


def test_the_next_run_finishes_what_a_killed_one_left(tmp_path):
    write_corpus("sdc", tmp_path, size(2, 3), seed=1, workers=1)
    whole, before = held(tmp_path), stamps(tmp_path)
    lost, half = sorted(whole)[:2]
    (tmp_path / lost).unlink()
    (tmp_path / half).write_bytes(b"of another seed")
    (tmp_path / half).with_name(".x.1.tmp.wav").touch()
    index = json.loads((tmp_path / INDEX).read_text())
    (tmp_path / INDEX).write_text(json.dumps(index | {half: None}))
    write_corpus("sdc", tmp_path, size(2, 3), seed=1, workers=1)
    assert held(tmp_path) == whole
    after = stamps(tmp_path)
    assert {path for path in whole if after[path] != before[path]} == {lost, half}


def test_files_appear_whole_or_not_at_all(tmp_path, monkeypatch):
    def fail(path, *_, **__):
        Path(path).write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr("demo.clips.soundfile.write", fail)
    with pytest.raises(OSError, match="disk full"):
        write_corpus("sdc", tmp_path, size(2, 1), seed=1, workers=1)
    assert held(tmp_path) == {}
    monkeypatch.undo()
    write_corpus("sdc", tmp_path, size(2, 1), seed=1, workers=1)
    assert len(held(tmp_path)) == 2


def test_a_folder_with_files_of_others_is_refused_untouched(tmp_path):
    real = tmp_path / "Angry" / "SM1_F1_A001.wav"
    real.parent.mkdir()
    real.write_bytes(b"a real recording")
    with pytest.raises(MferError, match=r"SM1_F1_A001\.wav, which the demo did not write"):
        write_corpus("urdu", tmp_path, size(2, 4), seed=1, workers=1)
    assert held(tmp_path) == {"Angry/SM1_F1_A001.wav": hashlib.sha256(b"a real recording").hexdigest()}


def test_faces_fill_all_three_parts_and_no_identity_straddles_them(tmp_path):
    write_corpus("fer2013", tmp_path, size(4, 9), seed=1, workers=1)
    with (tmp_path / "fer2013.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["Usage"] for row in rows] == ["Training"] * 9 + ["PublicTest"] * 9 + ["PrivateTest"] * 9 + [
        "Training"
    ] * 9
    assert {row["emotion"] for row in rows} == set("0123456")
    pixels = [[int(value) for value in row["pixels"].split()] for row in rows]
    assert {len(face) for face in pixels} == {48 * 48}
    assert all(0 <= min(face) < max(face) <= 255 for face in pixels)
    assert len({tuple(face) for face in pixels}) == 36


def test_crema_d_with_pictures_takes_the_place_of_the_one_of_sound_and_has_votes(tmp_path):
    write_corpus("crema_d", tmp_path, size(2, 1), seed=1, workers=1)
    write_corpus("crema_d", tmp_path, size(2, 1), seed=1, workers=1, pictures=True)
    files = sorted(held(tmp_path))
    assert files[0] == "VideoDemographics.csv" and "processedResults/summaryTable.csv" in files
    assert [path.endswith(".flv") for path in files[1:-1]] == [True, True]
