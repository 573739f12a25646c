"""Tables, settings, names, models, archives and sound, and what reads each."""

import json
import os
import zipfile
from collections.abc import Callable
from functools import partial
from io import BytesIO
from pathlib import Path

import pandas as pd

from benchmarks.hostile.checkpoints import checkpoints
from benchmarks.hostile.inputs import Entrance
from mfer_core.base.errors import ClipError
from mfer_core.cache.code import ROOT


def entrances(scratch: Path) -> dict[str, Entrance]:
    """Every entrance, with a good input that is made in ``scratch``."""
    return {**small_entrances(scratch), **checkpoints(scratch)}


def small_entrances(scratch: Path) -> dict[str, Entrance]:
    """Those without checkpoint folders, whose libraries take long to load."""
    return {
        **_tables(scratch),
        **_metadata(),
        **_settings(),
        **_models(scratch),
        **_files(scratch),
    }


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


AUDFORMAT = """name: mine
schemes: {speaker: {labels: {a: {age: 30, gender: female}, b: {age: 41}}}}
tables: {files: {type: filewise, columns: {emotion: {scheme_id: emotion}, speaker: {scheme_id: speaker}}}}
"""
EMOBOX = [{"key": "a", "wav": "downloads/x/a.wav", "emo": "ang"}, {"key": "b", "wav": "b.wav", "emo": "hap"}]


def _metadata() -> dict[str, Entrance]:
    """The files beside the recordings of audformat's databases and of EmoBox, and the facts of each file."""
    from mfer_core.base.settings import Corpus
    from mfer_core.corpora.registry import adapter

    files = {
        "audformat": {
            "db.yaml": AUDFORMAT,
            "db.files.csv": "file,emotion,speaker\na.wav,happy,a\nb.wav,sad,b\n",
        },
        "emobox": {
            "data/x/x.jsonl": "".join(json.dumps(line) + "\n" for line in EMOBOX),
            "data/x/label_map.json": json.dumps({"ang": "angry", "hap": "happy"}),
            "data/x/data.seg.wrd.stm": "a 1 p1 0.0 1.0 words\nb 1 p2 0.0 1.0 words\n",
        },
    }

    def facts_of(corpus: str, name: str, path: Path) -> object:
        for other, text in files[corpus].items():
            (path.parent / "set" / other).parent.mkdir(parents=True, exist_ok=True)
            (path.parent / "set" / other).write_text(text)
        folder = path.rename(path.parent / "set" / name).parents[name.count("/")]
        kind = adapter(corpus)
        metadata = kind.prepare(folder, Corpus(adapter=corpus, source="local", path=folder))
        return [_read(kind.read, file, metadata) for file in kind.find(folder, metadata)]

    return {
        f"{corpus} {Path(name).name}": Entrance(
            text.encode(), Path(name).name, partial(facts_of, corpus, name), is_text=True
        )
        for corpus, texts in files.items()
        for name, text in texts.items()
    }


def _read(read: Callable[..., object], file: str, metadata: object) -> object:
    """The facts of a file, or why it goes among the rejects."""
    try:
        return read(file, metadata)
    except ClipError as error:
        return error


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
