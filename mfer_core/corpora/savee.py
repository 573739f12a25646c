"""SAVEE: Surrey Audio-Visual Expressed Emotion.

Source: http://kahlan.eps.surrey.ac.uk/savee (Haq and Jackson 2009). Licence: research use, after
registration. Size: 480 clips of four men (DC, JE, JK, KL), sound 44.1 kHz, video 60 frames/s. English.

Name: emotion and number in a folder of the speaker (AudioData/DC/a01.wav, AudioVisualClip/DC/a01.avi), or the
speaker in the name (DC_a01.wav, as many copies have it): a anger, d disgust, f fear, h happiness, n neutral,
sa sadness, su surprise. Sound and video of a name are one take: the video is used where it is there.
"""

import re
from pathlib import PurePosixPath

from mfer_core.base.errors import ClipError
from mfer_core.corpora.contract import Facts
from mfer_core.corpora.sources import Source
from mfer_core.media.kinds import VIDEO

SOURCE = Source(
    page="http://kahlan.eps.surrey.ac.uk/savee",
    licence="research use, after registration",
    instructions="register, download and unpack it",
    layout="AudioData/ or AudioVisualClip/ with a folder per speaker (DC/a01.wav), or files like DC_a01.wav",
    clips=480,
    clip_s=3.8,
    with_picture=1.0,
)
LANGUAGE = "en"
SPEAKERS = {"DC", "JE", "JK", "KL"}
NAME = re.compile(r"(?:(?P<speaker>[A-Z]{2})_)?(?P<emotion>sa|su|[adfhn])(?P<number>\d{2})")
EMOTIONS = {
    **{"a": "angry", "d": "disgust", "f": "fearful", "h": "happy", "n": "neutral", "sa": "sad"},
    "su": "surprised",
}


def read(path: str, metadata: None = None) -> Facts:
    """Facts from the name and, where that has no speaker, its folder. Raises ClipError "unknown name"."""
    name = PurePosixPath(path)
    match = NAME.fullmatch(name.stem)
    speaker = match and (match["speaker"] or name.parent.name)
    if not match or speaker not in SPEAKERS:
        raise ClipError("unknown name", f"{path} is not speaker, emotion, number")
    return Facts(
        label=EMOTIONS[match["emotion"]],
        speaker=speaker,
        sex="male",
        # A number means another sentence in every emotion, but for the three that all of them share.
        statement=f"{match['emotion']}{match['number']}" if int(match["number"]) > 3 else match["number"],
        take=f"{speaker}_{name.stem.removeprefix(f'{speaker}_')}",
        rank=0 if name.suffix.lower() in VIDEO else 1,
    )
