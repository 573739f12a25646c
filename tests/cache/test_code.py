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
    monkeypatch.setattr(code, "SHAPE_NOTHING", (package / "base",))
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


def test_what_only_settings_import_shapes_nothing(project):
    before = digest()
    (project / "base").mkdir()
    (project / "base" / "settings.py").write_text("import mfer_core.alone\n")
    (project / "near.py").write_text("import mfer_core.base.settings\n" + (project / "near.py").read_text())
    first = digest()
    (project / "alone.py").write_text("y = 3\n")
    assert before != first == digest()


def shaping(module: str) -> set[str]:
    _forget()
    return {path.stem for path in project_files(module, code.SHAPE_NOTHING)}


def test_extraction_does_not_hang_on_what_does_not_shape_it():
    names = shaping("mfer_core.media.clip")
    assert {"clip", "decode", "detector", "faces", "picture", "sampling", "sound", "tracks"} <= names
    assert not names & {"shards", "manifest", "read", "extract", "inspect", "probe", "labels", "protocols"}


def test_one_modality_does_not_hang_on_the_code_of_the_other():
    for encoder, views, others in (
        ("vit", "face_views", {"emotion2vec", "windows", "speech_views", "waveform_augmentation"}),
        ("emotion2vec", "speech_views", {"vit", "images", "face_views", "trivial_augment"}),
    ):
        names = shaping(f"mfer_core.encoders.{encoder}") | shaping(f"mfer_core.encoders.{views}")
        assert {encoder, views} <= names and not names & others
