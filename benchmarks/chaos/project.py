"""A tiny project, whole and finished, whose stages are run again and again; and what they must leave."""

import hashlib
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from ruamel.yaml import YAML

from flows.pipeline import stages
from mfer_core.cache.code import ROOT

DEMO = {"ravdess": (4, 8), "crema_d": (3, 4), "custom": (2, 8), "fer2013": (4, 14)}  # speakers, clips of each
SETTINGS = {  # the default, shrunk
    "media_corpora": ["ravdess", "crema_d", "custom"],
    "roles": {"pretraining": ["crema_d"]},
    "folds": {"protocols": ["groupk:2"]},
    "shards": {"extract": 8},
    **{name: {"epochs": 2} for name in ("pretrain_vit", "pretrain_emotion2vec", "train_visual")},
    **{name: {"epochs": 2} for name in ("pretrain_audio", "train_audio", "train_fused")},
    "evaluate": {"bootstrap": 100, "permutations": 100},
    "transfer": {"shots": [0, 1], "draws": 1},
    "register": {"protocol": "groupk:2"},
}
COPIED = ("dvc.yaml", "prefect.toml", "prefect.yaml", ".dvcignore", "requirements.lock", "params.yaml")
LINKED = ("flows", "mfer_core", "tasks", "demo", "profiles")
LEFT_OVER = re.compile(r"\.[0-9a-f]{12}\.tmp")  # what a kill leaves of a file that was being written
CORPUS, POOLED = "custom", "crema_d"
RECORDINGS = 3


@dataclass(frozen=True)
class Unit:
    """One thing that is run and killed: a stage (of one corpus), or ``predict``."""

    name: str
    command: tuple[str, ...]
    outputs: tuple[str, ...]  # below the project
    # Settings of an earlier run, whose results lie there when a trial starts "stale".
    earlier: dict = field(default_factory=dict)


EARLIER = {
    "demo": {"seed": 7},
    "ingest": {"corpora": {CORPUS: {"aliases": {"joy": "happy"}}}},
    "extract": {"extract": {"frames_per_second": 4}},
    "pretrain_vit": {"pretrain_vit": {"learning_rate": 2e-3}},
    "pretrain_emotion2vec": {"pretrain_emotion2vec": {"learning_rate": 1e-3}},
    "embed": {"embed": {"dtype": "float16"}},
    "folds": {"seed": 7},
    "train_visual": {"train_visual": {"learning_rate": 1e-3}},
    "pretrain_audio": {"pretrain_audio": {"learning_rate": 1e-3}},
    "train_audio": {"train_audio": {"learning_rate": 1e-3}},
    "train_fused": {"train_fused": {"learning_rate": 1e-3}},
    "evaluate": {"seed": 7},
    "predict": {"seed": 7},  # and the recordings are others
    "register": {"extract": {"detect_side": 300}},
}


def units() -> dict[str, Unit]:
    """Every stage of dvc.yaml, of stages per corpus one of the corpora; then predict."""
    listed = {}
    for name, stage in stages(ROOT / "dvc.yaml").items():
        outputs = (f"data/{name}/{CORPUS}",) if stage.per_corpus else (f"data/{name}",)
        outputs = {
            "demo": ("data/raw/demo",),
            "pool_clips": ("data/pool_clips",),
            "embed": tuple(f"data/embed/{modality}/{CORPUS}" for modality in ("visual", "audio")),
        }.get(name, outputs)
        corpus = POOLED if name == "pool_clips" else CORPUS
        command = (name, "--corpus", corpus) if stage.per_corpus else (name,)
        listed[name] = Unit(name, command, outputs, EARLIER.get(name, {}))
    listed["predict"] = Unit(
        "predict", ("predict", "recordings", "--out", "out"), ("out",), EARLIER["predict"]
    )
    return listed


class Project:
    """One of several projects with everything done, and ``finished``, of which all of them are copies."""

    def __init__(self, root: Path, finished: Path):
        self.root, self.finished = root, finished

    def beside(self, name: str) -> Path:
        """A path of this project's own outside its folder."""
        return self.root.with_name(name)

    def make(self) -> None:
        """Write the project and run it whole, unless that is done: one runs, the others are copies.

        Raises CalledProcessError.
        """
        if self.finished.exists():
            if not self.root.exists():
                shutil.copytree(self.finished, self.root, symlinks=True)
            return
        if not (self.root / "empty.db").exists():
            self._lay_out()
        self._python("-m", "flows", "mfer")
        (self.root / "recordings").mkdir(exist_ok=True)
        clips = (self.root / "data" / "raw" / "demo" / CORPUS).rglob("*.mov")
        for clip in sorted(clips)[:RECORDINGS]:
            shutil.copy(clip, self.root / "recordings" / clip.name)
        self._python("-m", "flows", "predict", "recordings", "--out", "out")
        shutil.copytree(self.root, self.finished, symlinks=True)

    def _lay_out(self) -> None:
        """The project's files and an empty store of MLflow."""
        shutil.rmtree(self.root, ignore_errors=True)
        self.root.mkdir(parents=True)
        for name in COPIED:
            shutil.copy(ROOT / name, self.root / name)
        for name in LINKED:
            (self.root / name).symlink_to(ROOT / name)
        (self.root / ".dvc").mkdir()
        shutil.copy(ROOT / ".dvc" / "config", self.root / ".dvc" / "config")
        self.write_settings({})
        empty = "from tasks.tracking.store import client; from mfer_core.base.settings import load_settings; "
        self._python("-c", f"{empty}client(load_settings().tracking)")
        shutil.copy(self.root / "mlflow.db", self.root / "empty.db")

    def _python(self, *arguments: str) -> None:
        path = {
            "PYTHONPATH": str(ROOT),
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        }
        environment = {**os.environ, **path}
        environment.pop("PREFECT_API_URL", None)
        with (self.root / "make.log").open("a") as log:
            command = [sys.executable, *arguments]
            subprocess.run(command, cwd=self.root, env=environment, stdout=log, stderr=log, check=True)

    def write_settings(self, changes: dict) -> None:
        """params.yaml: the default, shrunk, with ``changes``."""
        yaml = YAML()
        values = yaml.load(ROOT / "params.yaml")
        for name in set(values["corpora"]) - set(DEMO):
            del values["corpora"][name]
        for name, (speakers, clips) in DEMO.items():
            values["corpora"][name]["demo"] = {"speakers": speakers, "clips_per_speaker": clips}
        for layer in (SETTINGS, changes):
            _merge(values, layer)
        yaml.dump(values, self.root / "params.yaml")

    @contextmanager
    def earlier(self, unit: Unit) -> Iterator[None]:
        """The settings, and for predict the recordings, are those of an earlier run."""
        self.write_settings(unit.earlier)
        if unit.name == "predict":
            self._shift_recordings(1)
        try:
            yield
        finally:
            self.write_settings({})
            if unit.name == "predict":
                self._shift_recordings(-1)

    def _shift_recordings(self, by: int) -> None:
        """Give every recording the content of another one."""
        paths = sorted((self.root / "recordings").iterdir())
        contents = [path.read_bytes() for path in paths]
        for number, path in enumerate(paths):
            path.write_bytes(contents[(number + by) % len(paths)])

    def restore_all(self) -> None:
        """Put back whatever an interrupted trial left, of every unit."""
        for name in ("data", "out", "recordings"):
            self.restore((name,))
        self.write_settings({})

    def reset(self, outputs: tuple[str, ...]) -> None:
        """Everything as after the whole run, but ``outputs`` are gone and MLflow is empty."""
        for name in outputs:
            _remove(self.root / name)
        _remove(self.root / "mlartifacts")
        for file in self.root.glob("mlflow.db*"):
            file.unlink()
        shutil.copy(self.root / "empty.db", self.root / "mlflow.db")

    def restore(self, outputs: tuple[str, ...]) -> None:
        """Put back what the whole run left."""
        for name in outputs:
            _remove(self.root / name)
            shutil.copytree(self.finished / name, self.root / name)

    def content(self, outputs: tuple[str, ...], root: Path | None = None) -> dict[str, str]:
        """Every file of the outputs, with its hash; what a kill left of unfinished files is not counted.

        Where a project lies, which links to recordings name, does not count either.
        """
        hashes = {}
        places = re.compile(re.escape(os.fsencode(self.finished.parent)) + rb"/[^/]+/project\b")
        for path in sorted(path for name in outputs for path in ((root or self.root) / name).rglob("*")):
            if path.is_file() and not LEFT_OVER.match(path.name):
                content = places.sub(b"project", path.read_bytes())
                hashes[str(path.relative_to(root or self.root))] = hashlib.sha256(content).hexdigest()
        return hashes

    def tracked(self) -> dict[str, list]:
        """What MLflow shows: keyed runs with counts of what they hold, runs without end, versions."""
        with closing(sqlite3.connect(f"file:{self.root / 'mlflow.db'}?mode=ro", uri=True)) as database:
            return {name: sorted(map(list, database.execute(query))) for name, query in TRACKED.items()}


# MLflow's tags of the program's source are left out: they follow from the path that a process was started by.
TRACKED = {
    "runs": """SELECT e.name, t.value, r.status,
        (SELECT count(*) FROM metrics m WHERE m.run_uuid = r.run_uuid),
        (SELECT count(*) FROM params p WHERE p.run_uuid = r.run_uuid),
        (SELECT count(*) FROM tags g WHERE g.run_uuid = r.run_uuid AND g.key NOT LIKE 'mlflow.source.%')
        FROM runs r JOIN tags t ON t.run_uuid = r.run_uuid AND t.key = 'mfer.key'
        JOIN experiments e ON e.experiment_id = r.experiment_id WHERE r.lifecycle_stage = 'active'""",
    "unfinished": """SELECT e.name, count(*) FROM runs r
        JOIN experiments e ON e.experiment_id = r.experiment_id
        WHERE r.status != 'FINISHED' AND r.lifecycle_stage = 'active' GROUP BY e.name""",
    "versions": """SELECT v.name, v.version, length(v.description) > 0, t.value FROM model_versions v
        LEFT JOIN model_version_tags t ON t.name = v.name AND t.version = v.version AND t.key = 'mfer.key'
        WHERE v.current_stage != 'Deleted_Internal'""",
    "aliases": "SELECT name, alias, version FROM registered_model_aliases",
}


def _merge(values: dict, changes: dict) -> None:
    for key, value in changes.items():
        if isinstance(value, dict) and isinstance(values.get(key), dict):
            _merge(values[key], value)
        else:
            values[key] = value


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
