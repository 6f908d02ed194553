"""Unpacking archives, good and evil. Every test looks at what is left in the folder."""

import gzip
import io
import shutil
import stat
import tarfile
import zipfile
from types import SimpleNamespace

import numpy as np
import pytest

from adhelpers.datasets import unpack as module
from adhelpers.datasets.unpack import unpack
from adhelpers.ground import UserError

NOISE = np.random.default_rng(0).bytes(50_000)
FILES = {
    "bottle/license.txt": b"licence",
    "bottle/train/good/000.png": b"bottle",
    "bottle/test/train/000.png": b"a defect named like a split",
    "screw/license.txt": b"licence",
    "screw/train/good/000.png": NOISE,
    "license.txt": b"licence",
}
BOTTLE = {name: content for name, content in FILES.items() if name.startswith("bottle/")}
SCREW = {name: content for name, content in FILES.items() if name.startswith("screw/")}


@pytest.fixture
def target(tmp_path):
    folder = tmp_path / "target"
    folder.mkdir()
    return folder


def tree(folder):
    """Return the content of every file below `folder` by path; None for an empty folder."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
        if path.is_file() or not any(path.iterdir())
    }


def write_tar(path, files, mode="w", extra=()):
    """Write an archive of `files`, followed by the TarInfos `extra`."""
    with tarfile.open(path, mode) as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
        for info in extra:
            tar.fileobj.write(info.tobuf())  # addfile refuses some that must be refused later
    return path


def write_zip(path, files):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as zipped:
        for name, content in files.items():
            zipped.writestr(name, content)
    return path


def write(path, files):
    """Write an archive in the format that the name says."""
    if path.suffix == ".zip":
        return write_zip(path, files)
    return write_tar(path, files, mode=f"w:{path.suffix[1:]}" if path.suffix != ".tar" else "w")


def set_in_directory(archive, offset, value):
    """Set a byte of the first entry in the central directory of a zip file (APPNOTE 4.3.12)."""
    content = bytearray(archive.read_bytes())
    content[content.index(b"PK\x01\x02") + offset] = value
    archive.write_bytes(content)
    return archive


def entry(name, **attributes):
    info = tarfile.TarInfo(name)
    for attribute, value in attributes.items():
        setattr(info, attribute, value)
    return info


FORMATS = ["a.tar", "a.tar.gz", "a.tar.xz", "a.zip"]


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("above", ["", "mvtec_anomaly_detection/", "./"])
def test_all_categories(tmp_path, target, name, above):
    archive = write(tmp_path / name, {above + key: content for key, content in FILES.items()})
    assert unpack(archive, target) == ["bottle", "screw"]
    assert tree(target) == BOTTLE | SCREW


def test_entries_of_folders_are_fine(tmp_path, target):
    folders = [entry("bottle", type=tarfile.DIRTYPE, mode=0), entry(".", type=tarfile.DIRTYPE)]
    archive = write_tar(tmp_path / "a.tar", BOTTLE, extra=folders)
    assert unpack(archive, target) == ["bottle"]
    assert tree(target) == BOTTLE


@pytest.mark.parametrize("name", FORMATS)
def test_chosen_categories(tmp_path, target, name):
    assert unpack(write(tmp_path / name, FILES), target, ["screw"]) == ["screw"]
    assert tree(target) == SCREW


def test_an_unknown_category(tmp_path, target):
    archive = write(tmp_path / "a.tar", FILES)
    with pytest.raises(UserError, match="holds no botle: choose among bottle, screw"):
        unpack(archive, target, ["botle", "screw"])
    assert tree(target) == {}


@pytest.mark.parametrize("categories", [None, ["bottle", "screw"]])
def test_a_category_that_is_there_is_kept(tmp_path, target, categories, capsys):
    mine = target / "bottle" / "mine.png"
    mine.parent.mkdir()
    mine.write_bytes(b"mine")
    assert unpack(write(tmp_path / "a.tar", FILES), target, categories) == ["screw"]
    assert tree(target) == SCREW | {"bottle/mine.png": b"mine"}
    assert "bottle is there already" in capsys.readouterr().err


def test_no_category(tmp_path, target):
    with pytest.raises(UserError, match="holds no category"):
        unpack(write(tmp_path / "a.tar", {"train/good/000.png": b"", "readme": b""}), target)
    assert tree(target) == {}


EVIL_NAMES = [
    "../evil",
    "bottle/train/../../../evil",
    "bottle/.. /evil",
    "/tmp/evil",
    "C:/evil",
    "C:evil",
    "..\\evil",
    "\\\\server\\share\\evil",
]


@pytest.mark.parametrize("write", [write_tar, write_zip])
@pytest.mark.parametrize("name", EVIL_NAMES)
def test_names_that_lead_out(tmp_path, target, write, name):
    archive = write(tmp_path / "archive", {**FILES, name: b"evil"})
    with pytest.raises(UserError, match="leads out of its folder"):
        unpack(archive, target)
    assert tree(target) == {}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["archive", "target"]


@pytest.mark.parametrize(
    "kind", ["SYMTYPE", "LNKTYPE", "CHRTYPE", "BLKTYPE", "FIFOTYPE"], ids=str.lower
)
def test_only_plain_files_in_a_tar(tmp_path, target, kind):
    link = entry("bottle/train/x", type=getattr(tarfile, kind), linkname="/etc/hostname")
    with pytest.raises(UserError, match="neither a plain file nor a folder"):
        unpack(write_tar(tmp_path / "a.tar", FILES, extra=[link]), target)
    assert tree(target) == {}


def test_only_plain_files_in_a_zip(tmp_path, target):
    link = zipfile.ZipInfo("bottle/train/x")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(write_zip(tmp_path / "a.zip", FILES), "a") as zipped:
        zipped.writestr(link, "/etc/hostname")
    with pytest.raises(UserError, match="neither a plain file nor a folder"):
        unpack(tmp_path / "a.zip", target)
    assert tree(target) == {}


def test_an_encrypted_zip(tmp_path, target):
    archive = set_in_directory(write_zip(tmp_path / "a.zip", BOTTLE), 8, 1)
    with pytest.raises(UserError, match="neither a plain file nor a folder"):
        unpack(archive, target)
    assert tree(target) == {}


@pytest.mark.parametrize(
    ("extra", "complaint"),
    [
        (entry("bottle/train/good/000.png"), "twice"),
        (entry("bottle/train/good/000.png/below"), "twice"),
        (entry("bottle/train"), "twice"),
        (entry("elsewhere/bottle/train/good/001.png"), "elsewhere"),
        (entry("."), "makes no sense"),
        (entry("bottle/train/ä\0"), "leads out"),
        (entry("bottle/train/x", size=-512), "makes no sense|damaged"),  # by Python's version
    ],
    ids=lambda value: getattr(value, "name", "").replace("\0", "NUL"),
)
def test_absurd_entries(tmp_path, target, extra, complaint):
    with pytest.raises(UserError, match=complaint):
        unpack(write_tar(tmp_path / "a.tar", FILES, extra=[extra]), target)
    assert tree(target) == {}


@pytest.mark.parametrize("name", FORMATS)
def test_a_truncated_archive(tmp_path, target, name):
    archive = write(tmp_path / name, FILES)
    archive.write_bytes(archive.read_bytes()[:30_000])
    with pytest.raises(UserError, match="damaged, incomplete"):
        unpack(archive, target)
    assert tree(target) == {}


@pytest.mark.parametrize("name", ["a.tar.xz", "a.zip"])  # in others only the sum would tell
def test_a_damaged_archive(tmp_path, target, name):
    archive = write(tmp_path / name, FILES)
    content = bytearray(archive.read_bytes())
    content[25_000] ^= 0xFF
    archive.write_bytes(content)
    with pytest.raises(UserError, match="damaged, incomplete"):
        unpack(archive, target)
    assert tree(target) == {}


def test_a_wrong_checksum_of_gzip(tmp_path, target):
    plain = write(tmp_path / "a.tar", BOTTLE).read_bytes().rstrip(b"\0")  # read to its very end
    content = bytearray(gzip.compress(plain))
    content[-8] ^= 0xFF
    (tmp_path / "a.tar.gz").write_bytes(content)
    with pytest.raises(UserError, match="damaged, incomplete"):
        unpack(tmp_path / "a.tar.gz", target)
    assert tree(target) == {}


def test_a_damaged_compression(tmp_path, target):
    archive = write_zip(tmp_path / "a.zip", {"bottle/train/a": b"bottle"})
    content = bytearray(archive.read_bytes())
    content[content.index(b"train/a") + len(b"train/a")] = 0xFF  # no such block type (RFC 1951)
    archive.write_bytes(content)
    with pytest.raises(UserError, match="damaged, incomplete"):
        unpack(archive, target)
    assert tree(target) == {}


def test_an_unknown_compression(tmp_path, target):
    archive = set_in_directory(write_zip(tmp_path / "a.zip", BOTTLE), 10, 99)
    with pytest.raises(UserError, match="not supported"):
        unpack(archive, target)
    assert tree(target) == {}


@pytest.mark.parametrize("content", [b"", b"<html>no archive</html>" * 100])
def test_no_archive(tmp_path, target, content):
    (tmp_path / "a.tar.xz").write_bytes(content)
    with pytest.raises(UserError, match=r"not a \.tar"):
        unpack(tmp_path / "a.tar.xz", target)
    assert tree(target) == {}


def test_a_full_disk(tmp_path, target, monkeypatch):
    archive = write(tmp_path / "a.tar", FILES)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=len(NOISE)))
    with pytest.raises(UserError, match="more than 50000 bytes"):
        unpack(archive, target)
    assert tree(target) == {}
    assert unpack(archive, target, ["bottle"]) == ["bottle"]
    assert tree(target) == BOTTLE
    (target / "screw").mkdir()
    assert unpack(archive, target) == []  # what is there needs no room


@pytest.mark.parametrize(
    ("bound", "value", "complaint"),
    [
        ("MAX_BYTES", len(NOISE), "more than 50000 bytes"),
        ("MAX_ENTRIES", len(FILES) - 1, "too many files"),
    ],
)
def test_bounds(tmp_path, target, monkeypatch, bound, value, complaint):
    monkeypatch.setattr(module, bound, value)
    with pytest.raises(UserError, match=complaint):
        unpack(write(tmp_path / "a.tar", FILES), target)
    assert tree(target) == {}


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
def test_stopped_while_writing(tmp_path, target, monkeypatch, error):
    def stop(source, file):
        file.write(b"half")
        raise error

    archive = write(tmp_path / "a.tar", FILES)
    monkeypatch.setattr(shutil, "copyfileobj", stop)
    with pytest.raises(error):
        unpack(archive, target)
    assert tree(target) == {}
