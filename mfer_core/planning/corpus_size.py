"""How much a corpus holds: from its manifest, else from its files, else as its authors published it."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mfer_core.base.manifest import read_manifest
from mfer_core.base.paths import DataPaths
from mfer_core.base.settings import Corpus
from mfer_core.corpora.registry import adapter
from mfer_core.media.kinds import VIDEO, is_media

CLIP_S = 4.0  # seconds of a clip of which nothing is known


@dataclass(frozen=True)
class CorpusSize:
    """Clips (or face images), their mean length in seconds, the share that has a picture, and who says so."""

    clips: int
    clip_s: float
    with_picture: float
    basis: str

    @property
    def seconds(self) -> float:
        return self.clips * self.clip_s

    @property
    def picture_s(self) -> float:
        return self.seconds * self.with_picture


def corpus_size(name: str, corpus: Corpus, data: DataPaths) -> CorpusSize:
    """What there is of a corpus. Nothing of one that is absent."""
    source = adapter(corpus.adapter).source
    if corpus.source == "absent":
        return CorpusSize(0, CLIP_S, 0.0, "absent")
    if data.manifest(name).exists():
        rows = read_manifest(data.manifest(name))
        clip_s = float(np.nanmean(rows.duration_s.to_numpy(float))) if rows.duration_s.notna().any() else 0.0
        return CorpusSize(len(rows), clip_s, float(rows.has_video.mean()), "manifest")
    if corpus.demo and corpus.source == "demo":
        clips = corpus.demo.speakers * corpus.demo.clips_per_speaker
        return CorpusSize(clips, source.clip_s or CLIP_S, source.with_picture, "to be written")
    if files := _media(corpus.path):
        pictures = sum(path.suffix.lower() in VIDEO for path in files) / len(files)
        guess = "" if source.clip_s else f" of {CLIP_S:g} s, a guess"
        return CorpusSize(len(files), source.clip_s or CLIP_S, pictures, f"files{guess}")
    return CorpusSize(source.clips, source.clip_s or CLIP_S, source.with_picture, "as published")


def _media(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if is_media(path)] if folder.is_dir() else []
