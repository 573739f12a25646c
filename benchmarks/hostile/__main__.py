"""Damaged and hostile inputs wherever a file or a name comes in: an answer or one line, nothing else.

    python -m benchmarks.hostile [--count 100000 --seed 0 --only archive --keep FOLDER]

Each input is a good one that is changed: bytes flipped, cut, repeated or taken from another place; in text
also a word put in place of another (numbers without bounds, other types, formulas, paths out of the folder).
It is read in a forked process of limited memory. Exit status 1 after anything but a result or a fault that a
person can mend: another exception, a crash, more than ``LIMIT_S``, or a file written outside. ``--keep``
writes those inputs into a folder; those that were found so far are kept in tests/hostile.
"""

import argparse
import sys
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np

from benchmarks.hostile.entrances import entrances
from benchmarks.hostile.inputs import mutated, outcomes

AT_ONCE = 200  # inputs of one forked process


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=100_000, help="inputs over all entrances")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", help="one entrance")
    parser.add_argument("--keep", type=Path, help="a folder for inputs that are a fault")
    options = parser.parse_args()
    total = faulty = 0
    with tempfile.TemporaryDirectory() as scratch:
        chosen = entrances(Path(scratch))
        chosen = {options.only: chosen[options.only]} if options.only else chosen
        for name, entrance in chosen.items():
            counts: Counter[str] = Counter()
            for start in range(0, options.count // len(chosen), AT_ONCE):
                rng = np.random.default_rng([options.seed, start])
                inputs = [mutated(entrance, rng) for _ in range(AT_ONCE)]
                for number, answer in enumerate(outcomes(entrance, inputs)):
                    if answer.startswith("FAULT") and not counts[answer] and options.keep:
                        options.keep.mkdir(parents=True, exist_ok=True)
                        kept = f"{name.replace(' ', '_')}-{options.seed}-{start + number}"
                        (options.keep / kept).write_bytes(inputs[number])
                    counts[answer] += 1
            total += counts.total()
            faulty += sum(count for answer, count in counts.items() if answer.startswith("FAULT"))
            print(f"{name}: {dict(counts.most_common())}", flush=True)
    print(f"{total} inputs, {faulty} faults")
    return int(faulty > 0)


if __name__ == "__main__":
    sys.exit(main())
