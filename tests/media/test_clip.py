"""One clip from file to rows: exact times, right geometry, every bad file an answer."""

import math
from fractions import Fraction

import numpy as np
import pytest

from mfer_core.base.errors import ClipError
from mfer_core.media.clip import extract_clip
from mfer_core.media.read import decode_image
from tests.media.recordings import face_picture, number_in, numbered, tone, write_clip

STEADY = range(0, 2000, 40)
UNSTEADY = [0, 10, 100, 350, 360, 365, 600, 640, 1500, 1600]


def shown(clip) -> list[tuple[float, int]]:
    """Per row: the moment sampled, the number burned into the frame that was on screen then."""
    return [(row["time_s"], number_in(decode_image(row["image"]))) for row in clip.frames]


def expected(times_ms: list[int], rate: float = 5.0) -> list[tuple[float, float, int]]:
    """The frame on screen at each tick, worked out from the times the pictures were written with."""
    start, ticks = times_ms[0], math.floor((times_ms[-1] - times_ms[0]) * rate / 1000) + 1
    rows = []
    for tick in range(ticks):
        number = max(n for n, when in enumerate(times_ms) if when - start <= tick * 1000 / rate + 1)
        rows.append((tick / rate, number))
    return rows


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "flv", "mov"])
@pytest.mark.parametrize(
    "times_ms",
    [list(STEADY), UNSTEADY, [when + 700 for when in UNSTEADY]],
    ids=["constant", "variable", "late start"],
)
def test_every_row_shows_the_frame_on_screen_at_its_time(tmp_path, settings, suffix, times_ms):
    path = write_clip(tmp_path / f"clip.{suffix}", map(numbered, range(len(times_ms))), times_ms)
    rows = shown(extract_clip(path, settings))
    assert [row[1] for row in rows] == [row[1] for row in expected(times_ms)]
    assert np.allclose([row[0] for row in rows], [row[0] for row in expected(times_ms)], atol=2e-3)


@pytest.mark.parametrize("claimed", [1, 90, 1000])
def test_the_rate_that_the_header_claims_is_not_believed(tmp_path, settings, claimed):
    path = write_clip(tmp_path / "clip.mkv", map(numbered, range(50)), STEADY, claimed_rate=claimed)
    assert [row[1] for row in shown(extract_clip(path, settings))] == list(range(0, 50, 5))


def test_frames_hidden_by_an_edit_list_are_not_shown(tmp_path, settings):
    times = [when - 120 for when in STEADY]
    path = write_clip(
        tmp_path / "clip.mp4",
        map(numbered, range(50)),
        times,
        container_options={"avoid_negative_ts": "disabled"},
    )
    rows = shown(extract_clip(path, settings))
    assert rows[0] == (0.0, 3)
    assert [row[1] for row in rows] == list(range(3, 50, 5))


@pytest.mark.parametrize(("suffix", "codec"), [("mp4", "libx264"), ("mkv", "mpeg4"), ("avi", "mpeg4")])
def test_frames_stored_out_of_display_order_come_in_display_order(tmp_path, settings, suffix, codec):
    path = write_clip(
        tmp_path / f"clip.{suffix}",
        map(numbered, range(50)),
        STEADY,
        codec=codec,
        options={"bf": "3", "g": "50"},
    )
    assert [row[1] for row in shown(extract_clip(path, settings))] == list(range(0, 50, 5))


def test_sound_becomes_the_same_tone_at_16_khz(tmp_path, settings):
    path = write_clip(tmp_path / "clip.wav", sound=tone(1.0, 22_050), sound_rate=22_050)
    row = extract_clip(path, settings).waveform
    assert len(row["samples"]) == 16_000
    middle = slice(1000, -1000)
    assert np.abs(row["samples"][middle] / 32768 - tone(1.0)[middle]).max() < 0.01


@pytest.mark.parametrize(
    ("rotation", "aspect"),
    [(None, None), (90, None), (-90, None), (180, None), (None, Fraction(2, 1)), (90, Fraction(3, 2))],
)
def test_a_face_is_found_upright_and_in_shape_whatever_the_file_stores(tmp_path, settings, rotation, aspect):
    displayed = face_picture((110, 100, 100), size=(240, 240))
    stored = np.ascontiguousarray(np.rot90(displayed, -round((rotation or 0) / 90)))
    if aspect:
        width = round(240 / float(aspect))
        stored = np.ascontiguousarray(stored[:, (np.arange(width) * float(aspect)).astype(int)])
    path = write_clip(tmp_path / "clip.mp4", [stored] * 3, [0, 200, 400], aspect=aspect, rotation=rotation)
    for row in extract_clip(path, settings).frames:
        x0, y0, x1, y1 = row["box"].values()
        assert np.allclose(((x0 + x1) / 2, (y0 + y1) / 2), (110, 102), atol=8)
        assert 0.6 < (x1 - x0) / (y1 - y0) < 1.0


@pytest.mark.parametrize(
    ("pix_fmt", "codec", "options"),
    [
        ("yuv420p10le", "libx264", {}),
        ("yuv420p", "libx264", {"x264-params": "interlaced=1"}),
        ("rgb24", "qtrle", {}),
        ("yuvj420p", "mjpeg", {}),
    ],
    ids=["10 bit", "interlaced", "rgb", "full range"],
)
def test_levels_do_not_depend_on_how_pictures_are_stored(tmp_path, settings, pix_fmt, codec, options):
    path = write_clip(
        tmp_path / "clip.mov", [numbered(0b101)] * 2, [0, 40], codec=codec, pix_fmt=pix_fmt, options=options
    )
    image = decode_image(extract_clip(path, settings).frames[0]["image"])
    assert number_in(image) == 0b101
    assert abs(int(image[30, 30]) - 235) <= 4
    assert abs(int(image[200, 200]) - 20) <= 4


def test_interlaced_rows_come_from_one_moment(tmp_path, settings):
    path = write_clip(
        tmp_path / "clip.mov",
        [_woven(0, 511)] * 2,
        [0, 40],
        options={"x264-params": "interlaced=1", "qp": "1"},
    )
    image = decode_image(extract_clip(path, settings).frames[0]["image"])
    assert image.max() < 60


def _woven(top: int, bottom: int) -> np.ndarray:
    picture = numbered(top, (120, 120))
    picture[1::2] = numbered(bottom, (120, 120))[1::2]
    return picture


def test_colour_crops_are_rgb(tmp_path, settings):
    red = np.zeros((120, 160, 3), np.uint8)
    red[..., 0] = 220
    path = write_clip(tmp_path / "clip.mp4", [red] * 2, [0, 40])
    image = decode_image(
        extract_clip(path, settings.model_copy(update={"grayscale": False, "image_format": "png"})).frames[0][
            "image"
        ]
    )
    assert image.shape == (224, 224, 3)
    assert np.abs(image[100, 100].astype(int) - (220, 0, 0)).max() < 12


def test_frames_without_a_face_keep_their_rows(tmp_path, settings):
    path = write_clip(tmp_path / "clip.mp4", map(numbered, range(50)), STEADY)
    clip = extract_clip(path, settings)
    assert len(clip.frames) == 10
    assert {row["face_source"] for row in clip.frames} == {"centre"}
    assert all(row["box"] is None and row["confidence"] is None for row in clip.frames)
    assert clip.facts["frames_with_face"] == 0


def test_one_frame_is_a_clip(tmp_path, settings):
    clip = extract_clip(write_clip(tmp_path / "clip.mp4", [face_picture((160, 90, 100))], [0]), settings)
    assert [row["face_source"] for row in clip.frames] == ["detected"]
    assert clip.waveform is None
    assert (clip.facts["peak"], clip.facts["speech_s"]) == (None, None)


def test_a_face_in_4k_is_found_where_it_is(tmp_path, settings):
    picture = face_picture((2500, 1000, 900), size=(3840, 2160))
    (row,) = extract_clip(
        write_clip(tmp_path / "clip.mp4", [picture], [0], options={"preset": "ultrafast"}), settings
    ).frames
    x0, y0, x1, y1 = row["box"].values()
    assert np.allclose([(x0 + x1) / 2, (y0 + y1) / 2], (2500, 1020), atol=80)


def test_a_silent_track_is_recorded_and_gives_no_waveform(tmp_path, settings):
    path = write_clip(
        tmp_path / "clip.mkv", map(numbered, range(5)), range(0, 200, 40), np.zeros(3200, np.float32)
    )
    clip = extract_clip(path, settings)
    assert clip.waveform is None
    assert (clip.facts["peak"], clip.facts["speech_s"], clip.facts["frame_count"]) == (0.0, None, 1)


def test_sound_without_speech_is_recorded_as_such(tmp_path, settings):
    clip = extract_clip(write_clip(tmp_path / "clip.wav", sound=tone(1.0)), settings)
    assert clip.facts["speech_s"] == 0
    assert clip.waveform["speech"] == []


def _cut(path, share):
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    return path


def _speckle(path):
    data = np.frombuffer(path.read_bytes(), np.uint8).copy()
    places = np.random.default_rng(0).integers(2000, len(data), len(data) // 40)
    data[places] ^= 0x5A
    path.write_bytes(data.tobytes())
    return path


NOISE = [np.random.default_rng(n).integers(0, 256, (120, 160, 3), np.uint8) for n in range(25)]
TIMES = range(0, 1000, 40)
BAD = {
    "missing file": lambda folder: folder / "none.mp4",
    "empty file": lambda folder: _cut(write_clip(folder / "a.wav", sound=tone(0.1)), 0),
    "unreadable": lambda folder: _cut(write_clip(folder / "a.mp4", NOISE, TIMES), 0.5),
    "truncated": lambda folder: _cut(
        write_clip(folder / "a.mp4", NOISE, TIMES, container_options={"movflags": "faststart"}), 0.5
    ),
    "truncated ": lambda folder: _cut(write_clip(folder / "a.wav", sound=tone(1.0)), 0.5),
    "corrupt": lambda folder: _speckle(
        write_clip(folder / "a.mp4", NOISE, TIMES, container_options={"movflags": "faststart"})
    ),
    "no usable stream": lambda folder: write_clip(folder / "a.wav", sound=np.zeros(1600, np.float32)),
    "not a recording": lambda folder: _picture(folder / "a.mp4", "png"),
    "not a recording ": lambda folder: _picture(folder / "a.mp4", "jpg"),
    "too long": lambda folder: write_clip(folder / "a.mkv", map(numbered, range(3)), [0, 40, 8 * 3_600_000]),
}


def _picture(path, kind):
    import cv2

    path.write_bytes(cv2.imencode(f".{kind}", numbered(7))[1].tobytes())
    return path


@pytest.mark.parametrize("reason", BAD)
def test_a_bad_file_says_why(tmp_path, settings, reason):
    with pytest.raises(ClipError) as caught:
        extract_clip(BAD[reason](tmp_path), settings)
    assert caught.value.reason == reason.strip()


def test_noise_is_not_media(tmp_path, settings):
    path = tmp_path / "noise.mp4"
    path.write_bytes(np.random.default_rng(1).bytes(50_000))
    with pytest.raises(ClipError, match="unreadable"):
        extract_clip(path, settings)


def test_a_clip_has_a_time_limit(tmp_path, settings):
    path = write_clip(tmp_path / "clip.mp4", map(numbered, range(50)), STEADY)
    with pytest.raises(ClipError, match="time limit"):
        extract_clip(path, settings.model_copy(update={"clip_time_limit_s": 1e-6}))


def test_the_same_clip_gives_the_same_bytes(tmp_path, settings):
    pictures = [face_picture((100 + n, 90, 90)) for n in range(50)]
    path = write_clip(tmp_path / "clip.mp4", pictures, STEADY, tone(2.0))
    first, second = extract_clip(path, settings), extract_clip(path, settings, threads=2)
    assert first.frames == second.frames
    assert np.array_equal(first.waveform.pop("samples"), second.waveform.pop("samples"))
    assert (first.waveform, first.facts) == (second.waveform, second.facts)
