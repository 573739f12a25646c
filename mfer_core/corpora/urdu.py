"""URDU: emotional Urdu from television talk shows.

Source: https://github.com/siddiquelatif/URDU-Dataset (Latif et al. 2018, doi:10.1109/FIT.2018.00023).
Licence: research use. Size: 400 wavs, 44.1 kHz, 100 each in Angry, Happy, Neutral, Sad. Urdu.

Name: speaker_file_emotion-and-number, for instance SM1_F10_A010.wav: SM male, SF female; A angry, H happy, N
neutral, S sad. The paper says 38 speakers, the files name 29, and 26 of them occur in one emotion only:
speaker and emotion are confounded.
"""

import re
from pathlib import PurePosixPath

from mfer_core.base.errors import ClipError
from mfer_core.corpora.contract import Facts
from mfer_core.corpora.sources import Source, addresses

SOURCE = Source(
    page="https://github.com/siddiquelatif/URDU-Dataset",
    licence="research use",
    instructions="set source: fetch, or download the repository and unpack it",
    layout="Angry/, Happy/, Neutral/ and Sad/ with files named like SM1_F10_A010.wav",
    **addresses("urdu"),
    clips=400,
    clip_s=2.5,
)
LANGUAGE = "ur"
NAME = re.compile(r"(?P<speaker>S(?P<sex>[MF])\d+)_F\d+_(?P<emotion>[AHNS])\d{2,4}")
EMOTIONS = {"A": "angry", "H": "happy", "N": "neutral", "S": "sad"}


def read(path: str, metadata: None = None) -> Facts:
    """Facts from the name. Raises ClipError "unknown name" or "folder and name disagree"."""
    name = PurePosixPath(path)
    match = NAME.fullmatch(name.stem)
    if not match:
        raise ClipError("unknown name", f"{name.stem} is not speaker_file_emotion")
    label, folder = EMOTIONS[match["emotion"]], name.parent.name.lower()
    if folder in EMOTIONS.values() and folder != label:
        raise ClipError("folder and name disagree", f"{label} in folder {name.parent.name}")
    return Facts(label=label, speaker=match["speaker"], sex={"M": "male", "F": "female"}[match["sex"]])
