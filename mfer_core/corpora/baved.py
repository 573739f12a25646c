"""BAVED: Basic Arabic Vocal Emotions Dataset.

Source: https://github.com/40uf411/Basic-Arabic-Vocal-Emotions-Dataset. Licence: none is stated. Size: 1,935
wavs of 61 speakers (45 male, 16 female), seven words, 16 kHz. Arabic.

Name: speaker, sex, age, word, level, number, for instance 0/10-f-20-0-1-0.wav. The level says how much
emotion there is and not which: 0 low (tired, down), 1 neutral, 2 high (joy as well as anger). So only level 1
is one of the eight emotions; low and high are not used without aliases for these words.
"""

import re
from pathlib import PurePosixPath

from mfer_core.base.errors import ClipError
from mfer_core.corpora import own_labels
from mfer_core.corpora.contract import Facts
from mfer_core.corpora.sources import Source, addresses

SOURCE = Source(
    page="https://github.com/40uf411/Basic-Arabic-Vocal-Emotions-Dataset",
    licence="none stated",
    instructions="set source: fetch, or download the repository and unpack it",
    layout="0/ to 6/ with files named like 10-f-20-0-1-0.wav",
    **addresses("baved"),
    clips=1_935,
    clip_s=1.6,
)
LANGUAGE = "ar"
NAME = re.compile(r"(?P<speaker>\d+)-(?P<sex>[mf])-(?P<age>\d+)-(?P<word>[0-6])-(?P<level>[012])-\d+")
WORDS = {"0": "low", "1": "neutral", "2": "high"}
prepare = own_labels.aliases


def read(path: str, metadata: dict[str, str]) -> Facts:
    """Facts from the name. Raises ClipError "unknown name" or "label not used"."""
    match = NAME.fullmatch(PurePosixPath(path).stem.lower())
    if not match:
        raise ClipError("unknown name", f"{path} is not speaker, sex, age, word, level, number")
    return Facts(
        label=own_labels.emotion(WORDS[match["level"]], metadata),
        speaker=match["speaker"],
        sex={"m": "male", "f": "female"}[match["sex"]],
        age=int(match["age"]),
        statement=match["word"],
    )
