"""What extraction makes of one clip."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ExtractedClip:
    """The columns ``frames`` and ``waveform`` of EXTRACTED, and the others but clip_id and key."""

    frames: list[dict]
    waveform: dict | None  # None without a stream and for digital silence
    facts: dict
