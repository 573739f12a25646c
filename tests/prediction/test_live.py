"""A feed is judged while it comes as predict judges it afterwards, and is never far behind."""

import numpy as np
import pandas as pd
import pytest

from demo.clips import write_clip
from demo.plans import PlannedClip
from mfer_core.base.errors import ClipError, MferError
from mfer_core.media.live_devices import camera, is_address, microphone, open_input
from mfer_core.media.live_feed import LiveFeed, capture, in_time_order, replay
from mfer_core.prediction.live import LiveSession
from tests.media.recordings import tone
from tests.media.recordings import write_clip as write_recording

WINDOW_S, STEP_S = 1.0, 0.25


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """One of the demonstration's clips, as an H.264 with AAC."""
    folder = tmp_path_factory.mktemp("clip")
    plan = PlannedClip("clip.mp4", "ravdess", "01", "male", "angry", "strong", "1")
    return folder / write_clip(folder, plan, seed=42)


def judged(predictor, feed, folder):
    """A session that has come to its end, the rows that it told of, and the parts that it left."""
    folder.mkdir()
    windows = []
    session = LiveSession(predictor, feed, (WINDOW_S, STEP_S), folder, windows.append)
    parts = session.run()
    rows = [
        {"start_s": one.start_s, "end_s": one.end_s, "arm": arm, **shares}
        for one in windows
        for arm, shares in one.arms.items()
    ]
    return session, pd.DataFrame(rows), parts


def same(one, other, classes):
    keys = ["start_s", "end_s", "arm"]
    assert one[keys].to_numpy().tolist() == other[keys].to_numpy().tolist()
    np.testing.assert_allclose(one[list(classes)], other[list(classes)], atol=1e-5)


def test_windows_of_a_feed_are_those_of_the_recording(predictor, clip, tmp_path):
    offline = predictor.examine(clip, WINDOW_S, STEP_S)
    feed = replay(clip, predictor.settings.extract, paced=False)
    _, told, parts = judged(predictor, feed, tmp_path / "parts")
    assert set(told.arm) == {"visual", "audio", "fused"} and told.start_s.nunique() >= 4
    same(told, offline.timeline, predictor.classes)
    afterwards = predictor.judge(str(clip), parts, WINDOW_S, STEP_S)
    same(afterwards.timeline, offline.timeline, predictor.classes)
    same(afterwards.table, offline.table, predictor.classes)
    assert afterwards.clip.facts == offline.clip.facts


def test_pictures_are_let_go_when_others_take_too_long_and_sound_never(
    predictor, clip, tmp_path, monkeypatch
):
    monkeypatch.setattr(LiveFeed, "lag_s", lambda *_: 9.0)
    session, told, parts = judged(predictor, replay(clip, predictor.settings.extract), tmp_path / "parts")
    pictures = predictor.examine(clip).clip.facts["frame_count"]
    assert parts.facts["frame_count"] == 0 and session.pictures_let_go >= pictures
    assert set(told.arm) == {"audio", "fused"} and set(session.latencies_s) == {9.0}
    assert session.passed_over and session.passed_over + told.start_s.nunique() >= 4
    assert parts.facts["sound_s"] == pytest.approx(predictor.examine(clip).clip.facts["sound_s"])


def test_a_camera_and_a_microphone_are_two_inputs_on_one_clock(predictor, clip, tmp_path):
    devices = [camera(f"lavfi:movie={clip}"), microphone(f"lavfi:amovie={clip}")]
    feed = LiveFeed([open_input(device) for device in devices], paced=False)
    _, told, parts = judged(predictor, feed, tmp_path / "parts")
    assert {"visual", "audio", "fused"} <= set(told.arm)
    assert parts.facts["duration_s"] == pytest.approx(predictor.examine(clip).clip.facts["duration_s"], abs=1)


def test_what_came_before_a_feed_broke_off_is_kept_and_it_is_noted(predictor, tmp_path):
    path = write_recording(tmp_path / "sound.wav", sound=tone(3.0))
    (feed,) = replay(path, predictor.settings.extract, paced=False).inputs
    whole = feed.frames()

    class Breaking:
        video, audio, notes = None, feed.audio, ()
        damage, picture_end_s = feed.damage, feed.picture_end_s

        def frames(self):
            for frame in whole:
                yield frame
                if frame.time > 2.0:
                    raise MferError("the cable is out")

    _, told, parts = judged(predictor, LiveFeed([Breaking()], paced=False), tmp_path / "parts")
    assert 2.0 < parts.facts["duration_s"] < 3.0 and "broke off: the cable is out" in parts.facts["notes"]
    assert not len(told) or set(told.arm) == {"audio", "fused"}


def test_a_feed_that_is_stopped_ends_with_its_last_picture(predictor, clip, tmp_path):
    feed = replay(clip, predictor.settings.extract, paced=False)
    shown = []

    def see(picture):
        shown.append(picture.shape)
        if len(shown) == 4:
            feed.stop()

    (tmp_path / "parts").mkdir()
    session = LiveSession(predictor, feed, (WINDOW_S, STEP_S), tmp_path / "parts", print, see)
    facts = session.run().facts
    assert len(shown) == facts["frame_count"] and set(shown) == {(180, 320, 3)}
    assert facts["duration_s"] < predictor.examine(clip).clip.facts["duration_s"] + 0.1


def test_a_feed_without_anything_says_so(predictor, tmp_path):
    path = write_recording(tmp_path / "silent.wav", sound=tone(1.0, level=0.0))
    with pytest.raises(ClipError, match="no picture, and no sound but digital silence"):
        judged(predictor, replay(path, predictor.settings.extract, paced=False), tmp_path / "parts")


def test_frames_come_in_the_order_of_their_times_and_are_not_held_for_longer():
    class Frame:
        dts, time_base = None, 1

        def __init__(self, pts):
            self.pts = pts

    taken = []

    def frames():
        for second in (0, 2, 4, 1, 3, 5, 6):
            taken.append(second)
            yield Frame(second)

    ordered = in_time_order(frames(), 3.0)
    assert next(ordered).pts == 0 and taken == [0, 2, 4]
    assert [frame.pts for frame in ordered] == [1, 2, 3, 4, 5, 6]


def test_devices_and_addresses_are_told_apart_and_what_is_not_there_is_named(tmp_path):
    assert is_address("rtsp://10.0.0.2/stream") and is_address("https://host/film.mp4")
    assert not is_address("film.mp4") and not is_address(str(tmp_path)) and not is_address("file://film")
    assert camera("none") is None and microphone("none") is None
    assert str(camera("lavfi:testsrc")) == "lavfi:testsrc"
    missing = str(tmp_path / "video9")
    with pytest.raises(MferError, match="video9"):
        open_input(camera(f"v4l2:{missing}"))
    with pytest.raises(MferError, match="refused"):
        capture([open_input(camera("mpegts:tcp://127.0.0.1:9"))])
