"""Unpacking archives, good and evil. Every test looks at what is left in the folder."""

import gzip
import io
import lzma
import shutil
import stat
import tarfile
import tracemalloc
import zipfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from adhelpers.datasets import unpack as module
from adhelpers.datasets.unpack import unpack
from adhelpers.ground import UserError

pytestmark = pytest.mark.trouble

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


def assert_refused(archive, target, complaint):
    """Assert that `archive` is refused in one short line that names it, and nothing is left."""
    with pytest.raises(UserError, match=complaint) as caught:
        unpack(archive, target)
    assert str(archive) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 1000
    assert tree(target) == {}


FORMATS = ["a.tar", "a.tar.gz", "a.tar.xz", "a.zip"]


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("above", ["", "mvtec_anomaly_detection/", "test/", "./"])
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
    archive = write(tmp_path / "a.tar", dict.fromkeys(["train/a", "a/b/c/train/a", "readme"], b""))
    assert_refused(archive, target, "holds no category")


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
    assert_refused(archive, target, "leads out of its folder")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["archive", "target"]


@pytest.mark.parametrize("write", [write_tar, write_zip])
@pytest.mark.parametrize("name", ["a/" * 200 + "x", "a/" * 5000 + "x", "x" * 300], ids=len)
def test_names_too_long_or_deep(tmp_path, target, write, name):
    archive = write(tmp_path / "archive", {**FILES, name: b""})
    assert_refused(archive, target, "too long or too deep")


@pytest.mark.parametrize(
    "kind", ["SYMTYPE", "LNKTYPE", "CHRTYPE", "BLKTYPE", "FIFOTYPE"], ids=str.lower
)
def test_only_plain_files_in_a_tar(tmp_path, target, kind):
    link = entry("bottle/train/x", type=getattr(tarfile, kind), linkname="/etc/hostname")
    archive = write_tar(tmp_path / "a.tar", FILES, extra=[link])
    assert_refused(archive, target, "neither a plain file nor a folder")


def test_only_plain_files_in_a_zip(tmp_path, target):
    link = zipfile.ZipInfo("bottle/train/x")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(write_zip(tmp_path / "a.zip", FILES), "a") as zipped:
        zipped.writestr(link, "/etc/hostname")
    assert_refused(tmp_path / "a.zip", target, "neither a plain file nor a folder")


def test_an_encrypted_zip(tmp_path, target):
    archive = set_in_directory(write_zip(tmp_path / "a.zip", BOTTLE), 8, 1)
    assert_refused(archive, target, "is encrypted, password required")


def test_no_setuid(tmp_path, target):
    program = entry("bottle/train/x", mode=0o7777)
    assert unpack(write_tar(tmp_path / "a.tar", {}, extra=[program]), target) == ["bottle"]
    assert (target / "bottle/train/x").stat().st_mode & 0o7111 == 0


def test_names_that_only_differ_by_case(tmp_path, target, monkeypatch):
    """Where the system does not tell them apart, neither may overwrite the other."""
    both = {"bottle/train/a": b"small", "bottle/train/A": b"LARGE"}
    archive = write(tmp_path / "a.zip", both)
    real_open = Path.open
    with monkeypatch.context() as patch:
        patch.setattr(
            Path, "open", lambda path, mode: real_open(path.with_name(path.name.lower()), mode)
        )
        assert_refused(archive, target, "twice")


@pytest.mark.parametrize(
    ("extra", "complaint"),
    [
        (entry("bottle/train/good/000.png"), "twice"),
        (entry("bottle/train/good/000.png/below"), "twice"),
        (entry("bottle/train/good/000.png/further/below"), "twice"),
        (entry("bottle/train"), "twice"),
        (entry("elsewhere/bottle/train/good/001.png"), "elsewhere"),
        (entry("."), "twice"),
        (entry("bottle/train/ä\0"), "leads out"),
        (entry("bottle/train/x", size=-512), "neither a plain|damaged"),  # by Python's version
    ],
    ids=lambda value: getattr(value, "name", "").replace("\0", "NUL"),
)
def test_absurd_entries(tmp_path, target, extra, complaint):
    assert_refused(write_tar(tmp_path / "a.tar", FILES, extra=[extra]), target, complaint)


@pytest.mark.parametrize("name", FORMATS)
def test_a_truncated_archive(tmp_path, target, name):
    archive = write(tmp_path / name, FILES)
    archive.write_bytes(archive.read_bytes()[:30_000])
    assert_refused(archive, target, "damaged, incomplete")


@pytest.mark.parametrize("name", FORMATS[1:])  # a plain tar has no sum of what the files hold
def test_a_damaged_archive(tmp_path, target, name):
    archive = write(tmp_path / name, FILES)
    content = bytearray(archive.read_bytes())
    content[25_000] ^= 0xFF
    archive.write_bytes(content)
    assert_refused(archive, target, "damaged, incomplete")


def test_a_wrong_checksum_of_gzip(tmp_path, target):
    content = bytearray(gzip.compress(write(tmp_path / "a.tar", BOTTLE).read_bytes()))
    content[-8] ^= 0xFF
    (tmp_path / "a.tar.gz").write_bytes(content)
    assert_refused(tmp_path / "a.tar.gz", target, "damaged, incomplete")


def starts(archive):
    """Return where the header of each entry of a tar starts."""
    with tarfile.open(archive) as tar:
        return [member.offset for member in tar]


@pytest.mark.parametrize("compress", [bytes, gzip.compress, lzma.compress])
@pytest.mark.parametrize("index", [0, 1, -1])
@pytest.mark.parametrize(
    "damage",
    [
        lambda tar, start: tar[:start] + b"\xff" + tar[start + 1 :],
        lambda tar, start: tar[:start] + bytes(512) + tar[start + 512 :],
        lambda tar, start: tar[:start],
        lambda tar, start: tar[: start + 100],
    ],
    ids=["another byte", "zeros", "cut before it", "cut within it"],
)
def test_a_damaged_header_of_a_tar(tmp_path, target, compress, index, damage):
    """Of the second on, tarfile takes any of these for the end of the archive."""
    archive = write(tmp_path / "a.tar", FILES)
    start = starts(archive)[index]
    archive.write_bytes(compress(damage(archive.read_bytes(), start)))
    assert_refused(archive, target, "damaged, incomplete")


@pytest.mark.parametrize("gap", [0, 3 << 20])
def test_a_tar_after_the_end_of_another(tmp_path, target, gap):
    first, second = (write(tmp_path / "a.tar", files).read_bytes() for files in (BOTTLE, SCREW))
    (tmp_path / "a.tar").write_bytes(first + bytes(gap) + second)
    assert_refused(tmp_path / "a.tar", target, "something follows its end")


@pytest.mark.parametrize("compress", [bytes, gzip.compress, lzma.compress])
@pytest.mark.parametrize("size", [512, 1024, 3 << 20])
def test_any_number_of_zeros_ends_a_tar(tmp_path, target, compress, size):
    archive = write(tmp_path / "a.tar", {"bottle/train/x": b"x" * (2 << 20)})
    archive.write_bytes(compress(archive.read_bytes().rstrip(b"\0") + bytes(size)))
    assert unpack(archive, target) == ["bottle"]


@pytest.mark.parametrize("kind", ["XHDTYPE", "XGLTYPE", "GNUTYPE_LONGNAME", "GNUTYPE_LONGLINK"])
def test_a_header_that_fills_the_memory(tmp_path, target, kind):
    header = entry("x", type=getattr(tarfile, kind), size=5 * 10**9)
    archive = write_tar(tmp_path / "a.tar", FILES, extra=[header])
    assert_refused(archive, target, "a header of 5000000000 bytes")


def test_large_headers_are_fine_and_do_not_gather(tmp_path, target):
    comment = {"comment": "x" * 500_000}
    extra = [entry(f"bottle/train/{index}", pax_headers=comment) for index in range(40)]
    archive = write_tar(tmp_path / "a.tar", {}, extra=extra)
    tracemalloc.start()
    try:
        assert unpack(archive, target) == ["bottle"]
        assert tracemalloc.get_traced_memory()[1] < 10e6  # of 20e6
    finally:
        tracemalloc.stop()
    assert len(tree(target)) == 40


@pytest.mark.parametrize(
    ("extra", "complaint"),
    [
        ([entry("x", type=tarfile.GNUTYPE_LONGNAME)] * 2000, "RecursionError"),
        ([entry("x", pax_headers={"GNU.sparse.map": "x"})], "ValueError"),
        ([entry("x", pax_headers={"size": str(2**70)})], "unpacks to more"),
        ([entry("x" * 100, pax_headers={"path": "a" * 300})], "too long"),
    ],
)
def test_nonsense_in_headers(tmp_path, target, extra, complaint):
    assert_refused(write_tar(tmp_path / "a.tar", FILES, extra=extra), target, complaint)


def test_a_zip_whose_entries_lie_before_it(tmp_path, target):
    archive = write_zip(tmp_path / "a.zip", FILES)
    content = bytearray(archive.read_bytes())
    content[content.index(b"PK\5\6") + 18] = 1  # where the directory starts (APPNOTE 4.3.16)
    archive.write_bytes(content)
    assert_refused(archive, target, "damaged, incomplete")


def test_a_zip_that_says_a_file_is_smaller(tmp_path, target):
    archive = write_zip(tmp_path / "a.zip", {"bottle/train/x": bytes(10**6)})
    assert_refused(set_in_directory(archive, 26, 0), target, "damaged, incomplete.*CRC")


def test_a_damaged_compression(tmp_path, target):
    archive = write_zip(tmp_path / "a.zip", {"bottle/train/a": b"bottle"})
    content = bytearray(archive.read_bytes())
    content[content.index(b"train/a") + len(b"train/a")] = 0xFF  # no such block type (RFC 1951)
    archive.write_bytes(content)
    assert_refused(archive, target, "damaged, incomplete")


def test_an_unknown_compression(tmp_path, target):
    archive = set_in_directory(write_zip(tmp_path / "a.zip", BOTTLE), 10, 99)
    assert_refused(archive, target, "not supported")


@pytest.mark.parametrize("content", [b"", b"<html>no archive</html>" * 100])
def test_no_archive(tmp_path, target, content):
    (tmp_path / "a.tar.xz").write_bytes(content)
    assert_refused(tmp_path / "a.tar.xz", target, r"not a \.tar")


def test_a_full_disk(tmp_path, target, monkeypatch):
    archive = write(tmp_path / "a.tar", FILES)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=len(NOISE)))
    assert_refused(archive, target, "more than 50000 bytes")
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
    assert_refused(write(tmp_path / "a.tar", FILES), target, complaint)


@pytest.mark.parametrize("name", FORMATS)
def test_a_bomb_of_zeros(tmp_path, target, monkeypatch, name):
    """It is refused by what it unpacks to, before any of that is written."""
    archive = write(tmp_path / name, {"bottle/train/x": bytes(10**6)})
    monkeypatch.setattr(module, "MAX_BYTES", 10**6 - 1)
    monkeypatch.setattr(shutil, "copyfileobj", lambda *_: pytest.fail("written"))
    assert_refused(archive, target, "more than 999999 bytes")


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(28, "No space left on device")])
def test_stopped_while_writing(tmp_path, target, monkeypatch, error):
    def stop(source, file):
        file.write(b"half")
        raise error

    archive = write(tmp_path / "a.tar", FILES)
    monkeypatch.setattr(shutil, "copyfileobj", stop)
    with pytest.raises(type(error)):
        unpack(archive, target)
    assert tree(target) == {}
