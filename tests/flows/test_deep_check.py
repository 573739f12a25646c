"""A bit that flipped anywhere below `data` is found, though DVC says that everything is up to date."""

import os
from pathlib import Path

import pytest
from dvc.repo import Repo

from flows.deep_check import check_content
from mfer_core.base.errors import Faults
from mfer_core.base.files import sha256_file
from mfer_core.base.manifest import Clip, write_manifest
from mfer_core.base.settings import load_settings
from tests.flows.test_staleness import DATA, finished, project, stale  # noqa: F401 (fixtures)


@pytest.fixture
def unregistered(project, monkeypatch):
    """A finished project whose registry holds no version, and whose recordings are in a manifest."""
    monkeypatch.setattr("tasks.tracking.registry.altered_versions", lambda settings: [])
    folder = load_settings().corpora["ravdess"].path
    (folder / "gone.wav").write_bytes(b"another one")
    facts = {"corpus": "ravdess", "label": "happy", "speaker": "ravdess-1", "has_audio": True}
    clips = [
        Clip(clip_id=f"ravdess/{path.stem}", path=path.name, sha256=sha256_file(path), **facts)
        for path in sorted(folder.iterdir())
    ]
    write_manifest(DATA.manifest("ravdess"), clips, "ravdess")
    with Repo() as repo:
        repo.commit(force=True)
    return project


def flip(path: Path) -> None:
    """Change one bit behind everybody's back: size and times stay."""
    before, content = path.stat(), bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_every_file_with_a_flipped_bit_is_named_by_itself_or_its_folder(unregistered):
    check_content(load_settings())
    files = [path for path in Path("data").rglob("*") if path.is_file()]
    assert len(files) > 30
    for path in files:
        if path != DATA.manifest("ravdess"):
            flip(path)
    assert stale() == set()  # DVC alone sees nothing of it.
    Path("data/raw/demo/ravdess/gone.wav").unlink()
    with pytest.raises(Faults) as caught:
        check_content(load_settings())
    named = {line.split(": ")[0] for line in caught.value.lines}
    for path in files:
        folders = {str(folder) for folder in (path, *path.parents)} - {"data", "."}
        assert folders & named or path == DATA.manifest("ravdess"), path
    assert {"data/raw/demo/ravdess/clip.wav", "data/raw/demo/ravdess/gone.wav"} <= named
    assert any(name.startswith("data/evaluate/") for name in named)
