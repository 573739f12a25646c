"""The files of a project beside its code: dvc.yaml, the profiles, Prefect's settings.

In a checkout they lie beside the packages. An installed package carries them, and `mfer init` writes them
into a folder. DVC cannot see the code of an installed package, so that in such a folder the file CODE stands
for it: whatever depends on code depends on it, and a run writes it anew when another version is installed.
"""

import hashlib
import shutil
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path

from flows.pipeline import project_file
from mfer_core.base.errors import MferError
from mfer_core.base.files import atomic_path, refused_writes
from mfer_core.base.settings.reading import read_yaml, yaml_layout
from mfer_core.cache.code import PACKAGES, ROOT, project_digest

CODE = Path("code.txt")
PIPELINE = "dvc.yaml"
COPIED = ("params.yaml", "requirements.lock", "profiles", "prefect.toml", ".dvcignore", ".gitignore")
DEPLOYMENT = "prefect.yaml"


def initialise(folder: Path) -> None:
    """Lay out a project in a new or empty ``folder``. Raises MferError where it holds something, or cannot
    be written.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise MferError(f"{folder} is there and not empty: name a new folder")
    with refused_writes(folder):
        (folder / "data" / "raw").mkdir(parents=True)
        for name in COPIED:
            source = project_file(name)
            (shutil.copytree if source.is_dir() else shutil.copyfile)(source, folder / name)
        _write_pipeline(folder)
        deployment = project_file(DEPLOYMENT).read_text(encoding="utf-8")
        as_module = deployment.replace("flows/mfer.py:mfer", "flows.mfer.mfer")
        (folder / DEPLOYMENT).write_text(as_module, encoding="utf-8")
        (folder / CODE).write_text(_installed_code(), encoding="utf-8")
    _init_dvc(folder)


def record_code(folder: Path = Path()) -> None:
    """Bring CODE up to date where the project has one."""
    path = folder / CODE
    if path.exists() and path.read_text(encoding="utf-8") != (code := _installed_code()):
        with atomic_path(path) as temporary:
            temporary.write_text(code, encoding="utf-8")


def _installed_code() -> str:
    """A line that differs whenever the code does. An installer's record has a hash of every file."""
    mfer = distribution("mfer")
    record = "" if (ROOT / PIPELINE).exists() else mfer.read_text("RECORD") or ""
    digest = hashlib.sha256(record.encode()).hexdigest()[:16] if record else project_digest()
    return f"mfer {mfer.version} {digest}\n"


def _write_pipeline(folder: Path) -> None:
    """dvc.yaml with CODE in place of the code folders."""
    pipeline = read_yaml(project_file(PIPELINE), keep_layout=True)
    for entry in pipeline["stages"].values():
        stage = entry.get("do", entry)
        stage["deps"] = [dep for dep in stage["deps"] if dep.split("/")[0] not in PACKAGES] + [str(CODE)]
    with (folder / PIPELINE).open("w", encoding="utf-8") as file:
        yaml_layout().dump(pipeline, file)


def _init_dvc(folder: Path) -> None:
    """Make the folder DVC's: of the git repository that it is in, where there is one."""
    above = [
        parent for parent in (folder.absolute(), *folder.absolute().parents) if (parent / ".git").exists()
    ]
    options = (["--subdir"] if above[0] != folder.absolute() else []) if above else ["--no-scm"]
    asked = subprocess.run(
        [sys.executable, "-m", "dvc", "init", "--quiet", *options], cwd=folder, capture_output=True, text=True
    )
    if asked.returncode:
        raise MferError(f"DVC refuses {folder}: {asked.stderr.strip().removeprefix('ERROR: ')}")
    from dvc.config import Config

    with Config(str(folder / ".dvc")).edit("repo") as config:
        config.setdefault("core", {}).update(analytics=False, check_update=False)
