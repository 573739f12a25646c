"""Which files are media by their names: the one list, for all commands.

A suffix only decides whether a file is worth opening. What a file holds is told by its content.
"""

from pathlib import PurePath


def _suffixes(names: str) -> frozenset[str]:
    return frozenset(f".{name}" for name in names.split())


SOUND = _suffixes(
    "3ga aac ac3 aif aifc aiff amr au awb caf flac m4a m4b mka mp2 mp3 oga ogg opus snd spx w64 wav wave "
    "weba wma wv"
)
VIDEO = _suffixes("3g2 3gp asf avi f4v flv m2ts m2v m4v mkv mov mp4 mpeg mpg mts mxf ogv ts vob webm wmv")
PICTURES = _suffixes("bmp gif heic ico jpeg jpg png psd svg tif tiff webp")
# Files that come with recordings and never claim to be any, and archives, which are to be unpacked first.
_TEXTS = _suffixes(
    "ass cha csv doc docx eaf htm html json log lrc md nfo ods parquet pdf rtf srt sub textgrid tsv txt "
    "vtt xls xlsx xml yaml yml"
)
_ARCHIVES_AND_CODE = _suffixes("7z db dvc gz ini ipynb part py r rar sh tar tgz zip")
_STEMS = frozenset({"changelog", "citation", "licence", "license", "makefile", "readme"})


def is_media(path: PurePath) -> bool:
    """Whether a file's suffix is one of sound or video."""
    return path.suffix.lower() in SOUND | VIDEO


def is_picture(path: PurePath) -> bool:
    """Whether a file's suffix is one of still pictures."""
    return path.suffix.lower() in PICTURES


def is_side_file(path: PurePath) -> bool:
    """Whether a file is a table, a text, code or an archive by its name: it is neither used nor rejected."""
    return path.suffix.lower() in _TEXTS | _ARCHIVES_AND_CODE or path.stem.lower() in _STEMS
