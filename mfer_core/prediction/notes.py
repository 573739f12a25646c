"""What a person must know of a recording beside its emotions: which faces and which sound the arms had."""

from mfer_core.base.settings import Extract
from mfer_core.media.result import ExtractedClip


def notes_on(clip: ExtractedClip, settings: Extract) -> list[str]:
    """Short phrases, none where picture and sound are as expected. The rules are those of media.faces and media.read."""
    return [
        note
        for note in (
            clip.facts["notes"],
            _picture(clip),
            _faces(clip),
            _sound(clip, settings.vad_min_clip_s),
        )
        if note
    ]


def _picture(clip: ExtractedClip) -> str | None:
    frames, found = clip.facts["frame_count"], clip.facts["frames_with_face"]
    if not frames:
        return "no picture: the image arm has no say"
    if not found:
        return "no face found: the image arm saw the centre of the picture"
    return f"a face in {found} of {frames} frames" if found < frames else None


def _faces(clip: ExtractedClip) -> str | None:
    most = max((frame["faces"] or 0 for frame in clip.frames), default=0)
    return f"up to {most} faces: the one that is largest for longest counts" if most > 1 else None


def _sound(clip: ExtractedClip, vad_min_clip_s: float) -> str | None:
    if clip.waveform is None:
        return f"{'no sound' if clip.facts['peak'] is None else 'digital silence'}: the audio arm has no say"
    length_s = len(clip.waveform["samples"]) / clip.waveform["sample_rate"]
    if length_s <= vad_min_clip_s:
        return None
    speech_s = clip.facts["speech_s"]
    return (
        f"speech in {speech_s:.1f} of {length_s:.1f} s: only that is heard"
        if speech_s
        else "no speech found: all of the sound is heard"
    )
