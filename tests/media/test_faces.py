"""The main face and its crop: the rules for several faces, for none, and for the picture's edge."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mfer_core.media import faces
from mfer_core.media.faces import FaceCropper, square
from mfer_core.media.picture import Still
from mfer_core.media.sampling import Sample

WIDTH, HEIGHT = 320, 180
BIG, SMALL = [20.0, 20.0, 100.0, 120.0, 0.99], [200.0, 40.0, 240.0, 90.0, 0.99]


class Stage:
    """Stands in for decoder and detector: frames are times, ``faces_at`` says who is on screen."""

    def __init__(self, faces_at):
        self.faces_at = faces_at

    def still(self, time_s):
        pixels = np.full((HEIGHT, WIDTH), 30, np.uint8)
        for x0, y0, x1, y1, _ in self.faces_at(time_s):
            pixels[int(y0) : int(y1), int(x0) : int(x1)] = 200 if x0 < 150 else 120
        return Still(pixels, studio=False)

    def reduced(self, time_s, side):
        return time_s, side / WIDTH

    def detect(self, time_s):
        return np.asarray(self.faces_at(time_s), np.float32).reshape(-1, 5) * ([0.5] * 4 + [1])


def crops(settings, faces_at, count=15):
    stage = Stage(faces_at)
    settings = settings.model_copy(update={"detect_side": WIDTH // 2})
    samples = (Sample(tick / 5, tick / 5, tick / 5) for tick in range(count))
    return list(FaceCropper(stage, stage, settings).crops(samples))


def test_boxes_are_in_pixels_of_the_displayed_frame(settings):
    assert crops(settings, lambda time_s: [BIG])[0].box == pytest.approx(BIG[:4])


def test_the_larger_of_two_faces_is_the_main_one(settings):
    rows = crops(settings, lambda time_s: [SMALL, BIG])
    assert all(row.box == pytest.approx(BIG[:4]) for row in rows)
    assert all(row.image[112, 112] == 200 for row in rows)
    assert rows[0].faces == 2


def test_a_smaller_face_that_stays_beats_a_larger_one_that_passes(settings):
    rows = crops(settings, lambda time_s: [SMALL, BIG] if time_s < 0.3 else [SMALL], count=40)
    assert all(row.box == pytest.approx(SMALL[:4]) for row in rows)


def test_another_face_stands_in_where_the_main_one_is_missing(settings):
    rows = crops(settings, lambda time_s: [SMALL] if 1 <= time_s < 2 else [SMALL, BIG])
    assert [row.image[112, 112] for row in rows] == [200] * 5 + [120] * 5 + [200] * 5


def test_a_frame_without_a_face_is_cropped_where_the_face_is_nearest_in_time(settings):
    rows = crops(settings, lambda time_s: [] if 1 <= time_s < 2 else [BIG])
    assert [row.source for row in rows[5:10]] == ["held"] * 5
    assert all(row.box is None and row.confidence is None and row.faces == 0 for row in rows[5:10])
    assert len({square(np.array(BIG[:4]), settings.margin, (HEIGHT, WIDTH))}) == 1
    assert [row.source for row in rows[:5]] == ["detected"] * 5


def test_far_from_any_face_the_centre_is_cropped(settings):
    rows = crops(settings, lambda time_s: [BIG] if time_s < 0.5 else [], count=30)
    assert [row.source for row in rows[:3]] == ["detected"] * 3
    assert {row.source for row in rows[3:12]} == {"held"}
    assert {row.source for row in rows[14:]} == {"centre"}


def test_memory_is_bounded_and_the_main_face_carries_over(settings, monkeypatch):
    whole = crops(settings, lambda time_s: [SMALL, BIG], count=60)
    monkeypatch.setattr(faces, "BLOCK_BYTES", 300_000)
    cut = crops(settings, lambda time_s: [SMALL, BIG], count=60)
    assert all(
        np.array_equal(a.image, b.image) and a.time_s == b.time_s for a, b in zip(whole, cut, strict=True)
    )


@given(st.lists(st.floats(-50, 400), min_size=4, max_size=4), st.floats(0, 1))
def test_a_crop_is_square_and_inside_where_it_fits(corners, margin):
    x0, y0, x1, y1 = corners
    box = np.array([min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)])
    left, top, side = square(box, margin, (HEIGHT, WIDTH))
    assert side == max(1, round(float(max(box[2] - box[0], box[3] - box[1])) * (1 + 2 * margin)))
    for start, length in ((left, WIDTH), (top, HEIGHT)):
        assert (
            (start >= 0 and start + side <= length)
            if side <= length
            else (start <= 0 and start + side >= length)
        )
    assert Still(np.zeros((HEIGHT, WIDTH), np.uint8), False).crop(left, top, side, 32).shape == (32, 32)


def test_the_picture_edge_is_repeated_not_stretched():
    pixels = np.tile(np.arange(100, 200, dtype=np.uint8), (20, 1))
    crop = Still(pixels, False).crop(0, -40, 100, 100)
    assert np.abs(crop.astype(int) - pixels[0]).max() == 0


def test_studio_levels_become_full_range():
    pixels = np.tile(np.array([16, 235], np.uint8).repeat(8), (16, 1))
    crop = Still(pixels, studio=True).crop(0, 0, 16, 16)
    assert (crop.min(), crop.max()) == (0, 255)
