"""What extraction makes of one clip."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ExtractedClip:
    """Rows for FRAMES and WAVEFORMS (without clip_id and key) and the facts for EXTRACTED."""

    frames: list[dict]
    waveform: dict | None  # None without a track and for digital silence
    facts: dict
