"""Damaged and hostile inputs wherever a file or a name comes in: an answer or one line, nothing else.

    python -m benchmarks.hostile [--count 100000 --seed 0 --only archive --keep FOLDER]

Each input is a good one that is changed: bytes flipped, cut, repeated or taken from another place; in text
also a word put in place of another (numbers without bounds, other types, formulas, paths out of the folder).
It is read in a forked process of limited memory. Exit status 1 after anything but a result or a fault that a
person can mend: another exception, a crash, more than ``LIMIT_S``, or a file written outside. ``--keep``
writes those inputs into a folder; those that were found so far are kept in tests/hostile.
"""

import argparse
import json
import os
import resource
import signal
import sys
import tempfile
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd

from mfer_core.base.errors import mendable, typed_line
from mfer_core.cache.code import ROOT

LIMIT_S = 10
MEMORY = 2 << 30  # bytes beyond what the process has when it starts
AT_ONCE = 200  # inputs of one forked process
WORDS = (
    *("", "null", "-1", "0", "1e999", "nan", "9" * 30, "true", "[]", "{}", '"', "'", "\\", "\x00", "\ufeff"),
    *(
        "../../outside",
        "/etc/passwd",
        "~",
        "=1+1",
        "%s%n",
        "!!python/object/apply:os.system",
        "&a *a",
        "\u202e",
    ),
)


@dataclass(frozen=True)
class Entrance:
    """A place where input comes in: a good one, the name of its file, and what reads it."""

    good: bytes
    name: str
    read: Callable[[Path], object]
    is_text: bool = False


def entrances(scratch: Path) -> dict[str, Entrance]:
    """Every entrance, with a good input that is made in ``scratch``."""
    return {**_tables(scratch), **_settings(), **_models(scratch), **_files(scratch)}


def _tables(scratch: Path) -> dict[str, Entrance]:
    from mfer_core.base.features_file import open_features
    from mfer_core.base.manifest import Clip, read_manifest, validate, write_manifest
    from mfer_core.corpora.custom_manifest import FileNames, read_rows

    facts = {"corpus": "c", "label": "happy", "speaker": "c-1", "has_audio": True}
    clips = [Clip(clip_id=f"c/{n}", path=f"{n}.wav", sha256=f"{n}", **facts) for n in range(5)]
    write_manifest(scratch / "manifest.parquet", clips, "c")
    features = pd.DataFrame({"name": ["a", "a", "b"], "start": [0.0, 0.1, 0.0], "f1": [1.0, 2.0, 3.0]})
    features.to_parquet(scratch / "features.parquet")
    table = b"path;label;speaker;sex;age\na.wav;happy;p1;female;30\nb.wav;sad;p2;male;41\n"

    def features_of(path: Path) -> object:
        file = open_features(path)
        return list(file.read(file.count_rows()))

    def manifest_of(path: Path) -> object:
        manifest = read_manifest(path)
        validate(manifest, "c")
        return manifest

    def rows_of(path: Path) -> object:
        return read_rows(path.parent, Path(path.name), FileNames(["a.wav", "b.wav"]))

    return {
        "manifest": Entrance((scratch / "manifest.parquet").read_bytes(), "manifest.parquet", manifest_of),
        "features parquet": Entrance((scratch / "features.parquet").read_bytes(), "f.parquet", features_of),
        "features csv": Entrance(features.to_csv(index=False).encode(), "f.csv", features_of, is_text=True),
        "table of a custom set": Entrance(table, "table.csv", rows_of, is_text=True),
    }


def _settings() -> dict[str, Entrance]:
    from mfer_core.base.files import read_json
    from mfer_core.base.settings import load_settings
    from mfer_core.prediction.results_folder import result_name

    settings = (ROOT / "params.yaml").read_bytes()
    name = "Actor_01/02-01-06-01-02-01-12.mp4"

    def name_of(path: Path) -> object:
        name = result_name(Path(os.fsdecode(path.read_bytes())))
        (path.parent / f"{name}.parquet").write_bytes(b"")  # The name is that of a file in this folder.
        return name

    return {
        "settings": Entrance(settings, "params.yaml", load_settings, is_text=True),
        "json": Entrance(json.dumps({"a": [1, {"b": None}]}).encode(), "a.json", read_json, is_text=True),
        "media name": Entrance(name.encode(), "name", name_of, is_text=True),
        **{f"name in {corpus}": _name_in(corpus, good) for corpus, good in NAMES.items()},
    }


NAMES = {
    "ravdess": "Actor_01/02-01-06-01-02-01-12.mp4",
    "shemo": "female/F01A01.wav",
    "sdc": "News/wavs/1seg_ang.wav",
    "urdu": "Angry/SM1_F1_A001.wav",
}


def _name_in(corpus: str, good: str) -> Entrance:
    from mfer_core.corpora.registry import adapter

    read = adapter(corpus).read

    def facts_of(path: Path) -> object:
        return read(os.fsdecode(path.read_bytes()), {})

    return Entrance(good.encode(), "name", facts_of, is_text=True)


def _models(scratch: Path) -> dict[str, Entrance]:
    from mfer_core.models.arm import Arm, ArmConfig
    from mfer_core.models.store import CONFIG, WEIGHTS, describe_model, load_trained, save_weights

    sizes = {"input_dim": 4, "hidden_size": 4, "layers": 1, "dropout": 0.0}
    arm = Arm(ArmConfig(modality="audio", classes=("a", "b", "c"), **sizes))
    folder = scratch / "model"
    folder.mkdir()
    save_weights(folder, arm)
    config = {"key": "k", "labels": ["a", "b", "c"], "model": describe_model(arm)}
    (folder / CONFIG).write_text(json.dumps(config))

    def with_the_other(path: Path) -> object:
        (other,) = {CONFIG, WEIGHTS} - {path.name}
        (path.parent / other).write_bytes((folder / other).read_bytes())
        return load_trained(path.parent)

    return {
        "model config": Entrance((folder / CONFIG).read_bytes(), CONFIG, with_the_other, is_text=True),
        "model weights": Entrance((folder / WEIGHTS).read_bytes(), WEIGHTS, with_the_other),
    }


def _files(scratch: Path) -> dict[str, Entrance]:
    from mfer_core.corpora.unpack import unpack
    from mfer_core.media.probe import probe
    from tests.corpora.media_files import write_wav

    content = BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("a/one.wav", "a/two.wav", "b/three.txt"):
            archive.writestr(name, name * 40)
    write_wav(scratch / "sound.wav")

    def unpacked(path: Path) -> object:
        return unpack(path, path.parent / "unpacked")

    return {
        "archive": Entrance(content.getvalue(), "a.zip", unpacked),
        "wav": Entrance((scratch / "sound.wav").read_bytes()[:4000], "a.wav", probe),
    }


def mutated(entrance: Entrance, rng: np.random.Generator) -> bytes:
    """One to four changes to the good input."""
    data = bytearray(entrance.good)
    for _ in range(rng.integers(1, 5)):
        if not data:
            break
        start = int(rng.integers(len(data)))
        end = min(len(data), start + int(rng.integers(1, 33)))
        way = rng.integers(6 if entrance.is_text else 5)
        if way == 0:
            data[start] = rng.integers(256)
        elif way == 1:
            data[start] ^= 1 << rng.integers(8)
        elif way == 2:
            del data[start:end]
        elif way == 3:
            data[start:start] = data[start:end] * int(rng.integers(1, 5))
        elif way == 4:
            other = int(rng.integers(len(data)))
            data[start:end] = data[other : other + end - start]
        else:
            _replace_word(data, start, WORDS[rng.integers(len(WORDS))].encode())
    return bytes(data)


def _replace_word(data: bytearray, start: int, word: bytes) -> None:
    """Put ``word`` in place of what stands between two separators around ``start``."""
    separators = b" \n:,;\"'{}[]/-_"
    first = next((at for at in range(start, 0, -1) if data[at - 1] in separators), 0)
    last = next((at for at in range(start, len(data)) if data[at] in separators), len(data))
    data[first:last] = word


def outcome(entrance: Entrance, data: bytes, folder: Path) -> str:
    """ "read", "refused", or "FAULT: ..." for what is no answer, in this very process."""
    path = folder / "in" / entrance.name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    signal.alarm(LIMIT_S)  # ends the process: what hangs in C hears nothing else
    try:
        entrance.read(path)
        result = "read"
    except Exception as error:
        result = "refused" if mendable(error) else f"FAULT: {typed_line(error)}"
    finally:
        signal.alarm(0)
    outside = sorted(other.name for other in folder.iterdir() if other.name != "in")
    return f"FAULT: written outside: {outside}" if outside else result


def outcomes(entrance: Entrance, inputs: list[bytes]) -> Iterator[str]:
    """The outcomes of all inputs; a process that died answers for the input at which it did."""
    answers: list[str] = []
    while len(answers) < len(inputs):
        reading, writing = os.pipe()
        child = os.fork()
        if not child:
            os.close(reading)
            _answer(entrance, inputs[len(answers) :], writing)
        os.close(writing)
        with os.fdopen(reading) as lines:
            answers += [line.rstrip("\n") for line in lines]
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if status:
            answers.append(f"FAULT: the process ended with status {status}")
    yield from answers


def _answer(entrance: Entrance, inputs: list[bytes], writing: int) -> None:
    status = 1
    try:
        size = int(Path("/proc/self/statm").read_text().split()[5]) * os.sysconf("SC_PAGE_SIZE")
        resource.setrlimit(resource.RLIMIT_DATA, (size + MEMORY, size + MEMORY))
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        with os.fdopen(writing, "w", buffering=1) as lines:
            for data in inputs:
                with tempfile.TemporaryDirectory(prefix="hostile-") as folder:
                    line = outcome(entrance, data, Path(folder))
                lines.write(" ".join(line.split())[:300] + "\n")
        status = 0
    finally:
        os._exit(status)


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
