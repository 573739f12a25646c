import stat
import zipfile

import pytest

from mfer_core.base.errors import MferError
from mfer_core.corpora.unpack import BrokenArchiveError, check_room, unpack


def write_zip(path, *members, compression=zipfile.ZIP_DEFLATED):
    """Members are names, or (name, content), or (ZipInfo, content)."""
    with zipfile.ZipFile(path, "w", compression) as archive:
        for member in members:
            archive.writestr(*(member if isinstance(member, tuple) else (member, b"content")))
    return path


def link(name: str, kind: int = stat.S_IFLNK) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = (kind | 0o777) << 16
    return info


def files(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_members_are_stripped_chosen_and_moved_into_place(tmp_path):
    archive = write_zip(
        tmp_path / "a.zip",
        "top/AudioWAV/é 1.wav",
        "top/VideoFlash/1.flv",
        "top/README.md",
        ("top/empty/", b""),
    )
    out = tmp_path / "out"
    (out / "AudioWAV").mkdir(parents=True)
    (out / "AudioWAV/old.wav").write_bytes(b"old")
    assert unpack(archive, out, strip=1, keep=("AudioWAV/*", "README*")) == 2
    assert files(out) == ["AudioWAV/old.wav", "AudioWAV/é 1.wav", "README.md"]


@pytest.mark.parametrize(
    "member",
    [
        *(
            ".",
            "/etc/passwd",
            "../up.wav",
            "a/../../up.wav",
            "C:\\a.wav",
            "C:/a.wav",
            "\\\\host\\a.wav",
            "..\\a.wav",
        ),
        (link("a.wav"), b"/etc/passwd"),
        (link("pipe", stat.S_IFIFO), b""),
    ],
)
def test_unsafe_members_are_refused_before_anything_is_written(tmp_path, member):
    archive = write_zip(tmp_path / "a.zip", "fine.wav", member)
    with pytest.raises(MferError, match="not safe to unpack"):
        unpack(archive, tmp_path / "out")
    assert files(tmp_path) == ["a.zip"]


def test_bombs_are_refused(tmp_path):
    archive = write_zip(tmp_path / "a.zip", *[(f"{number}.wav", bytes(10 << 20)) for number in range(10)])
    with pytest.raises(MferError, match="bomb"):
        unpack(archive, tmp_path / "out")
    assert files(tmp_path) == ["a.zip"]


def test_a_member_larger_than_it_says_is_refused(tmp_path):
    archive = write_zip(tmp_path / "a.zip", ("a.wav", b"x" * 1000))
    content = archive.read_bytes().replace((1000).to_bytes(4, "little"), (10).to_bytes(4, "little"))
    archive.write_bytes(content)
    with pytest.raises(BrokenArchiveError):
        unpack(archive, tmp_path / "out")
    assert files(tmp_path) == ["a.zip"]


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_twice_is_refused(tmp_path):
    with pytest.raises(MferError, match="twice"):
        unpack(write_zip(tmp_path / "a.zip", "a.wav", "a.wav"), tmp_path / "out")


def test_encrypted_members_are_refused(tmp_path):
    archive = write_zip(tmp_path / "a.zip", "a.wav")
    content = bytearray(archive.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(signature) + offset] |= 1
    archive.write_bytes(content)
    with pytest.raises(MferError, match="encrypted"):
        unpack(archive, tmp_path / "out")


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_cut_off_archives_are_broken_and_leave_nothing(tmp_path, share):
    archive = write_zip(
        tmp_path / "a.zip", ("a.wav", b"a" * 5000), ("b.wav", b"b" * 5000), compression=zipfile.ZIP_STORED
    )
    archive.write_bytes(archive.read_bytes()[: round(archive.stat().st_size * share)])
    with pytest.raises(BrokenArchiveError, match=r"cannot unpack .*a\.zip"):
        unpack(archive, tmp_path / "out")
    assert files(tmp_path) == ["a.zip"]


def test_a_damaged_member_leaves_nothing_half_written(tmp_path):
    archive = write_zip(
        tmp_path / "a.zip", ("a.wav", b"a" * 5000), ("b.wav", b"b" * 5000), compression=zipfile.ZIP_STORED
    )
    archive.write_bytes(archive.read_bytes().replace(b"bbbb", b"bxbb", 1))
    with pytest.raises(BrokenArchiveError, match="CRC"):
        unpack(archive, tmp_path / "out")
    assert files(tmp_path) == ["a.zip"]


def test_want_of_room_is_said_with_both_numbers(tmp_path):
    with pytest.raises(MferError, match=r"no room to fetch x: 1000000\.00 GB needed at .*, .* GB free"):
        check_room(tmp_path / "not" / "yet", 10**15, "fetch x")
    check_room(tmp_path, 1, "fetch x")
