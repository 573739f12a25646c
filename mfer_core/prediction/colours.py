"""One colour per class, whichever classes a model knows: the same in plots and on pages."""

from zlib import crc32

from mfer_core.base.labels import EIGHT, FURTHER

# After Okabe & Ito's for the colour-blind; templates/base.html has the same for light and dark.
COLOURS = (
    *("#808080", "#56b4e9", "#d9b300", "#0057a3", "#d55e00", "#b5508c", "#009e73", "#222222"),  # of EIGHT
    *("#b8860b", "#6a3d9a", "#7a6a58", "#00868b", "#8b1a1a", "#d4006a", "#4b5320"),  # of FURTHER
    *("#5566aa", "#996633", "#338855"),  # of names that a person declared
)
KNOWN = (*EIGHT, *FURTHER)


def colour_number(name: str) -> int:
    """The number of a class's colour; names that are not known share the last three."""
    if name in KNOWN:
        return KNOWN.index(name)
    return len(KNOWN) + crc32(name.encode()) % (len(COLOURS) - len(KNOWN))
