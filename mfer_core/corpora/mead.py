"""MEAD: Multi-view Emotional Audio-visual Dataset.

Source: https://wywu.github.io/projects/MEAD/MEAD.html (Wang et al. 2020, ECCV). Licence: research use. Size:
48 of the 60 actors are released, about 31,700 takes of sound (m4a, 48 kHz) and seven views of each. English.

Path: actor, kind, view, emotion, level, number, for instance M003/video/front/angry/level_1/001.mp4 and
M003/audio/angry/level_1/001.m4a: M male, W female; angry contempt disgusted fear happy neutral sad surprised;
levels 1 to 3 (neutral has one). Contempt is none of the eight emotions and is not used without an alias.

The views of a take and its sound are one clip: the front view, then other views, then the sound alone.
"""

import re

from mfer_core.base.errors import ClipError
from mfer_core.corpora import own_labels
from mfer_core.corpora.contract import Facts
from mfer_core.corpora.sources import Source

SOURCE = Source(
    page="https://wywu.github.io/projects/MEAD/MEAD.html",
    licence="research use",
    instructions="download the actors' archives and unpack them",
    layout="M003/video/front/angry/level_1/001.mp4 and M003/audio/angry/level_1/001.m4a, for every actor",
    clips=31_700,
    clip_s=4.2,
    with_picture=1.0,
)
LANGUAGE = "en"
VIEWS = ("front", "left_30", "right_30", "left_60", "right_60", "top", "down")
PATH = re.compile(
    r"(?:.*/)?(?P<actor>(?P<sex>[MW])\d{3})/(?:video/(?P<view>\w+)|audio)"
    r"/(?P<emotion>[a-z]+)/level_(?P<level>[123])/(?P<number>\d{3})\.\w+"
)
LEVELS = {"1": "low", "2": "medium", "3": "high"}
prepare = own_labels.aliases


def read(path: str, metadata: dict[str, str]) -> Facts:
    """Facts from the path. Raises ClipError "unknown name" or "label not used"."""
    match = PATH.fullmatch(path)
    if not match or match["view"] not in (None, *VIEWS):
        raise ClipError("unknown name", f"{path} is not actor, kind, view, emotion, level, number")
    actor, word, level = match["actor"], match["emotion"], match["level"]
    return Facts(
        label=own_labels.emotion(word, metadata),
        speaker=actor,
        sex={"M": "male", "W": "female"}[match["sex"]],
        intensity=None if word == "neutral" else LEVELS[level],
        repetition=match["number"],
        take=f"{actor}/{word}/{level}/{match['number']}",
        rank=VIEWS.index(match["view"]) if match["view"] else len(VIEWS),
    )
