import time
import zipfile

import numpy as np
import pytest

from mfer_core.base.errors import MferError
from mfer_core.base.manifest import clips_frame
from mfer_core.corpora import fer2013
from tests.corpora.layouts import LAYOUTS, csv_row, face, write_face
from tests.corpora.test_ingest import ingest


def frame(folder):
    return clips_frame(list(ingest(folder, "fer2013")[0].values()))


def test_csv_codes_are_the_published_ones_and_parts_are_kept(built):
    manifest = frame(built("fer2013 csv")).set_index("clip_id")
    assert manifest.label["set/00000"] == "angry" and manifest.label["set/00006"] == "neutral"
    assert manifest.label["set/00005"] == "surprised" and manifest.split["set/00008"] == "PrivateTest"
    assert (
        (manifest.speaker == "set-unknown").all()
        and (manifest.width == 48).all()
        and manifest.has_video.all()
    )


def test_folders_are_mapped_by_name_not_by_alphabetical_number(built):
    manifest = frame(built("fer2013 folders")).set_index("clip_id")
    assert manifest.label[["set/Training_4", "set/Training_5", "set/Training_6"]].tolist() == [
        "neutral",
        "sad",
        "surprised",
    ]
    assert manifest.split[["set/Training_4", "set/PublicTest_5", "set/PrivateTest_6"]].tolist() == [
        "Training",
        "PublicTest",
        "PrivateTest",
    ]


@pytest.mark.parametrize("name", [name for name, layout in LAYOUTS.items() if layout.adapter == "fer2013"])
def test_faces_are_read_in_manifest_order_from_every_layout(built, name):
    manifest = frame(built(name)).sample(frac=1, random_state=1)
    faces = fer2013.read_faces(built(name), manifest)
    assert faces.shape == (len(manifest), 48, 48) and faces.dtype == np.uint8
    first = manifest.clip_id.tolist().index("set/00001" if "csv" in name else "set/Training_1")
    assert np.array_equal(faces[first], face(1))


def test_a_face_that_is_gone_is_an_error(tmp_path):
    for number in (1, 2):
        write_face(tmp_path / f"train/sad/{number}.jpg", number)
    manifest = frame(tmp_path)
    (tmp_path / "train/sad/2.jpg").unlink()
    with pytest.raises(MferError, match=r"2\.jpg.*run ingest again"):
        fer2013.read_faces(tmp_path, manifest)


def test_a_merged_test_folder_serves_early_stopping_only(tmp_path):
    write_face(tmp_path / "test/fear/im0.png", 1)
    assert frame(tmp_path).split.tolist() == ["PublicTest"]


def test_a_csv_with_other_column_order_and_spaces_is_read(tmp_path):
    code, pixels, part = csv_row(3, 1, "Training").split(",")
    (tmp_path / "icml_face_data.csv").write_text(
        f"emotion, Usage, pixels\n{code},{part},{pixels}\n9,{part},{csv_row(0, 2, '').split(',')[1]}\n"
    )
    clips, rejects = ingest(tmp_path, "fer2013")
    assert [clip.label for clip in clips.values()] == ["happy"] and [
        reject.reason for reject in rejects.values()
    ] == ["no label"]


@pytest.mark.parametrize("level", [0, 255])
def test_blank_images_are_rejected_even_where_compression_left_traces(tmp_path, level):
    from PIL import Image

    noise = np.random.default_rng(0).integers(0, 4, (48, 48), dtype=np.uint8)
    (tmp_path / "train/sad").mkdir(parents=True)
    Image.fromarray(noise + np.uint8(level - 3 if level else 0)).save(tmp_path / "train/sad/a.png")
    _, rejects = ingest(tmp_path, "fer2013")
    assert [reject.reason for reject in rejects.values()] == ["blank"]


def test_images_of_another_size_and_broken_ones_are_rejected(tmp_path):
    from PIL import Image

    (tmp_path / "train/sad").mkdir(parents=True)
    Image.new("RGB", (64, 48)).save(tmp_path / "train/sad/a.png")
    (tmp_path / "train/sad/b.jpg").write_bytes(b"no image")
    _, rejects = ingest(tmp_path, "fer2013")
    assert [reject.reason for reject in rejects.values()] == ["not 48x48", "unreadable"]


def test_a_zip_member_that_unpacks_to_far_more_than_an_image_is_not_read(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("train/sad/bomb.png", bytes(8 << 20))
    _, rejects = ingest(tmp_path, "fer2013")
    assert [reject.reason for reject in rejects.values()] == ["unreadable"]


def test_a_folder_without_faces_says_what_to_put_there(tmp_path):
    (tmp_path / "a.zip").write_bytes(b"no zip")
    with pytest.raises(MferError, match=r"a\.zip"):
        frame(tmp_path)
    (tmp_path / "a.zip").unlink()
    with pytest.raises(MferError, match=r"fer2013\.csv, the folders train/ and test/, or a zip"):
        frame(tmp_path)


def test_reading_is_fast_enough_for_the_whole_corpus(tmp_path):
    rows = [csv_row(number % 7, number, "Training") for number in range(300)]
    (tmp_path / "fer2013.csv").write_text("emotion,pixels,Usage\n" + "\n".join(rows) + "\n")
    start = time.process_time()
    assert len(frame(tmp_path)) == 300
    assert (time.process_time() - start) * 35887 / 300 < 60  # seconds; 9 measured
