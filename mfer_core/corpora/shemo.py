"""ShEMO: Sharif Emotional Speech Database.

Source: https://github.com/mansourehk/ShEMO (Nezami et al. 2019, doi:10.1007/s10579-018-9427-x). Licence:
research use. Size: 3,000 wavs of 87 speakers (31 female, 56 male) in female/ and male/, 44.1 kHz (some 22.05
kHz). Persian.

Name: sex, speaker, emotion, number, for instance F02A05.wav: A angry, F fearful, H happy, N neutral, S sad, W
surprised. shemo.json (file -> speaker_id, gender, emotion, transcript, ipa), where present, disagrees with
the names for some clips: the name counts, and the number of mismatches is reported in the notes.
"""

import re
from pathlib import Path, PurePosixPath
from typing import Any

from mfer_core.base.errors import ClipError, MferError
from mfer_core.base.files import read_json
from mfer_core.base.folders import list_files
from mfer_core.base.labels import canonical
from mfer_core.corpora.contract import Facts, find
from mfer_core.corpora.sources import Source, addresses

SOURCE = Source(
    page="https://github.com/mansourehk/ShEMO",
    licence="research use",
    instructions="set source: fetch, or download female.zip and male.zip from the page and unpack them",
    layout="female/ and male/ with files named like F02A05.wav, and shemo.json if there is one",
    **addresses("shemo"),
    clips=3_000,
    clip_s=4.1,
)
LANGUAGE = "fa"
NAME = re.compile(r"(?P<speaker>(?P<sex>[MF])\d{2})(?P<emotion>[AFHNSW])\d{2}")
EMOTIONS = {"A": "angry", "F": "fearful", "H": "happy", "N": "neutral", "S": "sad", "W": "surprised"}


def prepare(folder: Path, corpus: Any) -> dict[str, dict]:
    """Entries of shemo.json by file stem; empty where that file is not there."""
    for path in list_files(folder).files:
        if PurePosixPath(path).name.lower() == "shemo.json":
            entries = read_json(folder / path)
            if not isinstance(entries, dict) or not all(
                isinstance(entry, dict) for entry in entries.values()
            ):
                raise MferError(f"{folder / path} is not an object of file -> facts")
            return {PurePosixPath(name).name.removesuffix(".wav"): entry for name, entry in entries.items()}
    return {}


def read(path: str, metadata: dict[str, dict]) -> Facts:
    """Facts from the name, the transcript from shemo.json. Raises ClipError "unknown name"."""
    name = PurePosixPath(path).stem
    match = NAME.fullmatch(name)
    if not match:
        raise ClipError("unknown name", f"{name} is not sex, speaker, emotion, number")
    return Facts(
        label=EMOTIONS[match["emotion"]],
        speaker=match["speaker"],
        sex={"M": "male", "F": "female"}[match["sex"]],
        statement=metadata.get(name, {}).get("transcript"),
    )


def notes(folder: Path, metadata: dict[str, dict]) -> list[str]:
    """Says for how many clips shemo.json disagrees with the name."""
    names = [PurePosixPath(path).stem for path in find(folder, metadata)]
    wrong = [
        name
        for name in names
        if (match := NAME.fullmatch(name)) and _disagrees(EMOTIONS[match["emotion"]], metadata.get(name, {}))
    ]
    return (
        [
            f"shemo.json disagrees with the emotion in the name for {len(wrong)} clips (the name counts): "
            f"{', '.join(wrong[:5])}"
        ]
        if wrong
        else []
    )


def _disagrees(label: str, entry: dict) -> bool:
    if "emotion" not in entry:
        return False
    try:
        return canonical(str(entry["emotion"])) != label
    except MferError:
        return True
