"""Declared label sets. Label ids exist only inside a declared set; everything else uses names."""

from mfer_core.errors import MferError

EMOTIONS = ("angry", "calm", "disgust", "fearful", "happy", "neutral", "sad", "surprised")

LABEL_SETS: dict[str, tuple[str, ...]] = {
    # Order of RAVDESS's codes 01..08 (reference method, "class ids in RAVDESS").
    "eight": ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised"),
    # FER-2013's order of codes 0..6.
    "seven": ("angry", "disgust", "fearful", "happy", "sad", "surprised", "neutral"),
    # Stage 2a: what CREMA-D, ShEMO, SDC and URDU share.
    "four": ("angry", "happy", "neutral", "sad"),
}

# Every name a distributed corpus, checkpoint or person is known to use, beside the eight themselves.
ALIASES: dict[str, str] = {
    "anger": "angry",
    "mad": "angry",
    "calmness": "calm",
    "disgusted": "disgust",
    "fear": "fearful",
    "afraid": "fearful",
    "happiness": "happy",
    "joy": "happy",
    "natural": "neutral",
    "sadness": "sad",
    "surprise": "surprised",
}


def label_set(name: str) -> tuple[str, ...]:
    """The names of a declared set, in id order. Raises MferError naming the choices."""
    if name not in LABEL_SETS:
        raise MferError(f"unknown label set {name!r}: choose one of {', '.join(LABEL_SETS)}")
    return LABEL_SETS[name]


def canonical(name: str, aliases: dict[str, str] | None = None) -> str:
    """Map a label as found in the wild to one of ``EMOTIONS``.

    ``aliases`` are a person's own and win. Raises MferError naming the label and the choices.
    """
    text = name.strip().casefold()
    own = {key.strip().casefold(): value for key, value in (aliases or {}).items()}
    found = own.get(text) or ALIASES.get(text) or text
    if found not in EMOTIONS:
        raise MferError(f"unknown label {name!r}: use one of {', '.join(EMOTIONS)} or add it to the corpus's aliases")
    return found
