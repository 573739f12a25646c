"""SDC: Saudi Dialect Corpus.

Source: Aljuhani et al. 2021, doi:10.1109/ACCESS.2021.3110992; no public download: ask its authors. Licence:
none stated. Size: 175 wavs: 69 angry, 31 happy, 37 neutral, 38 sad. Arabic.

One folder per source (a film, a series, News, TikTok); names end in seg_ang, seg_hap, seg_nat or seg_sad
(nat: neutral), some below <source>/wavs/, and "MANDOOB (Night Courier)" has a folder per emotion instead.
Suffixes are partly upper case. Speakers are not given: the source folder, the first below the corpus's own,
is the grouping unit.
"""

import re
from pathlib import PurePosixPath

from mfer_core.base.errors import ClipError
from mfer_core.corpora.contract import Facts
from mfer_core.corpora.sources import Source

SOURCE = Source(
    page="https://doi.org/10.1109/ACCESS.2021.3110992",
    licence="none stated",
    instructions="there is no public download: ask the authors, or set source: absent",
    layout="a folder per source with files ending in seg_ang.wav, seg_hap.wav, seg_nat.wav or seg_sad.wav",
    clips=175,
)
LANGUAGE = "ar"
NAME = re.compile(r".*seg_(?P<emotion>ang|hap|nat|sad)", re.IGNORECASE)
EMOTIONS = {"ang": "angry", "hap": "happy", "nat": "neutral", "sad": "sad"}


def read(path: str, metadata: None = None) -> Facts:
    """Facts from the name or the folder. Raises ClipError "unknown name" or "no source folder"."""
    name = PurePosixPath(path)
    if len(name.parts) < 2:
        raise ClipError("no source folder", "clips lie in one folder per source")
    match = NAME.fullmatch(name.stem)
    code = match["emotion"].lower() if match else name.parent.name.lower()
    if code not in EMOTIONS:
        raise ClipError(
            "unknown name",
            f"{name.name} neither ends in seg_ang, seg_hap, seg_nat or seg_sad nor lies in such a folder",
        )
    return Facts(label=EMOTIONS[code], speaker=name.parts[0])
