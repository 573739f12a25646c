"""A recording's labels over time as files that the tools of the trade open: ELAN, Praat, video players.

Each holds the stretches of one label of ``windows.label_segments``, with the same times, in milliseconds.
"""

import mimetypes
from pathlib import Path

import pandas as pd
from pympi.Elan import Eaf, to_string
from pympi.Praat import TextGrid
from webvtt import Caption, WebVTT
from webvtt.models import Timestamp

from mfer_core.base.files import atomic_path
from mfer_core.base.modalities import ARMS
from mfer_core.prediction.results_folder import RecordingResult, ResultsFolder
from mfer_core.prediction.windows import label_segments

Segment = tuple[int, int, str]  # start and end in milliseconds, label
# ELAN asks for a date; the time of the run would make equal results differ.
NO_DATE = "1970-01-01T00:00:00+00:00"


def write_exports(results: ResultsFolder, path: Path, seen: RecordingResult, step_s: float) -> None:
    """Write the files of ``EXPORTS`` of one recording, each whole or not there.

    ELAN and Praat get a tier per arm, and of several people one per person and arm; subtitles show the fused
    label alone.
    """
    tiers = _tiers(seen.timeline, seen.duration_s, step_s)
    for person in seen.people:
        tiers |= _tiers(person.timeline, seen.duration_s, step_s, f"{person.name} ")
    if len(seen.people) > 1:
        tiers["speaker"] = [
            (round(1000 * turn.start_s), round(1000 * turn.end_s), turn.person or turn.speaker)
            for turn in seen.turns
        ]
    for kind, export in EXPORTS.items():
        with atomic_path(results.file(kind, path)) as temporary:
            export(temporary, path, seen.duration_s, tiers)


def _tiers(
    timeline: pd.DataFrame, duration_s: float, step_s: float, prefix: str = ""
) -> dict[str, list[Segment]]:
    """The stretches of each arm that has any."""
    every = {f"{prefix}{arm}": _segments(timeline, arm, step_s, duration_s) for arm in ARMS}
    return {name: segments for name, segments in every.items() if segments}


def _segments(timeline: pd.DataFrame, arm: str, step_s: float, duration_s: float) -> list[Segment]:
    """An arm's stretches in whole milliseconds; none is empty."""
    stretches = (
        (round(1000 * start), round(1000 * end), label)
        for start, end, label in label_segments(timeline, arm, step_s, duration_s)
    )
    return [stretch for stretch in stretches if stretch[0] < stretch[1]]


def _write_elan(file: Path, recording: Path, _duration_s: float, tiers: dict[str, list[Segment]]) -> None:
    document = Eaf(author="mfer")
    document.adocument["DATE"] = NO_DATE
    kind = mimetypes.guess_type(recording.name)[0] or "application/octet-stream"
    document.add_linked_file(recording.absolute().as_uri(), mimetype=kind)
    for arm, segments in tiers.items():
        document.add_tier(arm)
        for segment in segments:
            document.add_annotation(arm, *segment)
    document.remove_tier("default")
    file.write_bytes(to_string(document, encoding="UTF-8"))


def _write_praat(file: Path, _recording: Path, duration_s: float, tiers: dict[str, list[Segment]]) -> None:
    grid = TextGrid(xmax=round(1000 * duration_s) / 1000)
    for arm, segments in tiers.items():
        tier = grid.add_tier(arm)
        for start, end, label in segments:
            tier.add_interval(start / 1000, end / 1000, label)
    grid.to_file(file)


def _write_webvtt(file: Path, _recording: Path, _duration_s: float, tiers: dict[str, list[Segment]]) -> None:
    _subtitles(tiers).save(str(file))


def _write_srt(file: Path, _recording: Path, _duration_s: float, tiers: dict[str, list[Segment]]) -> None:
    _subtitles(tiers).save_as_srt(str(file))


def _subtitles(tiers: dict[str, list[Segment]]) -> WebVTT:
    return WebVTT(
        captions=[Caption(_timestamp(start), _timestamp(end), label) for start, end, label in tiers["fused"]]
    )


def _timestamp(milliseconds: int) -> str:
    return str(Timestamp.from_seconds(milliseconds / 1000))


EXPORTS = {"elan": _write_elan, "praat": _write_praat, "webvtt": _write_webvtt, "srt": _write_srt}
