"""IEMOCAP: Interactive Emotional Dyadic Motion Capture Database.

Source: https://sail.usc.edu/iemocap (Busso et al. 2008, doi:10.1007/s10579-008-9076-6). Licence: research
use, on request. Size: 10,039 utterances of 10 actors in five sessions, 12 hours, 16 kHz. English.

Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_M003.wav: session, who wears the markers, dialogue, who
speaks, number. The labels stand in Session1/dialog/EmoEvaluation/Ses01F_impro01.txt: ang hap sad neu fea sur
dis; exc (excited), fru (frustrated), oth and xxx (no majority) are none of the eight and are not used without
aliases. Most papers have exc count as happy: aliases: {exc: happy}. Recordings of whole dialogues
(dialog/wav, dialog/avi) are not used.
"""

import re
from pathlib import Path, PurePosixPath

from mfer_core.base.errors import ClipError, MferError
from mfer_core.base.folders import list_files
from mfer_core.base.settings import Corpus
from mfer_core.corpora import own_labels
from mfer_core.corpora.contract import Facts
from mfer_core.corpora.sources import Source

SOURCE = Source(
    page="https://sail.usc.edu/iemocap",
    licence="research use, on request",
    instructions="ask for it, download and unpack it",
    layout="Session1/ to Session5/, each with sentences/wav/ and dialog/EmoEvaluation/",
    clips=10_039,
    clip_s=4.5,
)
LANGUAGE = "en"
NAME = re.compile(r"Ses(?P<session>0[1-5])[FM]_(?P<dialogue>(?:impro|script)\w+)_(?P<sex>[FM])(?:XX)?\d{1,3}")
LINE = re.compile(r"^\[[\d. -]+\]\t(?P<name>\S+)\t(?P<emotion>[a-z]{3})\t", re.MULTILINE)
WORDS = {
    **{"ang": "anger", "hap": "happiness", "sad": "sadness", "neu": "neutral", "fea": "fear"},
    **{"sur": "surprise", "dis": "disgust"},
}
Metadata = tuple[dict[str, str], dict[str, str]]  # aliases, and the code of each utterance


def prepare(folder: Path, corpus: Corpus) -> Metadata:
    """Codes by utterance, of all evaluations. Raises MferError where there is none."""
    codes: dict[str, str] = {}
    for path in list_files(folder).files:
        file = PurePosixPath(path)
        if file.parent.name == "EmoEvaluation" and file.suffix == ".txt" and not file.name.startswith("."):
            text = (folder / path).read_text(encoding="utf-8", errors="replace")
            codes |= {match["name"]: match["emotion"] for match in LINE.finditer(text)}
    if not codes:
        raise MferError(f"no labels in {folder}: put Session*/dialog/EmoEvaluation/*.txt there")
    return dict(corpus.aliases), codes


def read(path: str, metadata: Metadata) -> Facts:
    """Facts from the name and the evaluation. Raises ClipError "whole dialogue", "unknown name", "not in the
    manifest" or "label not used".
    """
    aliases, codes = metadata
    name = PurePosixPath(path).stem
    if "dialog" in PurePosixPath(path).parts:
        raise ClipError("whole dialogue", "its utterances are used one by one")
    match = NAME.fullmatch(name)
    if not match:
        raise ClipError("unknown name", f"{name} is not session, dialogue, speaker and number")
    if name not in codes:
        raise ClipError("not in the manifest", "no evaluation names this utterance")
    code = codes[name]
    return Facts(
        label=own_labels.emotion(code if code in aliases else WORDS.get(code, code), aliases),
        speaker=f"{match['session']}{match['sex']}",
        sex={"F": "female", "M": "male"}[match["sex"]],
        statement=match["dialogue"] if match["dialogue"].startswith("script") else None,
    )
