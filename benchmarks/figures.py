"""The figures of a benchmark that `python -m benchmarks` holds to their bars, each a ratio to a peer that was
measured in the same run.
"""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

VARIABLE = "MFER_BENCHMARK_FIGURES"  # The file that a benchmark appends its figures to.
WORSE = 0.1  # A figure that is worse than its bar by more than this share of it is a regression.
BETTER = ("less", "more")


@dataclass(frozen=True)
class Figure:
    """``what`` was measured, as a ``ratio`` to ``peer``, and whether ``less`` or ``more`` is better."""

    what: str
    peer: str
    ratio: float
    better: str

    def holds(self, bar: float) -> bool:
        if self.better == "less":
            return self.ratio <= bar * (1 + WORSE)
        return self.ratio >= bar * (1 - WORSE)


def hand_over(*figures: Figure) -> None:
    """Append figures to the file that ``python -m benchmarks`` named; run alone, a benchmark printed them."""
    if path := os.environ.get(VARIABLE):
        with Path(path).open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(asdict(figure)) + "\n" for figure in figures)


def handed_over(path: Path) -> list[Figure]:
    return [Figure(**json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]
