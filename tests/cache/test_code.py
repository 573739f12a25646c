"""A step's code digest: what its imports reach, and nothing else."""

import pytest

from mfer_core.cache import code
from mfer_core.cache.code import code_digest, project_files


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A small project: entry -> near -> far, and a module that nobody imports."""
    package = tmp_path / "mfer_core"
    package.mkdir()
    files = {
        "__init__": "",
        "entry": "import mfer_core.near\n",
        "near": "def f():\n    from mfer_core import far\n    return far.x\n",
        "far": "x = 1\n",
        "alone": "y = 1\n",
    }
    for name, text in files.items():
        (package / f"{name}.py").write_text(text)
    monkeypatch.setattr(code, "ROOT", tmp_path)
    yield package
    _forget()


def _forget() -> None:
    project_files.cache_clear()
    code_digest.cache_clear()


def digest() -> str:
    _forget()
    return code_digest("mfer_core.entry")


def test_imports_are_followed_also_inside_functions(project):
    assert [path.name for path in project_files("mfer_core.entry")] == ["entry.py", "far.py", "near.py"]


def test_a_change_of_reached_code_changes_the_digest(project):
    before = digest()
    (project / "far.py").write_text("x = 2\n")
    assert digest() != before


def test_comments_layout_and_other_modules_do_not(project):
    before = digest()
    (project / "far.py").write_text("# said better\n\nx   =   1\n")
    (project / "alone.py").write_text("y = 2\n")
    assert digest() == before


def test_extraction_does_not_hang_on_what_does_not_shape_it():
    _forget()
    names = {path.name for path in project_files("mfer_core.media.clip")}
    assert {
        "clip.py",
        "decode.py",
        "detector.py",
        "faces.py",
        "picture.py",
        "sampling.py",
        "sound.py",
        "tracks.py",
    } <= names
    assert not names & {
        "shards.py",
        "manifest.py",
        "read.py",
        "extract.py",
        "inspect.py",
        "probe.py",
        "labels.py",
    }
