"""What a person reads when something is wrong: one line for what can be mended; a bug keeps its traceback."""

import errno
import re
import shutil
import traceback
from pathlib import Path

DISK_FULL = {errno.ENOSPC, errno.EDQUOT}
SPARE_BYTES = 1 << 20  # With less free space than this, a codec's nameless "System error" means a full disk.
_PASSWORD = re.compile(r"(?<=://)([^\s/:@]*):[^\s/]*@")  # MLflow's errors name the server as it was given.
FREE_SPACE = "free some, for instance by `mfer clean` (old results); the next run goes on"


class MferError(Exception):
    """A fault a person can mend. The message is one line: what, where, what to do."""


class Faults(MferError):
    """Several faults that were looked for together, a line each; the message joins them."""

    def __init__(self, lines: list[str]):
        super().__init__("; ".join(lines))
        self.lines = list(lines)

    def __reduce__(self) -> tuple:
        return type(self), (self.lines,)


class ClipError(MferError):
    """A fault of one clip: becomes a row of the rejects table, never ends a stage.

    ``reason`` is a short stable phrase (it is counted in summaries); ``detail`` says the rest.
    """

    def __init__(self, reason: str, detail: str = ""):
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail

    def __reduce__(self) -> tuple:
        # Pickle passes the error between processes with these arguments.
        return type(self), (self.reason, self.detail)


def one_line(error: object, longest: int | None = 300) -> str:
    """The message of ``error`` without line breaks, control characters and an address's password, cut to
    ``longest`` characters (None: whole).
    """
    return shown(_PASSWORD.sub(r"\1:***@", " ".join(str(error).split())))[:longest]


def shown(text: str) -> str:
    """A text as a terminal may get it: control characters, such as a name can hold, as ``\\xNN``."""
    return "".join(sign if sign.isprintable() or sign == " " else _escaped(sign) for sign in text)


def _escaped(sign: str) -> str:
    # U+200D and its like shape a script and are not printable by Python's rule, but do no harm.
    return f"\\x{ord(sign):02x}" if ord(sign) < 0xA0 else sign


def typed_line(error: BaseException) -> str:
    """The type of ``error`` and its message as one line, for errors whose message alone says little."""
    return f"{type(error).__name__}: {one_line(error)}"


def mendable(error: BaseException) -> str | None:
    """The line for a fault that a person can mend, wherever it was raised; None for a bug."""
    if isinstance(error, MferError):
        line = str(error)
    elif is_disk_full(error):
        line = f"the disk is full{_where(error)}: {FREE_SPACE}"
    elif isinstance(error, OSError) and str(error):
        line = _system_fault(error) if error.strerror else str(error)
    elif isinstance(error, UnicodeError):
        line = f"text in another encoding than expected: {error}"
    else:
        return None
    return one_line(line, None)


def is_disk_full(error: BaseException, folder: Path = Path()) -> bool:
    """Whether a write into ``folder`` failed for want of space: libraries wrap it (libsndfile: "System
    error").
    """
    if isinstance(error, OSError) and error.errno in DISK_FULL:
        return True
    words = str(error)
    if any(phrase in words for phrase in ("No space left on device", "disk is full")):
        return True
    return type(error).__name__ == "LibsndfileError" and shutil.disk_usage(folder).free < SPARE_BYTES


def _system_fault(error: OSError) -> str:
    if isinstance(error, FileNotFoundError) and _is_program(error):
        return f"no program {error.filename!r} here: install it, or put its folder on PATH"
    if error.errno == errno.EMFILE:
        return "too many open files: raise the limit (ulimit -n 4096), or lower the workers in params.yaml"
    return f"{str(error.strerror).lower()}{_where(error)}"


def _where(error: BaseException) -> str:
    names = [
        str(name) for name in (getattr(error, "filename", None), getattr(error, "filename2", None)) if name
    ]
    return f": {' -> '.join(names)}" if names else ""


def _is_program(error: FileNotFoundError) -> bool:
    """Whether a process was to be started: only the place that raised it tells this from a missing file."""
    places = [frame.name for frame in traceback.extract_tb(error.__traceback__)]
    return places[-1:] == ["_execute_child"]
