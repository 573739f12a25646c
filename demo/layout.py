"""All files of a synthetic corpus: its clips, and the side files that the real one comes with."""

import csv
import io
import json
from dataclasses import asdict, dataclass

from demo.plans import CREMA_CODES, PlannedClip, clips
from demo.seeds import generator
from mfer_core.base.files import digest
from mfer_core.base.settings import DemoSize
from mfer_core.cache.code import code_digest


@dataclass(frozen=True)
class Text:
    """A small side file."""

    path: str
    text: str


@dataclass(frozen=True)
class FaceTable:
    """FER-2013's csv: so many faces of so many identities."""

    path: str
    identities: int
    faces: int


File = PlannedClip | Text | FaceTable
_MADE_BY = {PlannedClip: "demo.clips", FaceTable: "demo.faces"}


def files(adapter: str, size: DemoSize, seed: int, pictures: bool = False) -> list[File]:
    """What the corpus holds, CREMA-D with ``pictures`` or without. Raises MferError when the real naming has
    no room for ``size``.
    """
    if adapter == "fer2013":
        return [FaceTable("fer2013.csv", size.speakers, size.clips_per_speaker)]
    planned = clips(adapter, size.speakers, size.clips_per_speaker, seed, pictures)
    votes = _votes(planned) if pictures and adapter == "crema_d" else []
    return [*planned, *_SIDE_FILES.get(adapter, lambda _: [])(planned), *votes]


def file_key(file: File, seed: int) -> str:
    """A hash of all that shapes the file's bytes: its plan, the seed and the code that makes it."""
    if isinstance(file, Text):
        return digest("text", asdict(file))
    return digest(type(file).__name__, asdict(file), seed, code_digest(_MADE_BY[type(file)]))


def _demographics(planned: list[PlannedClip]) -> list[Text]:
    rows = sorted({(clip.speaker, clip.sex.capitalize()) for clip in planned})
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["ActorID", "Age", "Sex", "Race", "Ethnicity"])
    writer.writerows(
        [speaker, 20 + int(speaker) % 50, sex, "Unknown", "Not Hispanic"] for speaker, sex in rows
    )
    return [Text("VideoDemographics.csv", table.getvalue())]


def _shemo_json(planned: list[PlannedClip]) -> list[Text]:
    entries = {
        clip.path.rsplit("/", 1)[1].removesuffix(".wav"): {
            "speaker_id": clip.speaker,
            "gender": clip.sex,
            "emotion": {
                "fearful": "fear",
                "angry": "anger",
                "happy": "happiness",
                "sad": "sadness",
                "surprised": "surprise",
            }.get(clip.label, clip.label),
            "transcript": f"synthetic sentence {clip.statement}",
            "ipa": "",
        }
        for clip in planned
    }
    return [Text("shemo.json", json.dumps(entries, indent=1) + "\n")]


def _votes(planned: list[PlannedClip]) -> list[Text]:
    """What a crowd said: most often the emotion that was meant, seldom a tie; of both more often than of
    one.
    """
    letters = {label: code[0] for code, label in CREMA_CODES.items()}
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["", "FileName", *VOTES])
    for number, clip in enumerate(planned, 1):
        rng, name = generator("votes", clip.path), clip.path.rsplit("/", 1)[1].split(".")[0]
        meant, other = letters[clip.label], str(rng.choice(list(letters.values())))
        draws = (rng.random() < share for share in VOTES.values())
        votes = [meant if right else other for right in draws]
        tie = ":".join(sorted({meant, other}))
        writer.writerow([number, name, *votes[:-1], tie if rng.random() < TIED else votes[-1]])
    return [Text("processedResults/summaryTable.csv", table.getvalue())]


VOTES = {"VoiceVote": 0.5, "FaceVote": 0.65, "MultiModalVote": 0.75}  # the share that is as it was meant
TIED = 0.05
_SIDE_FILES = {"crema_d": _demographics, "shemo": _shemo_json}
