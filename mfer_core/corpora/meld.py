"""MELD: Multimodal EmotionLines Dataset.

Source: https://github.com/declare-lab/MELD (Poria et al. 2019, doi:10.18653/v1/P19-1050). Licence: GPL-3.0
for the annotations; the recordings are of a television series. Size: 13,708 utterances (9,989 train, 1,109
dev, 2,610 test) of 1,433 dialogues, 7 emotions. English.

Name: dialogue and utterance, for instance dia0_utt3.mp4, in a folder with "train", "dev" or "test" in its
name (train_splits, dev_splits_complete, output_repeated_splits_test). The numbers begin anew in each part,
and <part>_sent_emo.csv has their emotion, speaker and words. The test part also holds files named
final_videos_test..., which are of no utterance, and one clip of the train part cannot be decoded.
"""

import re
from pathlib import Path, PurePosixPath

from mfer_core.base.errors import ClipError, MferError
from mfer_core.base.folders import list_files
from mfer_core.base.settings import Corpus
from mfer_core.corpora import own_labels
from mfer_core.corpora.contract import Facts
from mfer_core.corpora.sources import Source
from mfer_core.corpora.spreadsheet import Line, read_lines

SOURCE = Source(
    page="https://github.com/declare-lab/MELD",
    licence="GPL-3.0 (annotations)",
    instructions="download MELD.Raw.tar.gz and unpack it and the archives in it",
    layout="train_splits/, dev_splits_complete/, output_repeated_splits_test/ and the files *_sent_emo.csv",
    clips=13_708,
    clip_s=3.6,
    with_picture=1.0,
)
LANGUAGE = "en"
NAME = re.compile(r"dia(?P<dialogue>\d+)_utt(?P<utterance>\d+)")
PARTS = ("train", "dev", "test")
SEXES = dict.fromkeys(("Rachel", "Monica", "Phoebe"), "female") | dict.fromkeys(
    ("Ross", "Joey", "Chandler"), "male"
)
COLUMNS = ("emotion", "speaker", "dialogue_id", "utterance_id")
Metadata = tuple[dict[str, str], dict[tuple[str, int, int], Line]]  # aliases, and a row per utterance


def prepare(folder: Path, corpus: Corpus) -> Metadata:
    """The rows of the three tables. Raises MferError where none is there, or one cannot be read."""
    rows: dict[tuple[str, int, int], Line] = {}
    for path in list_files(folder).files:
        part = PurePosixPath(path).name.removesuffix("_sent_emo.csv")
        if part in PARTS and path.endswith("_sent_emo.csv"):
            for line in read_lines(folder / path, COLUMNS):
                rows[part, int(line.cells["dialogue_id"]), int(line.cells["utterance_id"])] = line
    if not rows:
        names = ", ".join(f"{part}_sent_emo.csv" for part in PARTS)
        raise MferError(f"none of {names} in {folder}: put them there")
    return dict(corpus.aliases), rows


def read(path: str, metadata: Metadata) -> Facts:
    """Facts from the part's table. Raises ClipError "unknown name", "not in the manifest" or "label not
    used".
    """
    aliases, rows = metadata
    match = NAME.fullmatch(PurePosixPath(path).stem)
    folders = "/".join(PurePosixPath(path).parent.parts).lower()
    parts = [part for part in PARTS if part in folders]
    if not match or len(parts) != 1:
        raise ClipError("unknown name", f"{path} is not dialogue and utterance in a folder of one part")
    line = rows.get((parts[0], int(match["dialogue"]), int(match["utterance"])))
    if line is None:
        raise ClipError("not in the manifest", f"{parts[0]}_sent_emo.csv has no such utterance")
    speaker = line.cells["speaker"]
    return Facts(
        label=own_labels.emotion(line.cells["emotion"], aliases),
        speaker=speaker,
        sex=SEXES.get(speaker),
        statement=line.cells.get("utterance"),
        split=parts[0],
    )
