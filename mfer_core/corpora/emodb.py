"""Emo-DB: Berlin Database of Emotional Speech.

Source: http://emodb.bilderbar.info (Burkhardt et al. 2005, doi:10.21437/Interspeech.2005-446), also Zenodo
7447302. Licence: none is stated on the page; the copy on Zenodo is CC0 1.0. Size: 535 wavs of 10 actors (5
male, 5 female), 16 kHz. German.

Name: speaker, sentence, emotion, version, for instance 03a01Fa.wav: W anger, L boredom, E disgust, A fear, F
happiness, T sadness, N neutral. Boredom is none of the eight emotions and is not used without an alias.
"""

import re
from pathlib import PurePosixPath

from mfer_core.base.errors import ClipError
from mfer_core.corpora import own_labels
from mfer_core.corpora.contract import Facts
from mfer_core.corpora.sources import Source

SOURCE = Source(
    page="http://emodb.bilderbar.info",
    licence="none stated; CC0 1.0 on Zenodo 7447302",
    instructions="download and unpack it",
    layout="wav/ with files named like 03a01Fa.wav",
    clips=535,
    clip_s=2.8,
)
LANGUAGE = "de"
NAME = re.compile(r"(?P<speaker>\d{2})(?P<sentence>[ab]\d{2})(?P<emotion>[WLEAFTN])[a-g]")
WORDS = {
    **{"W": "anger", "L": "boredom", "E": "disgust", "A": "fear", "F": "happiness", "T": "sadness"},
    "N": "neutral",
}
AGES = {
    **{"03": 31, "08": 34, "09": 21, "10": 32, "11": 26},
    **{"12": 30, "13": 32, "14": 35, "15": 25, "16": 31},
}
MEN = {"03", "10", "11", "12", "15"}
prepare = own_labels.aliases


def read(path: str, metadata: dict[str, str]) -> Facts:
    """Facts from the name. Raises ClipError "unknown name" or "label not used"."""
    match = NAME.fullmatch(PurePosixPath(path).stem)
    if not match or match["speaker"] not in AGES:
        raise ClipError("unknown name", f"{path} is not speaker, sentence, emotion, version")
    return Facts(
        label=own_labels.emotion(WORDS[match["emotion"]], metadata),
        speaker=match["speaker"],
        sex="male" if match["speaker"] in MEN else "female",
        age=AGES[match["speaker"]],
        statement=match["sentence"],
    )
