"""Whether the data still are what was recorded when they were read or written, byte for byte.

DVC takes a file whose size and time are unchanged for unchanged. Here everything is hashed anew: outputs and
raw folders against dvc.lock, recordings against the manifests, registered models against their versions.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from mfer_core.base.errors import Faults, MferError
from mfer_core.base.files import sha256_file
from mfer_core.base.manifest import read_manifest
from mfer_core.base.paths import DataPaths
from mfer_core.base.settings import Settings


def check_content(settings: Settings) -> None:
    """Hash all data anew. Raises Faults, an MferError: a line for each file or folder that differs."""
    with tempfile.TemporaryDirectory(prefix="mfer-") as nothing_known:
        outputs = _dvc("data", "status", "--granular", "--json", state=nothing_known)
        stages = _dvc("status", "--json", state=nothing_known)
    files = dict(_changed_recordings(settings)) | dict(_changed_outputs(outputs))
    # A folder is only named where no file in it is.
    folders = (
        path for path in sorted(_changed_folders(stages)) if not any(_is_in(file, path) for file in files)
    )
    faults = [f"{path}: {fault}" for path, fault in files.items()]
    faults += [
        f"{folder}: not what dvc.lock recorded: run `dvc repro` if that is meant"
        for folder in folders
        if not any(_is_in(file, folder) for file in files)  # Else the file's own line says it.
    ]
    faults += _changed_models(settings)
    if faults:
        raise Faults(faults)


def _is_in(file: str, folder: str) -> bool:
    return Path(file).is_relative_to(folder)


def _changed_outputs(status: dict) -> Iterator[tuple[str, str]]:
    """The files of `dvc data status --json` that are not as their stage wrote them."""
    for change in ("modified", "deleted", "added"):
        for path in status.get("uncommitted", {}).get(change, ()):
            if not path.endswith("/"):
                yield (
                    path,
                    f"{change} since its stage wrote it: run `dvc checkout --force`, or `dvc repro --force`",
                )


def _changed_folders(stages: dict) -> set[str]:
    """The paths of data in `dvc status --json`, of outputs and of dependencies."""
    changes = (change for listed in stages.values() for change in listed if isinstance(change, dict))
    paths = {path for change in changes for paths in change.values() for path in paths}
    return {path for path in paths if _is_in(path, str(DataPaths().root))}


def _dvc(*command: str, state: str) -> dict:
    """DVC's answer in JSON, when it has forgotten every hash that it knew."""
    answer = subprocess.run(
        [sys.executable, "-m", "dvc", *command],
        env=os.environ | {"DVC_SITE_CACHE_DIR": state},
        capture_output=True,
        text=True,
        check=False,
    )
    if answer.returncode:
        raise MferError(f"`dvc {command[0]}` failed: {answer.stderr.strip().splitlines()[-1]}")
    return json.loads(answer.stdout or "{}")


def _changed_recordings(settings: Settings) -> Iterator[tuple[str, str]]:
    """Recordings that are no more what ingest read; an image corpus is compared as a folder, by DVC."""
    for name in settings.media_corpora:
        if not DataPaths().manifest(name).exists():
            continue
        folder = settings.corpora[name].path
        for clip in read_manifest(DataPaths().manifest(name)).itertuples():
            path = folder / clip.path
            if not path.exists():
                yield str(path), "gone since it was ingested: bring it back, or run `dvc repro`"
            elif sha256_file(path) != clip.sha256:
                yield str(path), "changed since it was ingested: bring it back, or run `dvc repro`"


def _changed_models(settings: Settings) -> Iterator[str]:
    """Versions of the registered model whose files are not those that were registered."""
    if not DataPaths().model.exists():
        return
    from tasks.tracking.registry import altered_versions

    name = settings.register_model.name
    for version in altered_versions(settings):
        yield f"{name} version {version}: its files in MLflow are not those that were registered"
