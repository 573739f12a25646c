"""CREMA-D: Crowd-sourced Emotional Multimodal Actors Dataset.

Source: https://github.com/CheyneyComputerScience/CREMA-D (Cao et al. 2014, doi:10.1109/TAFFC.2014.2336244).
Licence: Open Database License. Size: 7,442 clips of 91 actors (48 male, 43 female). English. AudioWAV/*.wav
(16 kHz, 1.27-5.01 s), AudioMP3/*.mp3 and VideoFlash/*.flv hold the same takes. VideoDemographics.csv
(ActorID, Age, Sex, Race, Ethnicity), where present, gives each actor's age in years, sex, race (Caucasian,
African American, Asian, Unknown) and ethnicity (Hispanic, Not Hispanic). processedResults/summaryTable.csv,
where present, gives what most of about ten people said who were shown the picture, the sound or both.

Name: actor_sentence_emotion_level, for instance 1001_DFA_ANG_XX.wav emotion ANG DIS FEA HAP NEU SAD; level LO
MD HI XX (unspecified; old copies have a single X)

A take is used once: flv (both tracks) over lossless sound over mp3. 1064_IEO_DIS_MD.flv lasts 61 s and is
refused by its length. Archive downloads hold git-LFS pointers in place of sound: they are rejected as what
they are.
"""

import csv
import re
from pathlib import Path, PurePosixPath
from typing import Any

from mfer_core.base.errors import ClipError, MferError
from mfer_core.base.folders import list_files
from mfer_core.corpora.contract import Facts
from mfer_core.corpora.sources import Source, addresses
from mfer_core.media.kinds import VIDEO

SOURCE = Source(
    page="https://github.com/CheyneyComputerScience/CREMA-D",
    licence="Open Database License",
    instructions=(
        "set source: fetch (sound only), or clone it, or its mirror at "
        "gitlab.com/cs-cooper-lab/crema-d-mirror, with git-lfs installed"
    ),
    layout="AudioWAV/, AudioMP3/ or VideoFlash/, VideoDemographics.csv and processedResults/summaryTable.csv",
    lacks=(
        "the pictures (VideoFlash/, without which it is no audio-visual benchmark) and the crowd's votes "
        "(processedResults/summaryTable.csv): clone it with git-lfs for these"
    ),
    **addresses("crema_d"),
    clips=7_442,
    clip_s=2.5,
)
LANGUAGE = "en"
NAME = re.compile(
    r"(?P<actor>1\d{3})_(?P<sentence>IEO|TIE|IOM|IWW|TAI|MTI|IWL|ITH|DFA|ITS|TSI|WSI)"
    r"_(?P<emotion>ANG|DIS|FEA|HAP|NEU|SAD)_(?P<level>LO|MD|HI|XX?)"
)
EMOTIONS = {
    "ANG": "angry",
    "DIS": "disgust",
    "FEA": "fearful",
    "HAP": "happy",
    "NEU": "neutral",
    "SAD": "sad",
}
LEVELS = {"LO": "low", "MD": "medium", "HI": "high", "XX": None, "X": None}
# Columns of summaryTable.csv: what most of those said who were shown the picture, the sound or both; ties are
# joined by ":".
VOTES = {"crowd_visual": "FaceVote", "crowd_audio": "VoiceVote", "crowd_fused": "MultiModalVote"}
CROWD = {code[0]: label for code, label in EMOTIONS.items()}  # a vote's letter -> label
DEMOGRAPHICS = ("Age", "Sex", "Race", "Ethnicity")  # columns of VideoDemographics.csv
LONGEST_S = 15.0  # three times the longest clip


def prepare(folder: Path, corpus: Any) -> dict[str, dict]:
    """Age, sex, race and ethnicity by actor id, as far as VideoDemographics.csv says them, and the crowd's
    votes by clip's name, as summaryTable.csv has them; empty without these files. Raises MferError for a file
    that cannot be read.
    """
    facts: dict[str, dict] = {}
    readers = {"videodemographics.csv": _read_demographics, "summarytable.csv": _read_votes}
    for path in list_files(folder).files:
        if reader := readers.get(PurePosixPath(path).name.lower()):
            facts |= reader(folder / path)
    return facts


def _read_votes(path: Path) -> dict[str, dict]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
        return {row["FileName"].strip(): _votes_of_clip(row) for row in rows}
    except (OSError, ValueError, KeyError, AttributeError) as error:
        columns = ", ".join(VOTES.values())
        raise MferError(
            f"cannot read {path}: it needs the columns FileName, {columns}, with votes such as A or A:D "
            f"({', '.join(CROWD)})"
        ) from error


def _votes_of_clip(row: dict[str, str]) -> dict[str, str]:
    """Labels joined by ":"; a cell that is empty or NA says nothing."""
    cells = {name: row[column].strip() for name, column in VOTES.items()}
    known = {name: cell for name, cell in cells.items() if cell not in ("", "NA")}
    return {name: ":".join(CROWD[letter] for letter in cell.split(":")) for name, cell in known.items()}


def _read_demographics(path: Path) -> dict[str, dict]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
        return {row["ActorID"].strip(): _facts_of_actor(row) for row in rows}
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise MferError(
            f"cannot read {path}: it needs the columns ActorID and Sex, and may have Age (a whole number of "
            "years), Race and Ethnicity"
        ) from error


def _facts_of_actor(row: dict[str, str]) -> dict:
    """What a row of the demographics says; an empty cell and "Unknown" say nothing."""
    cells = {
        name: (row[name] if name == "Sex" else row.get(name) or "").strip().lower() for name in DEMOGRAPHICS
    }
    known = {name.lower(): cell for name, cell in cells.items() if cell not in ("", "unknown")}
    return known | ({"age": int(known["age"])} if "age" in known else {})


def read(path: str, metadata: dict[str, dict]) -> Facts:
    """Facts from the name. Raises ClipError "unknown name"."""
    name = PurePosixPath(path)
    match = NAME.fullmatch(name.stem)
    if not match:
        raise ClipError("unknown name", f"{name.stem} is not actor_sentence_emotion_level")
    return Facts(
        label=EMOTIONS[match["emotion"]],
        speaker=match["actor"],
        intensity=LEVELS[match["level"]],
        statement=match["sentence"],
        take=f"{match['actor']}_{match['sentence']}_{match['emotion']}_{LEVELS[match['level']]}",
        rank=_rank(name.suffix.lower()),
        longest_s=LONGEST_S,
        **metadata.get(match["actor"], {}),
        **metadata.get(name.stem, {}),
    )


def _rank(suffix: str) -> int:
    if suffix in VIDEO:
        return 0
    return 1 if suffix in {".wav", ".flac"} else 2
