"""MTCNN as used here."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from mfer_core.media.detector import local_detector
from tests.media.recordings import face_picture


@pytest.mark.parametrize("height", [100, 60])
def test_a_face_is_found_where_it_is(height):
    faces = local_detector().detect(np.ascontiguousarray(face_picture((100, 90, height))[:, :, ::-1]))
    assert len(faces) == 1
    assert (faces[0, 0] + faces[0, 2]) / 2 == pytest.approx(100, abs=6)


def test_small_faces_are_looked_for_when_there_is_no_large_one():
    picture = face_picture((500, 300, 60), size=(640, 480))
    assert len(local_detector().detect(np.ascontiguousarray(picture[:, :, ::-1]))) == 1


@pytest.mark.parametrize("shape", [(180, 320), (1, 1), (5, 300), (300, 5)])
def test_a_picture_without_faces_has_none(shape):
    assert local_detector().detect(np.full((*shape, 3), 128, np.uint8)).shape == (0, 5)


def test_each_thread_has_its_own():
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(local_detector).result()
    assert first is not local_detector()
    assert local_detector() is local_detector()
