"""A media file opened: what is no recording says so before anything is decoded."""

from pathlib import Path

import av
from av.container import InputContainer
from av.error import FFmpegError

from mfer_core.base.errors import ClipError

IMAGE_FORMATS = {"image2", "gif", "apng", "ico"}  # beside the "<codec>_pipe" family
LFS_POINTER = b"version https://git-lfs"
MISSING_SHARE = 0.1  # of the bytes that a WAV's header counts; with fewer the file is cut off
STREAMED_SIZE = (
    0x7FFF0000  # bytes; a WAV written to a pipe claims a size near 2 or 4 GB, or none, and promises nothing
)
# FFmpeg searches the first megabyte of every WAV for DTS: 12 ms per file, and 3 ms with this many bytes.
WAV_PROBE_BYTES = "65536"


def open_container(path: Path) -> InputContainer:
    """Open a media file.

    Raises ClipError: "missing file", "not a file" (a folder, a pipe), "empty file", "git-lfs pointer" (the download
    left the file itself behind), "truncated" (a WAV that is shorter than its header says), "not a recording" (a
    picture), "unreadable" (not media, cut off, no permission).
    """
    start = _first_bytes(path)
    wav = start[:4] == b"RIFF" and start[8:12] == b"WAVE"
    if wav:
        _check_size(path, int.from_bytes(start[4:8], "little"))
    options = {"probesize": WAV_PROBE_BYTES} if wav else {}
    try:
        # The protocol is named, for else a name with a colon is taken for an address.
        container = av.open(f"file:{path}", mode="r", metadata_errors="replace", options=options)
    except (FFmpegError, ValueError) as error:
        raise ClipError("unreadable", getattr(error, "strerror", None) or str(error)) from error
    name = container.format.name
    if name.endswith("_pipe") or set(name.split(",")) & IMAGE_FORMATS:
        container.close()
        raise ClipError("not a recording", f"a picture ({name})")
    return container


def _first_bytes(path: Path) -> bytes:
    if not path.exists():
        raise ClipError("missing file", str(path))
    if not path.is_file():
        raise ClipError("not a file", str(path))
    try:
        with path.open("rb") as file:
            start = file.read(len(LFS_POINTER))
    except OSError as error:
        raise ClipError("unreadable", error.strerror) from error
    if not start:
        raise ClipError("empty file")
    if start == LFS_POINTER:
        raise ClipError(
            "git-lfs pointer",
            "the file itself was not downloaded: run `git lfs pull` in the corpus's checkout",
        )
    return start


def _check_size(path: Path, size: int) -> None:
    """libavformat takes a WAV that is cut off for a shorter one; its header knows better."""
    missing = size + 8 - path.stat().st_size
    if size < STREAMED_SIZE and missing > MISSING_SHARE * size:
        raise ClipError("truncated", f"{missing} of {size + 8} bytes are missing")
