"""TESS: Toronto Emotional Speech Set.

Source: https://doi.org/10.5683/SP2/E8H2MF (Pichora-Fuller and Dupuis 2020). Licence: CC BY-NC-ND 4.0. Size:
2,800 wavs of two women (YAF, aged 26, and OAF, aged 64), 200 words in seven emotions, 24.4 kHz. English.

Name: speaker, word, emotion, for instance YAF_back_angry.wav: angry disgust fear happy neutral ps (pleasant
surprise) sad. One distributed name has OA in place of OAF. Some copies hold every file twice: the second one
is rejected as a duplicate.
"""

import re
from pathlib import PurePosixPath

from mfer_core.base.errors import ClipError
from mfer_core.corpora.contract import Facts
from mfer_core.corpora.sources import Source

SOURCE = Source(
    page="https://doi.org/10.5683/SP2/E8H2MF",
    licence="CC BY-NC-ND 4.0",
    instructions="download and unpack it",
    layout="OAF_angry/ and others, or no folders, with files named like YAF_back_angry.wav",
    clips=2_800,
    clip_s=2.1,
)
LANGUAGE = "en"
NAME = re.compile(
    r"(?P<speaker>OAF?|YAF)_(?P<word>[a-z]+)_(?P<emotion>angry|disgust|fear|happy|neutral|ps|sad)",
    re.IGNORECASE,
)
EMOTIONS = {
    **{"angry": "angry", "disgust": "disgust", "fear": "fearful", "happy": "happy", "neutral": "neutral"},
    **{"ps": "surprised", "sad": "sad"},
}
AGES = {"OAF": 64, "YAF": 26}


def read(path: str, metadata: None = None) -> Facts:
    """Facts from the name. Raises ClipError "unknown name"."""
    match = NAME.fullmatch(PurePosixPath(path).stem)
    if not match:
        raise ClipError("unknown name", f"{path} is not speaker, word, emotion")
    speaker = match["speaker"].upper().removesuffix("F") + "F"
    return Facts(
        label=EMOTIONS[match["emotion"].lower()],
        speaker=speaker,
        sex="female",
        age=AGES[speaker],
        statement=match["word"].lower(),
    )
