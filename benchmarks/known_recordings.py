"""Recordings whose truth is burnt into them: every picture shows its number, every tone burst its own by its
pitch.

The ffmpeg command that imageio-ffmpeg brings writes them, in all containers, codecs, rates and offsets that
it can.
"""

import subprocess
from dataclasses import dataclass, field, replace
from pathlib import Path

import av
import imageio_ffmpeg
import numpy as np

from benchmarks.known_plans import Plan

SIZE, BLOCK = (160, 128), 40  # pixels: nine blocks, a bit each, fill the middle
BITS = 9
BURST_S, EVERY_S, FIRST_S = 0.08, 0.3, 0.1
SOUND_RATE = 48_000  # Hz, of the sound that is encoded
PITCHES = 25


@dataclass(frozen=True)
class Truth:
    """What a player shows and when, seconds: (time, number) of pictures, (time, number) of bursts.

    ``second`` is the place of the first picture and of the first burst of a second recording in the same
    file.
    """

    pictures: list[tuple[float, int]] = field(default_factory=list)
    bursts: list[tuple[float, int]] = field(default_factory=list)
    picture_end_s: float = 0.0
    sound_end_s: float = 0.0
    frame_s: float = 0.04
    second: tuple[int, int] | None = None
    sound_late_alone: bool = False  # an AVI cannot say how much silence the encoder put before the sound

    @property
    def end_s(self) -> float:
        return max(self.picture_end_s, self.sound_end_s)

    def then(self, later: "Truth") -> "Truth":
        """This recording and ``later`` in one file."""
        start_s = self.end_s
        return Truth(
            self.pictures + [(when + start_s, number) for when, number in later.pictures],
            self.bursts + [(when + start_s, number) for when, number in later.bursts],
            (later.picture_end_s + start_s) * bool(later.pictures),
            (later.sound_end_s + start_s) * bool(later.bursts),
            self.frame_s,
            (len(self.pictures), len(self.bursts)),
            self.sound_late_alone,
        )


def run_ffmpeg(*arguments: object) -> subprocess.CompletedProcess:
    """Run the ffmpeg command. Raises CalledProcessError."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-nostdin", "-y", *map(str, arguments)]
    return subprocess.run(command, check=True, capture_output=True)


def write_recording(plan: Plan, folder: Path, name: str) -> tuple[Path, Truth]:
    """Write the recording of a plan into ``folder``. Raises CalledProcessError where the codec refuses its
    settings.
    """
    path = folder / f"{name}.{plan.suffix}"
    if plan.change in {"concatenated", "joined"}:
        return path, _write_joined(plan, folder, name, path)
    truth = _encode(plan, path, first=0)
    if plan.change == "cut":
        return _cut(plan, path, truth)
    if plan.change in {"picture hole", "sound hole"}:
        return _hole(plan, path, truth)
    return _rotate(plan, path, truth)


def pictures(numbers: list[int]) -> bytes:
    """Raw 8-bit luma of pictures whose middle shows a number (0..511) as nine black or white blocks."""
    sheet = np.full((len(numbers), SIZE[1], SIZE[0]), 90, np.uint8)
    left, top = (SIZE[0] - 3 * BLOCK) // 2, (SIZE[1] - 3 * BLOCK) // 2
    for bit in range(BITS):
        x, y = left + bit % 3 * BLOCK, top + bit // 3 * BLOCK
        ones = np.array([number >> bit & 1 for number in numbers], bool)
        sheet[:, y : y + BLOCK, x : x + BLOCK] = np.where(ones, 235, 20)[:, None, None]
    return sheet.tobytes()


def bursts(seconds: float, first: int) -> tuple[np.ndarray, list[tuple[float, int]]]:
    """float32 [N] at 48 kHz with a burst of its own pitch every 0.3 s, numbers from ``first``; and their
    times.
    """
    sound, times = np.zeros(round(seconds * SOUND_RATE), np.float32), []
    length = round(BURST_S * SOUND_RATE)
    for count in range(int((seconds - FIRST_S - BURST_S) / EVERY_S) + 1):
        start, number = round((FIRST_S + count * EVERY_S) * SOUND_RATE), (first + count) % PITCHES
        sound[start : start + length] = 0.6 * np.sin(
            2 * np.pi * pitch_of(number) * np.arange(length) / SOUND_RATE
        )
        times.append((start / SOUND_RATE, number))
    return sound, times


def pitch_of(number: int) -> float:
    """Hz."""
    return 500.0 + 100.0 * number


def _encode(plan: Plan, path: Path, first: int) -> Truth:
    """Write pictures numbered from ``first`` and bursts likewise; everything counts from the earlier stream's
    start.
    """
    rate = _number(plan.picture_rate)
    random = np.random.default_rng(plan.seed)
    count = round(plan.seconds * rate)
    kept = [
        index
        for index in range(count)
        if not plan.variable or index in (0, count - 1) or random.random() < 0.6
    ]
    sound, times = bursts(plan.seconds, first)
    raw, pcm = path.with_suffix(".raw"), path.with_suffix(".pcm")
    arguments: list[object] = []
    if plan.video:
        raw.write_bytes(pictures([first + index for index in range(count)]))
        size = f"{SIZE[0]}x{SIZE[1]}"
        arguments += ["-f", "rawvideo", "-pix_fmt", "gray", "-s", size, "-r", plan.picture_rate, "-i", raw]
    if plan.sound:
        pcm.write_bytes(sound.tobytes())
        arguments += ["-f", "f32le", "-ar", SOUND_RATE, "-ac", 1, "-i", pcm]
        arguments += ["-c:a", plan.sound, "-ar", plan.sound_rate, "-strict", "-2"]
        arguments += ["-af", f"asetpts=PTS+{plan.sound_late}/TB"] if plan.sound_late else []
    if plan.video:
        arguments += _video_options(plan, kept)
    run_ffmpeg(*arguments, path)
    raw.unlink(missing_ok=True)
    pcm.unlink(missing_ok=True)
    earlier_s = min(plan.picture_late if plan.video else np.inf, plan.sound_late if plan.sound else np.inf)
    picture_s, sound_s = plan.picture_late - earlier_s, plan.sound_late - earlier_s
    shown = [(picture_s + index / rate, first + index) for index in kept] if plan.video else []
    heard = [(sound_s + when, number) for when, number in times] if plan.sound else []
    return Truth(
        shown,
        heard,
        (picture_s + count / rate) * bool(shown),
        (sound_s + plan.seconds) * bool(heard),
        frame_s=1 / rate,
        sound_late_alone=plan.suffix == "avi",
    )


def _video_options(plan: Plan, kept: list[int]) -> list[object]:
    options: list[object] = [
        "-c:v",
        plan.video,
        "-pix_fmt",
        "yuv422p10le" if plan.video == "prores" else "yuv420p",
    ]
    if plan.video == "mjpeg":
        options[-1] = "yuvj420p"
    filters = [f"select='{'+'.join(f'eq(n,{index})' for index in kept)}'"] if plan.variable else []
    filters += [f"setpts=PTS+{plan.picture_late}/TB"] if plan.picture_late else []
    options += ["-vf", ",".join(filters)] if filters else []
    if plan.variable or plan.picture_late:
        options += ["-fps_mode", "passthrough"]
    options += ["-g", 12]
    if plan.video in {"libx264", "libx265", "mpeg4", "mpeg2video"}:
        options += ["-bf", 2 if plan.reordered else 0]
    speed = {
        "libx264": ["-preset", "ultrafast", "-x264-params", f"bframes={2 if plan.reordered else 0}:b-adapt=0"]
    }
    speed["libx265"] = [
        "-preset",
        "ultrafast",
        "-x265-params",
        f"log-level=none:bframes={2 if plan.reordered else 0}",
    ]
    speed["libvpx"] = speed["libvpx-vp9"] = ["-deadline", "realtime", "-cpu-used", 8, "-b:v", "1M"]
    default = ["-b:v", "2M"] if plan.video not in {"ffv1", "prores"} else []
    return options + speed.get(plan.video, default)


def _number(rate: str) -> float:
    over, _, under = rate.partition("/")
    return float(over) / float(under or 1)


def _rotate(plan: Plan, path: Path, truth: Truth) -> tuple[Path, Truth]:
    if not plan.rotation:
        return path, truth
    turned = path.with_name(f"{path.stem}-turned{path.suffix}")
    run_ffmpeg("-display_rotation", plan.rotation, "-i", path, "-c", "copy", turned)
    return turned, truth


def _cut(plan: Plan, path: Path, truth: Truth) -> tuple[Path, Truth]:
    """Cut by an edit list: what lies before 0.7 s stays in the file but is not shown."""
    cut_s = 0.7
    cut = path.with_name(f"{path.stem}-cut{path.suffix}")
    run_ffmpeg("-ss", cut_s, "-i", path, "-c", "copy", cut)
    start_s = cut_s
    pictures = [(max(0.0, when - start_s), number) for when, number in _shown_after(truth, start_s)]
    heard = [(when - start_s, number) for when, number in truth.bursts if when > start_s]
    ends = (max(0.0, end - start_s) for end in (truth.picture_end_s, truth.sound_end_s))
    return cut, Truth(pictures, heard, *ends, frame_s=truth.frame_s)


def _shown_after(truth: Truth, start_s: float) -> list[tuple[float, int]]:
    """The pictures that are on screen at ``start_s`` or later."""
    ends = [when for when, _ in truth.pictures[1:]] + [truth.picture_end_s]
    return [picture for picture, end in zip(truth.pictures, ends, strict=True) if end > start_s + 1e-6]


def _write_joined(plan: Plan, folder: Path, name: str, path: Path) -> Truth:
    """Two recordings of one kind, numbered on, as one file."""
    parts, truths = [], []
    for part in range(2):
        parts.append(folder / f"{name}-part{part}.{plan.suffix}")
        truths.append(_encode(replace(plan, variable=False), parts[-1], first=part * 200))
    if plan.change == "concatenated":
        path.write_bytes(b"".join(part.read_bytes() for part in parts))
    else:
        listed = folder / f"{name}.txt"
        listed.write_text("".join(f"file '{part.name}'\n" for part in parts))
        run_ffmpeg("-f", "concat", "-safe", 0, "-i", listed, "-c", "copy", path)
    return truths[0].then(truths[1])


def _hole(plan: Plan, path: Path, truth: Truth) -> tuple[Path, Truth]:
    """Leave out the packets of a stretch: pictures up to the next key frame, or sound."""
    kind = "video" if plan.change == "picture hole" else "audio"
    holed = path.with_name(f"{path.stem}-holed{path.suffix}")
    lost: list[tuple[float, float]] = []
    first_s = min(_packet_times(path, kind), default=0.0)
    with av.open(str(path)) as source, av.open(str(holed), "w") as target:
        streams = {stream.index: target.add_stream_from_template(stream) for stream in source.streams}
        waiting, resumed_s = False, 0.0
        for packet in source.demux():
            if packet.dts is None:
                continue
            if packet.stream.type == kind:
                when = float(packet.pts * packet.time_base) - first_s
                waiting = 0.9 < when < 1.6 or (waiting and kind == "video" and not packet.is_keyframe)
                resumed_s = when if not waiting and lost and packet.is_keyframe else resumed_s
                if waiting or (kind == "video" and when < resumed_s):  # such a picture needs lost ones
                    lost.append((when, when + float((packet.duration or 0) * packet.time_base)))
                    continue
            packet.stream = streams[packet.stream_index]
            target.mux(packet)
    return holed, _without(truth, kind, lost)


def _packet_times(path: Path, kind: str) -> list[float]:
    with av.open(str(path)) as source:
        packets = source.demux(*(stream for stream in source.streams if stream.type == kind))
        return [float(packet.pts * packet.time_base) for packet in packets if packet.pts is not None]


def _without(truth: Truth, kind: str, lost: list[tuple[float, float]]) -> Truth:
    """``lost`` are (start, end) of packets since the first of their kind, seconds; a burst that lost a part
    is gone.
    """
    if not lost:
        return truth
    if kind == "video":
        start_s = truth.pictures[0][0]
        gone = {round((when + start_s) / truth.frame_s) for when, _ in lost}
        return replace(
            truth, pictures=[one for one in truth.pictures if round(one[0] / truth.frame_s) not in gone]
        )
    first_s = truth.bursts[0][0] - FIRST_S
    start_s, end_s = first_s + min(start for start, _ in lost), first_s + max(end for _, end in lost)
    whole = [one for one in truth.bursts if one[0] + BURST_S < start_s or one[0] > end_s]
    return replace(truth, bursts=whole)
