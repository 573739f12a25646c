"""Hostile requests to a real `mfer service`: each is answered in time by a result or by an error of theirs.

    python -m benchmarks.hostile.service [--count 5000 --seed 0 --keep FOLDER]

A fault is no answer, status 500 and above, a body that is not JSON where the service itself answers, a
process that is gone, or one whose memory grew. What is no HTTP is refused in plain words before the service
sees it.
"""

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from urllib.parse import quote, urlencode

import numpy as np
import psutil

from benchmarks.cost import Memory, memory_of
from benchmarks.hostile.inputs import WORDS, Entrance, mutated
from flows.servers import HOST, free_port
from mfer_core.base.settings import PretrainVit, load_settings
from mfer_core.cache.code import ROOT
from tests.encoders.conftest import NARROW, VIT
from tests.media.recordings import face_picture, tone, write_clip
from tests.prediction.models import narrow_conf, write_model

ANSWER_S = 60.0  # four wait for one another, each of a clip of half a second
UNFINISHED_S = 1.0  # after which a client that owes the rest of its request goes away
CLIENTS = 4
START_S = 300
MOST_MB = 1
GROWTH_MIB = 100.0  # that memory may grow by after the first tenth of all requests
REFUSED_BEFORE = b"Invalid HTTP request received."
NUMBERS = ("0", "-1", "nan", "inf", "1e-9", "1e999", "0x10", "", "4,0", "1" * 400, "0.1", "2", "1e308")


@contextmanager
def serving(folder: Path) -> Iterator[tuple[psutil.Process, int]]:
    """The service's process and its port."""
    extract = load_settings(ROOT / "params.yaml").extract
    model = write_model(folder / "model", extract, PretrainVit(**VIT), narrow_conf(NARROW))
    port = free_port()
    command = [sys.executable, "-m", "flows", "service", "--model", str(model), "--port", str(port)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            [*command, "--max-mb", str(MOST_MB)], cwd=ROOT, env=environment, stdout=log, stderr=log
        )
    try:
        started = time.monotonic()
        while not _is_well(port):
            if server.poll() is not None or time.monotonic() > started + START_S:
                raise SystemExit(f"the service did not start: {(folder / 'log').read_text()}")
            time.sleep(0.5)
        yield psutil.Process(server.pid), port
    finally:
        server.terminate()
        server.wait()


def _is_well(port: int) -> bool:
    """Whether /health answers."""
    try:
        return ask(port, request("GET", "/health", b"")).startswith(b"HTTP/1.1 200")
    except OSError:
        return False


def request(method: str, target: str, body: bytes, headers: dict[str, str] | None = None) -> bytes:
    """The bytes of a request."""
    lines = {"Host": HOST, "Connection": "close", "Content-Length": str(len(body)), **(headers or {})}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"{method} {target} HTTP/1.1\r\n{head}\r\n".encode("utf-8", "surrogateescape") + body


def ask(port: int, content: bytes, patience_s: float = ANSWER_S) -> bytes:
    """All that the server says to these bytes. Raises TimeoutError."""
    said = []
    with socket.create_connection((HOST, port), patience_s) as connection:
        # The server may answer before a request came whole, and close the connection.
        with suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(content)
        with suppress(ConnectionResetError):
            while piece := connection.recv(65_536):
                said.append(piece)
    return b"".join(said)


def requests(rng: np.random.Generator, good: bytes) -> Iterator[tuple[bytes, bool]]:
    """Hostile requests without end, every kind in turn, and whether each is whole: the service may wait for
    the rest of one that is not.
    """
    recording = Entrance(good, "recording", bytes)
    whole = Entrance(b"", "request", bytes, is_text=True)
    while True:
        body = mutated(recording, rng)
        yield request("POST", "/predict", body), True
        words = [WORDS[rng.integers(len(WORDS))] for _ in range(3)]
        asked = {"name": words[0] * int(rng.integers(1, 90)), words[1]: words[2]}
        yield request("POST", f"/predict?{urlencode(asked)}", body[:200]), True
        numbers = {name: NUMBERS[rng.integers(len(NUMBERS))] for name in ("window_s", "step_s")}
        yield request("POST", f"/predict?{urlencode(numbers)}", good if rng.integers(4) == 0 else body), True
        yield request("POST", "/predict", _multipart(body, words[0]), {"Content-Type": MULTIPART}), True
        lengths = {"Content-Length": [*NUMBERS, str(len(body) * 2), "1"][rng.integers(len(NUMBERS) + 2)]}
        yield request("POST", "/predict", body, lengths), False
        yield request("POST", "/predict", _chunked(body, rng), {"Transfer-Encoding": "chunked"}), False
        yield request("POST", "/predict", bytes(rng.integers((MOST_MB << 20) - 9, (MOST_MB << 20) + 9))), True
        path = quote(words[0], safe="/~=+%&*[]{}") or "/"
        yield request(["GET", "PUT", "POST", "BREW"][rng.integers(4)], f"/{path}", b"", {"X-Word": "a"}), True
        stranger = {["Host", "Origin", "Sec-Fetch-Site"][rng.integers(3)]: words[2].replace("\0", "\t")}
        yield request("GET", "/model", b"", stranger), True
        start = request("POST", "/predict", body)
        kept = int(rng.integers(1, 200))
        changed = Entrance(start[:kept], whole.name, bytes, is_text=True)
        yield mutated(changed, rng) + start[kept:], False


MULTIPART = "multipart/form-data; boundary=b"


def _multipart(body: bytes, name: str) -> bytes:
    head = f'--b\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'
    return head.encode() + body + b"\r\n--b--\r\n"


def _chunked(body: bytes, rng: np.random.Generator) -> bytes:
    sizes = [b"%x" % len(body), b"-1", b"f" * 17, b"zz", b"%x" % (len(body) + 5)]
    return sizes[rng.integers(len(sizes))] + b"\r\n" + body + b"\r\n0\r\n\r\n"


def verdict(said: bytes) -> str:
    """ "200", "422" and so on, or "FAULT: ..." """
    head, _, body = said.partition(b"\r\n\r\n")
    status = head[9:12].decode("ascii", "replace")
    if not said:
        return "FAULT: no answer"
    if not (status == "200" or status.startswith("4")):
        return f"FAULT: {head.splitlines()[0]!r}"
    if REFUSED_BEFORE in body:
        return f"{status} before the service"
    try:
        json.loads(body)
    except ValueError:
        return f"FAULT: {status} without JSON: {body[:80]!r}"
    return status


def outcome(port: int, asked: tuple[bytes, bool]) -> str:
    """The verdict on what the server says to these bytes."""
    content, whole = asked
    try:
        said = ask(port, content, ANSWER_S if whole else UNFINISHED_S)
        return verdict(said) if said or whole else "closed"
    except TimeoutError:
        if not whole:
            return "waits for the rest"
        return f"FAULT: no answer within {ANSWER_S:g} s"


def held_mib(server: psutil.Process) -> float:
    """What the server and its processes hold."""
    return sum(map(memory_of, [server, *server.children(recursive=True)]), Memory()).held


def attack(server: psutil.Process, port: int, count: int, seed: int, keep: Path | None) -> Counter[str]:
    """How many of so many requests had which verdict; memory that grows is one more."""
    with tempfile.TemporaryDirectory() as folder:
        clip = Path(folder) / "clip.mp4"
        write_clip(clip, [face_picture((80, 90, 100))] * 5, range(0, 500, 100), tone(0.5))
        coming = requests(np.random.default_rng(seed), clip.read_bytes())
        counts: Counter[str] = Counter()
        early = 0.0
        with ThreadPoolExecutor(CLIENTS) as pool:
            for start in range(0, count, CLIENTS * 4):
                asked = [next(coming) for _ in range(min(CLIENTS * 4, count - start))]
                for number, answer in enumerate(pool.map(partial(outcome, port), asked)):
                    if answer.startswith("FAULT") and not counts[answer] and keep:
                        keep.mkdir(parents=True, exist_ok=True)
                        (keep / f"service-{seed}-{start + number}").write_bytes(asked[number][0])
                    counts[answer] += 1
                early = early or (held_mib(server) if start > count // 10 else 0.0)
    held = held_mib(server)
    print(f"memory: {early:.0f} MiB after a tenth of all requests, {held:.0f} at the end")
    counts["FAULT: its memory grew"] += int(held > early + GROWTH_MIB)
    counts["FAULT: it is gone"] += int(not _is_well(port))
    return +counts


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="a folder for requests that are a fault")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder)) as (server, port):
        counts = attack(server, port, options.count, options.seed, options.keep)
    print(f"{counts.total()} requests: {dict(counts.most_common())}")
    return int(any(answer.startswith("FAULT") for answer in counts))


if __name__ == "__main__":
    sys.exit(main())
