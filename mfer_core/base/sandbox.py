"""A process that reads files from strangers gives up what it does not need: writing, network, other programs.

Landlock (Linux 5.13 and later, https://docs.kernel.org/userspace-api/landlock.html) lets a process without
any rights restrict itself, for good, and whatever it starts. Where the system allows it, a network namespace
(unshare(2)) takes the network away as a whole; Landlock alone refuses TCP (Linux 6.7). Elsewhere, as on
macOS, nothing is restricted, and ``describe`` says so.
"""

import ctypes
import errno
import os
import struct
import sys
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from pathlib import Path

# Numbers of the kernel's interface, the same on every architecture.
CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
PATH_BENEATH, ASK_VERSION, NO_NEW_PRIVILEGES = 1, 1, 38
NEW_USER, NEW_NET = 0x10000000, 0x40000000
# Rights to the file system by their bit: execute, write, remove a folder or file, make a device, folder,
# file, socket, pipe, link (0 to 12 but for the two that read), move and link elsewhere (13), truncate (14).
# A right is known from a version of the interface on.
READING = 1 << 2 | 1 << 3
FILE_RIGHTS = {1: (1 << 13) - 1 & ~READING, 2: 1 << 13, 3: 1 << 14}
NETWORK_RIGHTS = {4: 1 << 0 | 1 << 1}  # bind and connect TCP
SCOPES = {6: 1 << 0 | 1 << 1}  # abstract sockets of, and signals to, processes outside
EXECUTE = 1 << 0
DEVICES = (Path("/dev/null"),)


@cache
def version() -> int:
    """The version of Landlock's interface here; 0 where there is none, or where it is switched off."""
    if not sys.platform.startswith("linux"):
        return 0
    return max(0, _system(CREATE_RULESET, None, 0, ASK_VERSION))


def describe() -> str | None:
    """What Landlock cannot take from a decoding process here, as one line; None where it holds TCP too."""
    if not version():
        return "no Landlock here: recordings are decoded with all rights of the user"
    return None if version() >= 4 else "Landlock here is older than Linux 6.7: decoding may reach the network"


def restrict(writable: Iterable[Path]) -> None:
    """From now on this thread and all that it starts may write below ``writable`` alone, start no program and
    reach no network, as far as the system can hold them to it.

    Raises OSError where the kernel refuses what it offers.
    """
    if not version():
        return
    _leave_network()
    rights, network, scoped = (_known(each) for each in (FILE_RIGHTS, NETWORK_RIGHTS, SCOPES))
    size = 24 if version() >= 6 else 16 if version() >= 4 else 8  # bytes of the structure, which has grown
    asked = struct.pack("=QQQ", rights, network, scoped)[:size]
    ruleset = _checked(CREATE_RULESET, asked, size, 0)
    try:
        for path in (*writable, *DEVICES):
            _allow(ruleset, path, rights & ~EXECUTE)
        if ctypes.CDLL(None).prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0):
            raise OSError(errno.EPERM, "the kernel refused PR_SET_NO_NEW_PRIVS")
        _checked(RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)


def _known(rights: dict[int, int]) -> int:
    return sum(bits for since, bits in rights.items() if since <= version())


def _allow(ruleset: int, path: Path, rights: int) -> None:
    if not path.is_dir():
        rights &= 1 << 1 | 1 << 14  # A file can be written and truncated; the kernel refuses other rights.
    folder = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        _checked(ADD_RULE, ruleset, PATH_BENEATH, struct.pack("=Qi", rights, folder), 0)
    finally:
        os.close(folder)


def _leave_network() -> None:
    """Into a network of its own, without devices: with the right to one, or else in a user namespace of its
    own. Many systems allow neither; Landlock then refuses TCP.
    """
    unshare = ctypes.CDLL(None, use_errno=True).unshare
    with suppress(AttributeError):
        if unshare(NEW_NET) and os.geteuid():
            unshare(NEW_USER | NEW_NET)


def _system(number: int, *arguments: object) -> int:
    return ctypes.CDLL(None, use_errno=True).syscall(ctypes.c_long(number), *arguments)


def _checked(number: int, *arguments: object) -> int:
    value = _system(number, *arguments)
    if value < 0:
        raise OSError(ctypes.get_errno(), f"Landlock: {os.strerror(ctypes.get_errno())}")
    return value
