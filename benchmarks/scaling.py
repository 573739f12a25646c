"""How much faster extraction is on two Dask workers than on one: a real scheduler and real workers on
loopback.

    python -m benchmarks.scaling                      on clips that it makes
    python -m benchmarks.scaling --clips FOLDER       on your own recordings

Each number of workers has a cluster of its own, warmed up before it is timed; the results are compared byte
by byte.
"""

import argparse
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.extract import clips_of, manifest_of
from benchmarks.figures import Figure, hand_over
from flows.environment import set_environment
from flows.local_api import ensure_api
from mfer_core.base.files import sha256_file
from mfer_core.base.settings import Extract, load_settings


@contextmanager
def cluster(workers: int) -> Iterator[str]:
    """The address of a scheduler with ``workers`` worker processes of one thread each, started as
    docs/cluster.md says.
    """
    from distributed import Client

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = f"tcp://127.0.0.1:{port}"
    scheduler = [
        "distributed.cli.dask_scheduler",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "--no-dashboard",
    ]
    commands = [scheduler, ["flows", "worker", address, "--workers", str(workers)]]
    processes = [
        subprocess.Popen([sys.executable, "-m", *command], stderr=subprocess.DEVNULL) for command in commands
    ]
    try:
        with Client(address, timeout=60, set_as_default=False) as client:
            client.wait_for_workers(workers, timeout=60)
        yield address
    finally:
        for process in processes:
            process.terminate()
            process.wait()


def extract(clips: list[Path], out: Path, settings: Extract, shard_clips: int, address: str) -> float:
    """Seconds that the clips take on the cluster at ``address``."""
    from prefect import flow

    from mfer_core.base.paths import DataPaths
    from tasks.extract import extract_shards

    start = time.perf_counter()
    flow(name="scaling")(
        lambda: extract_shards(
            "bench", manifest_of(clips), Path("/"), DataPaths(out), settings, shard_clips, 2, address
        )
    )()
    return time.perf_counter() - start


def main() -> None:
    options = _options()
    set_environment()
    ensure_api()
    settings = load_settings().extract
    seconds, contents = {}, {}
    with tempfile.TemporaryDirectory() as folder:
        originals = clips_of(options.clips, options.originals, Path(folder))
        clips = [originals[index % len(originals)] for index in range(options.count)]
        for workers in options.workers:
            with cluster(workers) as address:
                extract(
                    clips[: 4 * workers],
                    Path(folder) / f"warm-{workers}",
                    settings,
                    1,
                    address,
                )
                out = Path(folder) / f"out-{workers}"
                seconds[workers] = extract(clips, out, settings, options.shard_clips, address)
            contents[workers] = {
                path.relative_to(out): sha256_file(path) for path in sorted(out.rglob("*.parquet"))
            }
    least = min(seconds)
    print(f"{options.count} clips in shards of about {options.shard_clips}")
    for workers, spent in seconds.items():
        same = "same bytes" if contents[workers] == contents[least] else "OTHER BYTES"
        print(
            f"{workers:3} workers {spent:8.1f} s, {seconds[least] / spent:.2f} times as fast as {least}, "
            f"{same}"
        )
    most = max(seconds)
    hand_over(
        Figure(f"extract on {most} Dask workers", f"on {least}", seconds[most] / seconds[least], "less")
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clips", type=Path, help="folder of recordings; made when not given")
    parser.add_argument("--originals", type=int, default=2, help="clips to make")
    parser.add_argument(
        "--count", type=int, default=48, help="clips to run over (originals come several times)"
    )
    parser.add_argument("--shard-clips", type=int, default=4)
    parser.add_argument("--workers", type=int, nargs="*", default=[1, 2])
    return parser.parse_args()


if __name__ == "__main__":
    main()
