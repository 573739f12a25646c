"""The layouts that FER-2013 is distributed in. Each yields named 48x48 images; none is unpacked to disk."""

import io
import zipfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
from PIL import Image

from mfer_core.base.errors import ClipError, MferError, one_line
from mfer_core.base.folders import list_files
from mfer_core.base.labels import canonical, label_set

SIDE = 48  # pixels
IMAGES = frozenset({".jpg", ".jpeg", ".png", ".bmp"})
PARTS = ("Training", "PublicTest", "PrivateTest")
FOLDER_PARTS = {
    "train": "Training",
    "test": "PublicTest",
    "valid": "PublicTest",
    "val": "PublicTest",
    "validation": "PublicTest",
}
FOLDER_PARTS |= {part.lower(): part for part in PARTS}
MEMBER_LIMIT = 1 << 20  # bytes; an image of 48x48 pixels takes about one thousandth of it
CSV_BLOCK = 2 << 20  # bytes read at a time

Picture = np.ndarray | ClipError


class FaceLayout(Protocol):
    names: list[str]

    def label(self, name: str) -> str: ...
    def part(self, name: str) -> str: ...
    def images(self, names: list[str]) -> Iterator[tuple[str, Picture]]: ...


def open_layout(folder: Path) -> FaceLayout:
    """The layout found in ``folder``: a csv, else image folders, else a zip of either. Raises MferError for
    none.
    """
    files = list_files(folder).files
    by_suffix = {
        suffix: [name for name in files if name.lower().endswith(suffix)] for suffix in (".csv", ".zip")
    }
    for name in by_suffix[".csv"]:
        if _is_faces_csv((folder / name).open("rb")):
            return CsvFaces(folder / name, name)
    images = [name for name in files if PurePosixPath(name).suffix.lower() in IMAGES]
    if images:
        return FolderFaces(folder, images)
    for name in by_suffix[".zip"]:
        if layout := _open_zip(folder / name, name):
            return layout
    raise MferError(
        f"no FER-2013 in {folder}: put fer2013.csv, the folders train/ and test/, or a zip of either there"
    )


def _open_zip(path: Path, name: str) -> "FaceLayout | None":
    try:
        with zipfile.ZipFile(path) as archive:
            members = sorted(
                info.filename
                for info in archive.infolist()
                if not info.is_dir() and "__MACOSX" not in info.filename
            )
            tables = [
                member
                for member in members
                if member.lower().endswith(".csv") and _is_faces_csv(archive.open(member))
            ]
    except (zipfile.BadZipFile, OSError) as error:
        raise MferError(f"cannot read {path}: {error}") from error
    if tables:
        return CsvFaces(path, f"{name}/{tables[0]}", tables[0])
    images = [member for member in members if PurePosixPath(member).suffix.lower() in IMAGES]
    return ZipFaces(path, name, images) if images else None


def _is_faces_csv(file: IO[bytes]) -> bool:
    with file:
        header = file.readline(4096).decode("utf-8-sig", "replace").lower()
    return {"emotion", "pixels", "usage"} <= {column.strip(' "\r\n') for column in header.split(",")}


class FolderFaces:
    """Image files; the emotion is the folder that holds them."""

    def __init__(self, root: Path, names: list[str]):
        self.root, self.names = root, names

    def label(self, name: str) -> str:
        folder = PurePosixPath(name).parent.name
        try:
            return canonical(folder)
        except MferError as error:
            raise ClipError("no label", f"folder {folder!r} is no emotion") from error

    def part(self, name: str) -> str:
        path = PurePosixPath(name)
        prefix = path.name.partition("_")[0]
        if prefix in PARTS:
            return prefix
        for folder in reversed(path.parent.parts):
            if folder.lower() in FOLDER_PARTS:
                return FOLDER_PARTS[folder.lower()]
        raise ClipError(
            "unknown name", "neither its prefix nor a folder says Training, PublicTest or PrivateTest"
        )

    def images(self, names: Iterable[str]) -> Iterator[tuple[str, Picture]]:
        for name in names:
            yield name, _decode(self._bytes, name)

    def _bytes(self, name: str) -> bytes:
        return (self.root / name).read_bytes()


class ZipFaces(FolderFaces):
    """Image files inside a zip; a name is the zip's followed by the member's."""

    def __init__(self, path: Path, name: str, members: list[str]):
        super().__init__(path.parent, [f"{name}/{member}" for member in members])
        self.prefix, self.archive = f"{name}/", zipfile.ZipFile(path)

    def _bytes(self, name: str) -> bytes:
        member = self.archive.getinfo(name.removeprefix(self.prefix))
        if member.file_size > MEMBER_LIMIT:
            raise ClipError("unreadable", f"{member.file_size} bytes are no image of {SIDE}x{SIDE} pixels")
        return self.archive.read(member)


def _decode(read: Callable[[str], bytes], name: str) -> Picture:
    try:
        with Image.open(io.BytesIO(read(name))) as image:
            if image.size != (SIDE, SIDE):
                return ClipError(f"not {SIDE}x{SIDE}", f"{image.width}x{image.height}")
            return np.asarray(image.convert("L"))
    except (OSError, KeyError, SyntaxError, ValueError, zipfile.BadZipFile) as error:
        return ClipError("unreadable", one_line(error))
    except ClipError as error:
        return error


class CsvFaces:
    """Rows of a csv, on its own or as a member of a zip; a name is the csv's followed by the row's number."""

    def __init__(self, path: Path, name: str, member: str | None = None):
        self.path, self.prefix, self.member = path, name, member
        rows = pa.concat_tables(pa.Table.from_batches([batch]) for batch in self._batches("emotion", "usage"))
        self.rows = dict(enumerate(zip(rows["emotion"].to_pylist(), rows["usage"].to_pylist(), strict=True)))
        self.names = [f"{name}/{number:05d}" for number in self.rows]

    def _row(self, name: str) -> tuple[str, str]:
        return self.rows[int(name.rpartition("/")[2])]

    def label(self, name: str) -> str:
        code = self._row(name)[0].strip()
        labels = label_set("seven")
        if not code.isdigit() or int(code) >= len(labels):
            raise ClipError("no label", f"emotion {code!r} is not a code from 0 to {len(labels) - 1}")
        return labels[int(code)]

    def part(self, name: str) -> str:
        usage = self._row(name)[1].strip()
        if usage not in PARTS:
            raise ClipError("unknown name", f"Usage {usage!r} is not one of {', '.join(PARTS)}")
        return usage

    def images(self, names: Iterable[str]) -> Iterator[tuple[str, Picture]]:
        wanted, number = set(names), 0
        for batch in self._batches("pixels"):
            for text in batch["pixels"]:
                name = f"{self.prefix}/{number:05d}"
                number += 1
                if name in wanted:
                    yield name, _parse_pixels(text.as_py())

    def _batches(self, *columns: str) -> Iterator[pa.RecordBatch]:
        """Some columns as text, a block at a time. Column names are met with other capitals and with
        spaces.
        """
        with self._open() as file:
            header = file.readline().decode("utf-8-sig").strip().split(",")
            names = [column.strip(' "').lower() for column in header]
            read = pa_csv.ReadOptions(column_names=names, block_size=CSV_BLOCK)
            convert = pa_csv.ConvertOptions(
                include_columns=list(columns), column_types=dict.fromkeys(names, pa.string())
            )
            try:
                yield from pa_csv.open_csv(file, read_options=read, convert_options=convert)
            except pa.ArrowException as error:
                raise MferError(f"cannot read {self.path}: {error}") from error

    def _open(self) -> IO[bytes]:
        return zipfile.ZipFile(self.path).open(self.member) if self.member else self.path.open("rb")


def _parse_pixels(text: str) -> Picture:
    try:
        values = np.array(text.split(), dtype=np.int32)
    except ValueError as error:
        return ClipError("unreadable", str(error))
    if values.size != SIDE * SIDE:
        return ClipError(f"not {SIDE}x{SIDE}", f"{values.size} values")
    if values.min() < 0 or values.max() > 255:
        return ClipError("unreadable", "grey levels outside 0..255")
    return values.astype(np.uint8).reshape(SIDE, SIDE)
