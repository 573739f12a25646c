"""Notes on a recording beside its emotions: which faces and which sound the arms had."""

from mfer_core.base.settings import Extract


def notes_on(facts: dict, settings: Extract) -> list[str]:
    """Short phrases on the facts of media.parts, none where picture and sound are as expected."""
    notes = (facts["notes"], _picture(facts), _faces(facts), _sound(facts, settings.vad_min_clip_s))
    return [note for note in notes if note]


def _picture(facts: dict) -> str | None:
    frames, with_face = facts["frame_count"], facts["frames_with_face"]
    if not frames:
        return "no picture: the image arm has no say"
    if not with_face:
        return "no face found: the image arm saw the centre of the picture"
    return f"a face in {with_face} of {frames} frames" if with_face < frames else None


def _faces(facts: dict) -> str | None:
    most = facts["most_faces"]
    return f"up to {most} faces: the one that is largest for longest counts" if most > 1 else None


def _sound(facts: dict, vad_min_clip_s: float) -> str | None:
    if not facts["peak"]:
        return f"{'no sound' if facts['peak'] is None else 'digital silence'}: the audio arm has no say"
    length_s, speech_s = facts["sound_s"], facts["speech_s"]
    if length_s <= vad_min_clip_s:
        return None
    return (
        f"speech in {speech_s:.1f} of {length_s:.1f} s: only that is heard"
        if speech_s
        else "no speech found: all of the sound is heard"
    )
