"""Pictures as a player shows them: every turn and mirror of the display matrix, as the ffmpeg command shows
it.
"""

import gc

import av
import numpy as np
import pytest

from benchmarks.known_recordings import run_ffmpeg
from mfer_core.media.decode import Recording
from mfer_core.media.picture import Display, displayed_size
from mfer_core.media.probe import probe
from tests.media.recordings import numbered, write_clip

SIZE = (160, 128)  # nothing for the codec to pad


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    return write_clip(
        tmp_path_factory.mktemp("picture") / "stored.mp4", [numbered(0b1011, SIZE)] * 2, [0, 40]
    )


@pytest.mark.parametrize("turn", [0, 90, 180, 270])
@pytest.mark.parametrize("mirror", [(), ("-display_hflip",), ("-display_vflip",)], ids=["", "hflip", "vflip"])
def test_the_display_matrix_is_applied_as_ffmpeg_does(tmp_path, stored, turn, mirror):
    path = tmp_path / "a.mov"
    run_ffmpeg("-display_rotation", turn, *mirror, "-i", stored, "-c", "copy", path)
    with Recording(path, 10, 10) as recording:
        frame = next(recording.frames())
        display = Display(recording.aspect, grayscale=True)
        still, (small, _) = display.still(frame).pixels, display.reduced(frame, 64)
    width, height = displayed_size(frame)
    shown = run_ffmpeg("-i", path, "-frames:v", 1, "-pix_fmt", "yuv420p", "-f", "rawvideo", "-").stdout
    truth = np.frombuffer(shown, np.uint8)[: width * height].reshape(height, width)
    assert np.array_equal(still, truth)
    assert (probe(path).width, probe(path).height) == (width, height)
    assert np.abs(small[:, :, 0].mean() - still.mean()) < 30
    centre = (slice(height // 2 - 20, height // 2 + 20), slice(width // 2 - 20, width // 2 + 20))
    assert still[centre].std() < 5  # the middle block is one colour, whatever the turn


def test_a_file_without_a_matrix_is_shown_as_it_is_stored(stored):
    with Recording(stored, 10, 10) as recording:
        still = Display(1.0, grayscale=True).still(next(recording.frames())).pixels
    assert still.shape == SIZE[::-1]
    assert not np.array_equal(still, still[::-1])


def test_a_frame_that_was_shown_is_freed_at_once(stored):
    """Frames that only Python's collector frees pile up: hundreds of megabytes of a large video."""
    gc.collect()
    gc.disable()
    try:
        with Recording(stored, 60, 60) as recording:
            display = Display(recording.aspect, grayscale=True)
            for frame in recording.frames():
                display.still(frame)
                display.reduced(frame, 64)
            del frame
        # The decoder keeps an empty frame for the next picture.
        assert not [one for one in gc.get_objects() if type(one) is av.VideoFrame and one.width]
    finally:
        gc.enable()
