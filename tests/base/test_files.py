"""A file is whole or not there, has the umask's permissions, is on the disk; a full disk is one line."""

import errno
import os
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
import soundfile
import torch
from safetensors.torch import save_file

from mfer_core.base import errors
from mfer_core.base.errors import MferError
from mfer_core.base.files import (
    atomic_folder,
    atomic_path,
    read_object,
    refused_writes,
    remove,
    write_json,
    write_table,
)

FULL = Path("/dev/full")  # a device on which every write fails as on a full disk

WRITERS = {
    "text.txt": lambda path: path.write_text("x"),
    "weights.safetensors": lambda path: save_file({"a": torch.zeros(2)}, path),
    "table.csv": lambda path: pd.DataFrame({"a": [1]}).to_csv(path),
    "sound.wav": lambda path: soundfile.write(path, [0.0] * 100, 16_000),
}

needs_full_disk = pytest.mark.skipif(
    not FULL.is_char_device(), reason=f"{FULL} is not the kernel's device here"
)


@pytest.fixture
def umask():
    """Sets the umask for the length of a test."""
    before = os.umask(0o022)
    yield os.umask
    os.umask(before)


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o027, 0o640), (0o077, 0o600)])
def test_permissions_are_those_of_the_umask_whichever_library_writes(tmp_path, umask, name, mask, mode):
    umask(mask)
    with atomic_path(tmp_path / name) as temporary:
        WRITERS[name](temporary)
    assert (tmp_path / name).stat().st_mode & 0o777 == mode


def test_a_name_may_be_as_long_as_names_go(tmp_path):
    write_json(tmp_path / f"{'x' * 250}.json", 1)
    assert [len(path.name) for path in tmp_path.iterdir()] == [255]


def test_nothing_is_left_of_a_write_that_failed_and_the_file_of_before_stays(tmp_path):
    write_json(tmp_path / "a.json", 1)
    with pytest.raises(ZeroDivisionError), atomic_path(tmp_path / "a.json") as temporary:
        temporary.write_text("half")
        raise ZeroDivisionError
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"a.json": "1\n"}


@pytest.mark.parametrize("write", [write_json, lambda path, _: write_table(path, pa.table({"a": [1]}))])
def test_bytes_are_synced_before_the_rename_and_the_name_after_it(tmp_path, monkeypatch, write):
    """After a power cut the name stands for the whole new file or for the whole old one."""
    calls, replace = [], Path.replace
    monkeypatch.setattr(os, "fsync", lambda handle: calls.append(Path(f"/proc/self/fd/{handle}").resolve()))
    monkeypatch.setattr(Path, "replace", lambda old, new: calls.append("rename") or replace(old, new))
    write(tmp_path / "a.json", 1)
    temporary, renamed, folder = calls
    assert temporary.parent == tmp_path and temporary.suffix == ".json" and renamed == "rename"
    assert folder == tmp_path


@needs_full_disk
@pytest.mark.parametrize(
    "write",
    [
        lambda: FULL.write_text("x"),
        lambda: pa.OSFile(str(FULL), "w").write(b"x"),
        lambda: pd.DataFrame({"a": [1]}).to_csv(FULL),
    ],
)
def test_a_full_disk_is_a_line_that_names_the_file_and_what_to_do(tmp_path, write):
    said = (
        rf"^cannot write {tmp_path}/sub/a\.bin: the disk is full \([\d.]+ MB are free in {tmp_path}/sub\): "
    )
    with pytest.raises(MferError, match=said), atomic_path(tmp_path / "sub" / "a.bin"):
        write()
    assert not list((tmp_path / "sub").iterdir())


@needs_full_disk
def test_libraries_that_hide_the_number_of_the_fault_are_understood(tmp_path, monkeypatch):
    def write() -> None:
        soundfile.write(FULL, [0.0] * 100_000, 16_000, format="WAV")

    with pytest.raises(soundfile.LibsndfileError), refused_writes(tmp_path / "a.wav"):
        write()  # there is room: the fault is another one
    monkeypatch.setattr(errors.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 0}))
    with pytest.raises(MferError, match="the disk is full"), refused_writes(tmp_path / "a.wav"):
        write()


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (errno.EROFS, "is on a read-only file system: choose"),
        (errno.EACCES, "you may not write in"),
        (errno.EPERM, "you may not write in"),
        (errno.EDQUOT, "the disk is full"),
    ],
)
def test_a_folder_that_may_not_be_written_is_a_line(tmp_path, monkeypatch, code, said):
    def refuse(path, *_, **__):
        raise OSError(code, os.strerror(code), str(path))

    monkeypatch.setattr(Path, "touch", refuse)
    with pytest.raises(MferError, match=rf"^cannot write {tmp_path}/a\.json: .*{said}"):
        write_json(tmp_path / "a.json", 1)


def test_other_faults_keep_their_name(tmp_path):
    """A source that may not be read, or is missing, is no fault of the file that is written."""
    for fault in (PermissionError(errno.EACCES, "no", "/elsewhere/source"), FileNotFoundError("source")):
        with pytest.raises(type(fault)), atomic_path(tmp_path / "a.bin"):
            raise fault


def test_a_folder_is_replaced_as_a_whole_and_what_a_killed_run_left_goes(tmp_path):
    folder = tmp_path / "model"
    (tmp_path / ".0123456789ab.tmp" / "inner").mkdir(parents=True)
    for version in ("old", "new"):
        with atomic_folder(folder) as temporary:
            write_json(temporary / "inner" / f"{version}.json", 1)
            assert folder.exists() == (version == "new")
    with pytest.raises(ValueError, match="in the middle"), atomic_folder(folder) as temporary:
        write_json(temporary / "half.json", 1)
        raise ValueError("in the middle")
    assert [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.*")] == [
        "model/inner/new.json"
    ]


def test_new_folders_and_removals_are_synced_too(tmp_path, monkeypatch):
    synced, fsync = [], os.fsync
    monkeypatch.setattr(os, "fsync", lambda file: (synced.append(os.fstat(file).st_ino), fsync(file)))
    write_json(tmp_path / "a" / "b" / "c.json", 1)
    inodes = [folder.stat().st_ino for folder in (tmp_path, tmp_path / "a", tmp_path / "a" / "b")]
    assert set(inodes) <= set(synced)
    synced.clear()
    remove([tmp_path / "a" / "b" / "c.json", tmp_path / "a" / "never.json"])
    assert synced == [inodes[2]]
    assert not (tmp_path / "a" / "b" / "c.json").exists()


@pytest.mark.parametrize("text", ["[1]", "null", '"a"', "{", "[" * 100_000])
def test_what_is_no_json_object_is_one_line_that_names_the_file(tmp_path, text):
    path = tmp_path / "config.json"
    path.write_text(text)
    with pytest.raises(MferError, match=r"cannot read .*config\.json"):
        read_object(path)
