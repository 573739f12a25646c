"""RAVDESS: Ryerson Audio-Visual Database of Emotional Speech and Song.

Source: https://zenodo.org/records/1188976 (Livingstone & Russo 2018, doi:10.1371/journal.pone.0196391).
Licence: CC BY-NC-SA 4.0. Size: 7,356 files, 24.8 GB; speech is 60 clips of each of 24 actors per modality.
Speech: 48 kHz 16 bit wav; video 1280x720, 29.97 frames/s, H.264 + AAC mp4. English.

Name: modality-channel-emotion-intensity-statement-repetition-actor, for instance 01-01-05-02-01-02-11.mp4
modality 01 audio and video, 02 video only (its AAC track is digitally silent), 03 audio only channel 01
speech, 02 song (not used: the method is one of speech) emotion 01 neutral .. 08 surprised; intensity 01
normal, 02 strong (never of neutral); actors: odd male, even female

01, 02 and 03 of a name are one take; it is used once: 01 (both tracks) over 03 (sound) over 02 (picture), and
of the same modality a video file over sound that was taken out of it. Folders are ignored, so Actor_01,
ACTOR01 and Video_Speech_Actor_01/Actor_01 are all read.
"""

import re
from pathlib import PurePosixPath

from mfer_core.base.errors import ClipError
from mfer_core.base.labels import LABEL_SETS
from mfer_core.corpora.contract import Facts
from mfer_core.corpora.sources import Source, addresses
from mfer_core.media.kinds import VIDEO

SOURCE = Source(
    page="https://zenodo.org/records/1188976",
    licence="CC BY-NC-SA 4.0",
    instructions=(
        "set source: fetch, or download Video_Speech_Actor_*.zip and Audio_Speech_Actors_01-24.zip and "
        "unpack them"
    ),
    layout="any folders with files named like 01-01-05-02-01-02-11.mp4",
    **addresses("ravdess"),
    clips=1_440,
    clip_s=3.7,
    with_picture=1.0,
)
LANGUAGE = "en"
NAME = re.compile(
    r"(?P<modality>0[123])-(?P<channel>0[12])-(?P<emotion>0[1-8])-(?P<intensity>0[12])"
    r"-(?P<statement>0[12])-(?P<repetition>0[12])-(?P<actor>0[1-9]|1\d|2[0-4])"
)
EMOTIONS = {f"{code:02d}": name for code, name in enumerate(LABEL_SETS["eight"], 1)}
INTENSITIES = {"01": "normal", "02": "strong"}
STATEMENTS = {"01": "Kids are talking by the door", "02": "Dogs are sitting by the door"}
RANKS = {"01": 0, "03": 2, "02": 4}


def read(path: str, metadata: None = None) -> Facts:
    """Facts from the name. Raises ClipError "unknown name" or "song"."""
    name, suffix = PurePosixPath(path).stem, PurePosixPath(path).suffix.lower()
    match = NAME.fullmatch(name)
    if not match:
        raise ClipError("unknown name", f"{name} is not seven RAVDESS codes")
    if match["channel"] == "02":
        raise ClipError("song", "only speech is used")
    if match["emotion"] == "01" and match["intensity"] == "02":
        raise ClipError("unknown name", f"{name}: neutral has no strong intensity")
    return Facts(
        label=EMOTIONS[match["emotion"]],
        speaker=match["actor"],
        sex="male" if int(match["actor"]) % 2 else "female",
        intensity=INTENSITIES[match["intensity"]],
        statement=STATEMENTS[match["statement"]],
        repetition=match["repetition"],
        take=name.partition("-")[2],
        rank=RANKS[match["modality"]] + (suffix not in VIDEO),
        silent_track=match["modality"] == "02",
    )
