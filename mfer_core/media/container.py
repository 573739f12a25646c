"""A media file opened: what is no recording says so before anything is decoded."""

from pathlib import Path

import av
from av.container import InputContainer
from av.error import FFmpegError

from mfer_core.base.errors import ClipError

IMAGE_FORMATS = {"image2", "gif", "apng", "ico"}  # beside the "<codec>_pipe" family
LFS_POINTER = b"version https://git-lfs"
MISSING_SHARE = 0.1  # A file that lacks a larger share of the bytes that its header counts is cut off.
# A file that was written to a pipe claims a size near 2 or 4 GB, or none, and promises nothing.
STREAMED_SIZE = 0x7FFF0000  # bytes
# An ASF file starts with the object ASF; the object ASF_FILE holds, from byte 40, the file's size.
ASF = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
ASF_FILE = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
HEAD_BYTES = 4096
# FFmpeg searches the first megabyte of every WAV for DTS: 12 ms per file, and 3 ms with this many bytes.
WAV_PROBE_BYTES = "65536"


def open_container(path: Path) -> InputContainer:
    """Open a media file.

    Raises ClipError: "missing file", "not a file" (a folder, a pipe), "empty file", "git-lfs pointer" (the
    download left the file itself behind), "truncated" (shorter than its header says, where FFmpeg would not
    notice), "not a recording" (a picture), "unreadable" (not media, cut off, no permission).
    """
    start = _first_bytes(path)
    _check_size(path, _claimed_bytes(start))
    options = {"probesize": WAV_PROBE_BYTES} if start[8:12] == b"WAVE" else {}
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
            start = file.read(HEAD_BYTES)
    except OSError as error:
        raise ClipError("unreadable", error.strerror or str(error)) from error
    if not start:
        raise ClipError("empty file")
    if start.startswith(LFS_POINTER):
        raise ClipError(
            "git-lfs pointer",
            "the file itself was not downloaded: run `git lfs pull` in the corpus's checkout",
        )
    return start


def _claimed_bytes(start: bytes) -> int:
    """How long a WAV, an AIFF or an ASF says that the file is, bytes; 0 where it does not."""
    if start[:4] == b"RIFF" and start[8:12] == b"WAVE":
        return int.from_bytes(start[4:8], "little") + 8
    if start[:4] == b"FORM" and start[8:11] == b"AIF":
        return int.from_bytes(start[4:8], "big") + 8
    offset = start.find(ASF_FILE) + 40
    return (
        int.from_bytes(start[offset : offset + 8], "little") if start.startswith(ASF) and offset >= 40 else 0
    )


def _check_size(path: Path, claimed: int) -> None:
    """libavformat takes such a file that is cut off for a shorter one; its header knows better."""
    missing = claimed - path.stat().st_size
    if claimed < STREAMED_SIZE and missing > MISSING_SHARE * claimed:
        raise ClipError("truncated", f"{missing} of {claimed} bytes are missing")
