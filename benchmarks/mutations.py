"""Damaged headers through the probe: every file gives an answer or a ClipError, within seconds.

    python -m benchmarks.mutations [clip.mp4 --count 1500 --seed 0]

Each mutation changes 1 to 6 bytes of the header of an MP4 (all that is no sample); without one, of a
recording made on the spot. Exit status 1 after any other exception, and after any file that takes longer than
``LIMIT_S``.
"""

import argparse
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.known_plans import Plan
from benchmarks.known_recordings import write_recording
from mfer_core.base.errors import ClipError
from mfer_core.media.probe import probe

LIMIT_S = 5.0


def header_bytes(data: bytes) -> np.ndarray:
    """The positions of an MP4's bytes that lie outside of ``mdat``."""
    inside = np.ones(len(data), bool)
    start = 0
    while start + 8 <= len(data):
        size = int.from_bytes(data[start : start + 4]) or len(data) - start
        if data[start + 4 : start + 8] == b"mdat":
            inside[start + 8 : start + size] = False
        start += max(8, size)
    return np.flatnonzero(inside)


def mutations(data: bytes, count: int, seed: int) -> Iterator[bytes]:
    """``count`` copies of ``data``, each with 1 to 6 random bytes at random places of the header."""
    random, offsets = np.random.default_rng(seed), header_bytes(data)
    for _ in range(count):
        changed = bytearray(data)
        for offset in random.choice(offsets, random.integers(1, 7), replace=False):
            changed[offset] = random.integers(256)
        yield bytes(changed)


def outcome(data: bytes, path: Path) -> str:
    """What the probe makes of ``data``, written to ``path``: "accepted", a ClipError's reason, or "FAULT:
    ...".
    """
    path.write_bytes(data)
    start = time.monotonic()
    try:
        probe(path)
        result = "accepted"
    except ClipError as error:
        result = error.reason
    except Exception as error:
        result = f"FAULT: {type(error).__name__}: {error}"
    return result if time.monotonic() - start < LIMIT_S else f"FAULT: longer than {LIMIT_S:g} s"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("clip", type=Path, nargs="?")
    parser.add_argument("--count", type=int, default=1500)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        plan = Plan("mp4", "libx264", "aac", reordered=True)
        clip = options.clip or write_recording(plan, Path(folder), "clip")[0]
        path = Path(folder) / f"changed{clip.suffix}"
        changed = mutations(clip.read_bytes(), options.count, options.seed)
        results = Counter(outcome(data, path) for data in changed)
    for result, count in results.most_common():
        print(f"{count:6} {result}")
    return int(any(result.startswith("FAULT") for result in results))


if __name__ == "__main__":
    sys.exit(main())
