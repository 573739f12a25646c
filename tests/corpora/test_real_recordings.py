"""Real recordings, where they lie beside the checkout: counts expected by hand."""

from collections import Counter
from pathlib import Path

import pytest

from mfer_core.base.manifest import clips_frame, validate
from mfer_core.base.settings import Corpus
from mfer_core.corpora.ingest import ingest_corpus

REAL = Path(__file__).parents[3] / "shared" / "real"
pytestmark = pytest.mark.skipif(not REAL.is_dir(), reason="no real recordings beside the checkout")
EACH = {"calm", "happy", "sad", "angry", "fearful", "disgust", "surprised"}


def ingest(adapter, folder, **settings):
    clips, rejects, _ = ingest_corpus(
        adapter, Corpus(adapter=adapter, source="local", path=folder, **settings), workers=2
    )
    manifest = clips_frame(clips)
    validate(manifest, adapter)
    return manifest, Counter(reject.reason for reject in rejects)


def test_ravdess_of_one_actor():
    """60 takes as wav (two of them stereo); four are there as 01- and three as 02- too."""
    manifest, rejects = ingest("ravdess", REAL / "ravdess")
    assert len(manifest) == 60 and rejects == {"same take": 7}
    assert manifest.label.value_counts().to_dict() == dict.fromkeys(EACH, 8) | {"neutral": 4}
    assert manifest.has_video.sum() == 4 and manifest.has_audio.all()
    seen = manifest[manifest.has_video]
    assert set(zip(seen.width, seen.height, seen.rate.round(2), strict=True)) == {(1280, 720, 29.97)}
    assert manifest.duration_s.between(2.9, 5.3).all() and (manifest.sample_rate == 48000).all()


def test_ravdess_video_only_files_have_no_sound(tmp_path):
    for path in (REAL / "ravdess/Actor_01").glob("02-*.mp4"):
        (tmp_path / path.name).symlink_to(path)
    manifest, rejects = ingest("ravdess", tmp_path)
    assert len(manifest) == 3 and not rejects
    assert manifest.has_video.all() and not manifest.has_audio.any() and manifest.sample_rate.isna().all()


def test_ravdess_as_flac_of_eleven_actors():
    """660 files, of which Actor 07 has one twice."""
    manifest, rejects = ingest("ravdess", REAL / "ravdess_16k_flac")
    assert len(manifest) == 659 and rejects == {"duplicate": 1}
    assert "ravdess/03-01-03-01-02-02-07" not in set(manifest.clip_id)
    assert manifest.speaker.nunique() == 11 and (manifest.sample_rate == 16000).all()


def test_every_fourth_clip_of_urdu():
    manifest, rejects = ingest("urdu", REAL / "urdu")
    assert (
        manifest.label.value_counts().to_dict() == dict.fromkeys(["angry", "happy", "neutral", "sad"], 25)
        and not rejects
    )


def test_fer2013_inside_its_zip(tmp_path):
    """28,709 + 3,589 images, counted with a few lines over the decoded pixels: 13 blank ones of one grey
    level, one whose levels span 3.
    """
    (tmp_path / "fer2013_folders.zip").symlink_to(REAL / "fer2013_folders.zip")
    manifest, rejects = ingest("fer2013", tmp_path)
    assert len(manifest) + rejects.total() == 28709 + 3589
    assert rejects == {"blank": 14, "duplicate": 1185, "conflicting duplicate": 87}
    assert set(manifest.split) == {"Training", "PublicTest"}


def test_clips_from_the_web_listed_by_hand(tmp_path):
    (tmp_path / "list.csv").write_text(
        "path,label\nsingle_face.mp4,happy\nno_face.mp4,neutral\nWolfgangLanger_Pexels.mp4,calm\n"
    )
    manifest, rejects = ingest("custom", REAL / "clips", manifest=tmp_path / "list.csv")
    sizes = manifest.set_index("clip_id")[["width", "height"]].astype(int).T.to_dict("list")
    assert not rejects and sizes["custom/no_face"] == [960, 540] and sizes["custom/single_face"] == [640, 360]
    assert manifest.has_audio.all() and manifest.duration_s.round(1).tolist() == [19.7, 3.9, 2.4]
