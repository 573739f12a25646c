"""Tables, settings, names, models, archives and sound, and what reads each."""

import json
import os
import zipfile
from io import BytesIO
from pathlib import Path

import pandas as pd

from benchmarks.hostile.checkpoints import checkpoints
from benchmarks.hostile.inputs import Entrance
from mfer_core.cache.code import ROOT


def entrances(scratch: Path) -> dict[str, Entrance]:
    """Every entrance, with a good input that is made in ``scratch``."""
    return {**_tables(scratch), **_settings(), **_models(scratch), **_files(scratch), **checkpoints(scratch)}


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
