"""All figures of speed in one table: each a ratio to a peer that the same run measured, beside its bar.

    python -m benchmarks                    half an hour on two cores that do nothing else
    python -m benchmarks embed predict      these alone
    python -m benchmarks --keep             what was measured becomes the bars, benchmarks/bars.json

Ends with status 1 where a figure is a tenth worse than its bar, or where a benchmark fails: some of them look
for wrong results rather than for slow ones. Ratios move far less between machines than seconds do, but they
move: the bars name the machine that they are of.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

import pandas as pd

from benchmarks.figures import VARIABLE, Figure, handed_over

BARS = Path(__file__).with_name("bars.json")
# Benchmark -> its arguments here: fewer inputs than where it is run alone, since a fault shows in each run.
RUN = {
    "silent_wrong": ("--count", "60"),
    "mutations": (),
    "hostile": ("--count", "3200"),
    "ingest": (),
    "extract": ("--count", "28", "--repeat", "2"),
    "scaling": (),
    "embed": (),
    "train": (),
    "predict": (),
    "pipeline": (),
}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", help="benchmarks to run; all when none is named")
    parser.add_argument("--keep", action="store_true", help="make what is measured the bars")
    options = parser.parse_args()
    if unknown := set(options.names) - set(RUN):
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))}; choose among {', '.join(RUN)}")
    figures, failed = measured(options.names or [*RUN])
    bars = {"machine": "no machine yet", "bars": {}}
    if BARS.exists():
        bars = json.loads(BARS.read_text(encoding="utf-8"))
    print(f"\n{machine()}, load at the end {os.getloadavg()[0]:.1f}; bars of {bars['machine']}\n")
    print(table(figures, bars["bars"]))
    worse = [one.what for one in figures if not one.holds(bars["bars"].get(one.what, one.ratio))]
    if options.keep:
        kept = bars["bars"] | {one.what: round(one.ratio, 3) for one in figures}
        BARS.write_text(json.dumps({"machine": machine(), "bars": kept}, indent=1) + "\n", encoding="utf-8")
    for one in failed:
        print(f"failed: {one}")
    for what in worse:
        print(f"a tenth worse than its bar: {what}")
    return int(bool(failed or (worse and not options.keep)))


def measured(names: list[str]) -> tuple[list[Figure], list[str]]:
    """The figures of these benchmarks, each in a process of its own, and the names of those that failed."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "figures"
        path.touch()
        failed = []
        for name in names:
            print(f"\n## {name}\n", flush=True)
            command = [sys.executable, "-m", f"benchmarks.{name}", *RUN[name]]
            if subprocess.run(command, env=os.environ | {VARIABLE: str(path)}, check=False).returncode:
                failed.append(name)
        return handed_over(path), failed


def table(figures: list[Figure], bars: dict[str, float]) -> str:
    rows = [
        {
            "what": one.what,
            "times that of": one.peer,
            "ratio": f"{one.ratio:.2f}",
            "better": one.better,
            "bar": f"{bars[one.what]:.2f}" if one.what in bars else "none yet",
            "": "" if one.holds(bars.get(one.what, one.ratio)) else "WORSE",
        }
        for one in figures
    ]
    return pd.DataFrame(rows).to_markdown(index=False) if rows else "no figures"


def machine() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    model = next((line.split(": ")[1] for line in lines if line.startswith("model name")), platform.machine())
    return f"{os.cpu_count()} cores of {model}"


if __name__ == "__main__":
    sys.exit(main())
