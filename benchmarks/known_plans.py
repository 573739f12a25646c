"""Which recordings of known truth are written: containers, codecs, rates, offsets, joins, holes, turns; drawn
at random.
"""

from dataclasses import dataclass

import numpy as np

# container -> the video codecs and the sound codecs that it may hold
WITH_PICTURE = {
    "mp4": (("libx264", "mpeg4", "libx265"), ("aac", "libmp3lame", "ac3", "alac", "flac", "libopus")),
    "mov": (("libx264", "mjpeg", "prores", "mpeg4"), ("aac", "pcm_s16le", "alac", "adpcm_ima_qt")),
    "m4v": (("libx264", "mpeg4"), ("aac",)),
    "3gp": (("libx264", "mpeg4"), ("aac", "libopencore_amrnb")),
    "mkv": (
        ("libx264", "mpeg4", "libvpx", "libvpx-vp9", "ffv1", "mjpeg", "libx265"),
        ("aac", "libopus", "libvorbis", "flac", "pcm_s16le", "ac3", "libmp3lame"),
    ),
    "webm": (("libvpx", "libvpx-vp9"), ("libopus", "libvorbis")),
    "avi": (
        ("mpeg4", "mjpeg", "libx264", "msmpeg4v2", "libxvid"),
        ("libmp3lame", "pcm_s16le", "ac3", "adpcm_ima_wav", "wmav2", "mp2"),
    ),
    "ts": (("libx264", "mpeg2video", "libx265"), ("aac", "mp2", "ac3", "libmp3lame")),
    "m2ts": (("libx264",), ("ac3", "aac")),
    "mpg": (("mpeg2video", "mpeg1video"), ("mp2",)),
    "flv": (("flv", "libx264"), ("libmp3lame", "aac")),
    "wmv": (("wmv1", "wmv2", "msmpeg4"), ("wmav1", "wmav2")),
    "asf": (("wmv2", "mpeg4"), ("wmav2", "libmp3lame")),
    "ogv": (("libtheora",), ("libvorbis", "flac", "libopus")),
    "nut": (("ffv1", "libx264"), ("pcm_s16le", "libvorbis")),
    "mxf": (("mpeg2video",), ("pcm_s16le",)),
}
WITHOUT_PICTURE = {
    "wav": ("pcm_s16le", "pcm_u8", "pcm_s24le", "pcm_f32le", "pcm_alaw", "adpcm_ima_wav", "adpcm_ms"),
    "w64": ("pcm_s16le",),
    "mp3": ("libmp3lame",),
    "m4a": ("aac", "alac"),
    "m4b": ("aac",),
    "aac": ("aac",),
    "ogg": ("libvorbis", "flac", "libopus"),
    "oga": ("libvorbis",),
    "opus": ("libopus",),
    "flac": ("flac",),
    "wma": ("wmav1", "wmav2"),
    "aiff": ("pcm_s16be", "pcm_s24be"),
    "au": ("pcm_s16be", "pcm_mulaw"),
    "caf": ("pcm_s16le", "alac"),
    "mka": ("aac", "flac", "libopus", "libvorbis"),
    "amr": ("libopencore_amrnb",),
    "ac3": ("ac3",),
    "mp2": ("mp2",),
    "wv": ("wavpack",),
    "tta": ("tta",),
}
SOUND_RATES = (8_000, 11_025, 16_000, 22_050, 32_000, 44_100, 48_000)
ONLY_RATES = {"libopencore_amrnb": (8_000,), "libopus": (48_000,), "ac3": (32_000, 44_100, 48_000)}
ONLY_RATES |= {
    "mp2": (16_000, 22_050, 44_100, 48_000),
    "wmav1": (22_050, 44_100),
    "wmav2": (22_050, 44_100, 48_000),
}
HIGH_RATES = (*SOUND_RATES, 44_099, 96_000, 192_000)
ONLY_RATES |= dict.fromkeys(
    ("pcm_s16le", "pcm_s24le", "pcm_f32le", "pcm_s16be", "flac", "wavpack", "tta"), HIGH_RATES
)
PICTURE_RATES = ("10", "12.5", "15", "24", "25", "30000/1001", "30", "50", "60000/1001")
BROADCAST = {"mpeg2video", "mpeg1video"}
BROADCAST_RATES = ("24", "25", "30000/1001", "30", "50", "60000/1001")
# Containers that hold a time for every picture, so that rates may vary and streams may start late.
TIMED = {"mp4", "mov", "m4v", "3gp", "mkv", "webm", "ts", "m2ts", "flv", "wmv", "asf", "nut"}
ROTATED = {"mp4", "mov", "mkv"}
# Two files of these containers end to end are one.
CONCATENATED = {"ts", "m2ts", "mpg", "mkv", "webm", "mp3", "aac", "ac3", "mp2", "ogg", "opus"}
JOINED = {"mp4", "mov", "mkv", "ts", "flv", "webm", "avi", "wav", "mp3"}
HOLED = {"mp4", "mov", "mkv", "ts", "webm", "flv"}


@dataclass(frozen=True)
class Plan:
    """What a recording is like; a stream starts ``late`` by seconds; ``change`` is done to the file once it
    is written.
    """

    suffix: str
    video: str | None = None
    sound: str | None = None
    picture_rate: str = "25"
    sound_rate: int = 48_000
    picture_late: float = 0.0
    sound_late: float = 0.0
    variable: bool = False  # the picture rate: some of the pictures are left out
    reordered: bool = False  # B-frames
    rotation: int = 0  # degrees, of the display matrix
    change: str = ""  # "cut", "concatenated", "joined", "picture hole", "sound hole"
    seconds: float = 3.0
    seed: int = 0

    def __str__(self) -> str:
        video = f"{self.video} {'variable' if self.variable else self.picture_rate}{' B' * self.reordered}"
        late = [
            f"{name} late {late:g} s"
            for name, late in (("picture", self.picture_late), ("sound", self.sound_late))
        ]
        parts = [
            f".{self.suffix}",
            video if self.video else "",
            f"{self.sound} {self.sound_rate}" if self.sound else "",
            late[0] if self.picture_late else "",
            late[1] if self.sound_late else "",
            f"turned {self.rotation}" if self.rotation else "",
            self.change,
        ]
        return ", ".join(part for part in parts if part)


def draw_plan(random: np.random.Generator) -> Plan:
    """A plan at random; a third has no picture."""

    def one(options):
        return options[random.integers(len(options))]

    seed = int(random.integers(1 << 30))
    if random.random() < 0.3:
        suffix = one(sorted(WITHOUT_PICTURE))
        sound = one(WITHOUT_PICTURE[suffix])
        changes = [name for name in ("joined", "concatenated") if suffix in CHANGES[name]]
        change = one(changes) if changes and random.random() < 0.4 else ""
        rate = one(ONLY_RATES.get(sound, SOUND_RATES))
        return Plan(suffix, None, sound, sound_rate=rate, change=change, seed=seed)
    suffix = one(sorted(WITH_PICTURE))
    videos, sounds = WITH_PICTURE[suffix]
    video, sound = one(videos), one(sounds) if random.random() < 0.9 else None
    timed = suffix in TIMED and video not in BROADCAST
    late = round(float(random.uniform(0.2, 2.5)), 2) if suffix in TIMED and random.random() < 0.35 else 0.0
    picture_is_late = random.random() < 0.5
    changes = [
        name for name, suffixes in CHANGES.items() if suffix in suffixes and (sound or name != "sound hole")
    ]
    change = one(changes) if changes and random.random() < 0.4 else ""
    late = 0.0 if change == "cut" else late  # ffmpeg cuts at a key frame of the picture
    return Plan(
        suffix,
        video,
        sound,
        picture_rate=one(BROADCAST_RATES if video in BROADCAST else PICTURE_RATES),
        sound_rate=one(ONLY_RATES.get(sound, SOUND_RATES)),
        picture_late=late if picture_is_late else 0.0,
        sound_late=0.0 if picture_is_late else late,
        variable=timed and random.random() < 0.3,
        reordered=video in {"libx264", "mpeg4", "mpeg2video", "libx265"} and random.random() < 0.5,
        rotation=one((90, 180, 270)) if suffix in ROTATED and not change and random.random() < 0.3 else 0,
        change=change,
        seed=seed,
    )


CHANGES = {
    "cut": {"mp4", "mov"},
    "concatenated": CONCATENATED,
    "joined": JOINED,
    "picture hole": HOLED,
    "sound hole": HOLED,
}
