"""Archives of anything: refused in one line, before they take memory or disk, or unpacked whole."""

import bz2
import gzip
import io
import lzma
import os
import signal
import struct
import subprocess
import sys
import tarfile
import tracemalloc
import zipfile
import zlib

import numpy as np
import pytest

from adhelpers.datasets import archives
from adhelpers.datasets import unpack as module
from adhelpers.datasets.unpack import unpack
from adhelpers.ground import UserError

pytestmark = pytest.mark.trouble

FILES = {
    "bottle/train/good/000.png": b"bottle" * 50,
    "bottle/test/cut/000.png": b"",
    "screw/train/good/000.png": np.random.default_rng(0).bytes(3000),
}
MIB = 1 << 20


@pytest.fixture
def target(tmp_path):
    folder = tmp_path / "target"
    folder.mkdir()
    return folder


def tree(folder):
    """Return the content of every file below `folder` by path."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def complaint_about(archive, target):
    """Return what is said of an archive that is refused, in one short line; nothing is left."""
    with pytest.raises(UserError) as caught:
        unpack(archive, target)
    assert str(archive) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 1000
    assert list(target.iterdir()) == []
    return str(caught.value)


def header(name, content=b"", kind=b"0", **attributes):
    """Return a tar's header and what follows it, padded to blocks of 512 bytes."""
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, len(content)
    for attribute, value in attributes.items():
        setattr(info, attribute, value)
    return info.tobuf(tarfile.GNU_FORMAT) + content + bytes(-len(content) % 512)


def pax(records, kind=b"x"):
    """Return an extended header of records, bytes as they are or (keyword, value) pairs."""
    if not isinstance(records, bytes):
        records = b"".join(record(*pair) for pair in records)
    return header("pax", records, kind)


def record(keyword, value):
    """Return a record of an extended header: its own length in bytes comes first."""
    rest = b" " + keyword.encode() + b"=" + value + b"\n"
    length = next(n for n in range(len(rest), len(rest) + 20) if n == len(rest) + len(str(n)))
    return str(length).encode() + rest


GOOD = b"".join(header(name, content) for name, content in FILES.items())
PNG = header("bottle/train/good/001.png", b"more")
END = bytes(1024)
HIDDEN = "0\n" * MIB  # a map of holes, of two million numbers

#: What stands in a tar after the files of `GOOD`, and what is said of it.
TARS = {
    "a damaged header": (b"\xff" + PNG[1:], "bad checksum"),
    "no header": (b"x" * 512, "damaged"),
    "half a header": (PNG[:200], "truncated header"),
    "no end": (b"", "empty header"),
    "another archive after its end": (END + PNG + END, "something follows its end"),
    "sparse 0.0, nonsense": (pax([("GNU.sparse.map", b"0,5,x")]) + PNG, "damaged"),
    "sparse 0.1": (pax([("GNU.sparse.map", b"0,4"), ("GNU.sparse.size", b"9")]) + PNG, "neither"),
    "sparse 0.0": (
        pax([("GNU.sparse.size", b"9"), ("GNU.sparse.offset", b"0"), ("GNU.sparse.numbytes", b"4")])
        + PNG,
        "neither",
    ),
    "sparse 1.0, a long map": (
        pax([("GNU.sparse.major", b"1"), ("GNU.sparse.minor", b"0")])
        + header("bottle/train/x", b"9999999\n" + HIDDEN.encode()),
        "a header of",
    ),
    "sparse, old": (header("bottle/train/x", kind=b"S"), "neither"),
    "sparse, old, a long map": (
        header("bottle/train/x", kind=b"S")[:482] + b"\1" + bytes(29) + (b"1" * 512) * 5000,
        "damaged",
    ),
    "a size of words": (pax([("size", b"abc")]) + PNG, "damaged|something follows"),
    "a size below nothing": (pax([("size", b"-512")]) + PNG, "neither|damaged"),
    "a huge size": (pax([("size", b"9" * 30)]) + PNG, "unpacks to more"),
    "a size of 5000 digits": (pax([("size", b"9" * 5000)]) + PNG, "damaged"),
    "a time of words": (pax([("mtime", b"abc")]) + header("/x"), "leads out"),
    "a path that leads out": (pax([("path", b"../x")]) + PNG, "leads out"),
    "a path with a zero": (pax([("path", b"bottle/x\0")]) + PNG, "leads out"),
    "a path of bytes": (pax([("path", b"\xff\xfe" * 200)]) + PNG, "too long"),
    "another charset": (pax([("hdrcharset", b"x"), ("path", b"\xff" * 300)]) + PNG, "too long"),
    "a record without end": (pax(b"99999999 path=x\n") + PNG, "damaged|leads out"),
    "a record of no length": (pax(b"0 path=x\n") + PNG, "damaged"),
    "no record": (pax(b"x" * 600) + PNG, "damaged"),
    "a record of 5000 digits": (pax(b"9" * 5000 + b" path=x\n") + PNG, "damaged"),
    "extended headers alone": (pax([("path", b"x")]) + END, "damaged"),
    "extended headers in a row": (pax(b"") * 2000 + PNG, "damaged"),
    "large extended headers in a row": (pax([("a", b"x" * 300_000)]) * 4 + PNG, "a header of"),
    "large global headers in a row": (pax([("a", b"x" * 300_000)], b"g") * 4 + PNG, "a header of"),
    "large names in a row": (header("x", b"x" * 300_000, b"L") * 4 + PNG, "a header of"),
    "large targets of links in a row": (header("x", b"x" * 300_000, b"K") * 4 + PNG, "a header of"),
    "a long name": (header("x", b"bottle/" + b"x" * 3000, b"L") + PNG, "too long"),
    "a long name that leads out": (header("x", b"../../x", b"L") + PNG, "leads out"),
    "a long name and the end": (header("x", b"x" * 300, b"L") + END, "damaged"),
    "1,500 folders": (header("x", b"a/" * 1500, b"L") + header("x", kind=b"5"), "too long"),
    "100 folders": (header("a/" * 100 + "x"), "too long or too deep"),
    "control characters": (header("bottle/train/\x1b[31m"), "control characters"),
    "a line break": (header("bottle/train/a\nb"), "control characters"),
    "an unknown kind": (header("bottle/train/x", kind=b"Z"), "damaged|neither"),
    "a volume's name": (header("bottle", kind=b"V"), "neither"),
    "parts of a file": (header("bottle/train/x", kind=b"M"), "neither"),
    "a hard link": (header("bottle/train/x", kind=b"1", linkname="/etc/passwd"), "neither"),
}


@pytest.mark.parametrize("compress", [bytes, gzip.compress, lzma.compress], ids=["", "gz", "xz"])
@pytest.mark.parametrize(("further", "complaint"), TARS.values(), ids=TARS)
def test_tars(tmp_path, target, further, complaint, compress):
    (tmp_path / "a").write_bytes(compress(GOOD + further))
    said = complaint_about(tmp_path / "a", target)
    assert any(words in said for words in complaint.split("|")), said


@pytest.mark.parametrize("kind", [b"x", b"g", b"L", b"K"])
@pytest.mark.parametrize("before", [b"", GOOD], ids=["first", "later"])
def test_a_header_of_gigabytes_is_not_read(tmp_path, target, kind, before):
    """Compressed, it takes a few kilobytes of the archive."""
    start = header("x", kind=kind, size=3 * 10**9)
    (tmp_path / "a").write_bytes(gzip.compress(before + start + bytes(20 * MIB)))
    tracemalloc.start()
    try:
        assert "a header of 3000000" in complaint_about(tmp_path / "a", target)
        assert tracemalloc.get_traced_memory()[1] < 5 * MIB
    finally:
        tracemalloc.stop()


def test_global_headers_do_not_gather(tmp_path, target):
    extended = (pax([(f"k{i}", b"x" * 500_000)], b"g") + header(f"a/train/{i}") for i in range(40))
    (tmp_path / "a").write_bytes(b"".join(extended) + END)
    tracemalloc.start()
    try:
        assert unpack(tmp_path / "a", target) == ["a"]
        assert tracemalloc.get_traced_memory()[1] < 10 * MIB  # of 20
    finally:
        tracemalloc.stop()
    assert len(tree(target)) == 40


@pytest.mark.parametrize(
    "before",
    [
        pax([("comment", b"0" * 40)], b"g"),  # as `git archive` writes
        pax([("mtime", b"1.5"), ("LIBARCHIVE.xattr.x", b"\xff\0")]),
        header("bottle", kind=b"5"),
        header("./", kind=b"5"),
    ],
    ids=["a global header", "an extended header", "a folder", "this folder"],
)
@pytest.mark.parametrize("compress", [bytes, gzip.compress, bz2.compress, lzma.compress])
def test_what_good_tars_hold(tmp_path, target, before, compress):
    (tmp_path / "a").write_bytes(compress(before + GOOD + END))
    assert unpack(tmp_path / "a", target) == ["bottle", "screw"]
    assert tree(target) == FILES


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress])
def test_compressed_in_parts(tmp_path, target, compress):
    (tmp_path / "a").write_bytes(compress(GOOD[:1000]) + compress(GOOD[1000:]) + compress(END))
    assert unpack(tmp_path / "a", target) == ["bottle", "screw"]
    assert tree(target) == FILES


@pytest.mark.parametrize("compress", [gzip.compress, lzma.compress])
@pytest.mark.parametrize("garbage", [b"x" * 100, b"\x1f\x8b", b"\xfd7zXZ\0"])
def test_something_after_the_compressed(tmp_path, target, compress, garbage):
    """bzip2 alone passes over it, and gzip itself over zeros."""
    content = compress(GOOD + END) + garbage
    (tmp_path / "a").write_bytes(content)
    try:
        unpack(tmp_path / "a", target)
    except UserError as error:
        assert "damaged" in str(error)
        assert tree(target) == {}
    else:
        assert tree(target) == FILES


def test_zeros_for_ever_after_its_end(tmp_path, target, monkeypatch):
    monkeypatch.setattr(archives, "MAX_ZEROS", 2 * MIB)
    (tmp_path / "a").write_bytes(gzip.compress(GOOD + bytes(4 * MIB)))
    assert "something follows its end" in complaint_about(tmp_path / "a", target)


def test_a_tar_that_ends_with_a_zip(tmp_path, target):
    """Told apart by its start: zipfile takes it for the zip within."""
    inner = zipped({"other/train/good/0.png": b"x"})
    (tmp_path / "a").write_bytes(GOOD + header("bottle/train/a.zip", inner) + END)
    unpack(tmp_path / "a", target)
    assert tree(target) == FILES | {"bottle/train/a.zip": inner}


def zipped(files, **options):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", **options) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return buffer.getvalue()


def local(name, content, flags=0, method=0, size=None):
    """Return a file in a zip (APPNOTE 4.3.7)."""
    sizes = (zlib.crc32(content), len(content), len(content) if size is None else size)
    start = struct.pack("<4s5H3I2H", b"PK\3\4", 20, flags, method, 0, 33, *sizes, len(name), 0)
    return start + name.encode() + content


def listed(name, content, place, flags=0, method=0, size=None, extra=b"", packed=None):
    """Return an entry of a zip's directory (APPNOTE 4.3.12)."""
    packed = len(content) if packed is None else packed
    sizes = (zlib.crc32(content), packed, len(content) if size is None else size)
    fields = (20, 20, flags, method, 0, 33, *sizes, len(name), len(extra), 0, 0, 0, 0, place)
    return struct.pack("<4s6H3I5H2I", b"PK\1\2", *fields) + name.encode() + extra


def closed(files, directory, place=None, size=None, count=1):
    """Return a whole zip (APPNOTE 4.3.16)."""
    place = len(files) if place is None else place
    size = len(directory) if size is None else size
    end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, count, count, size, place, 0)
    return files + directory + end


NAME = "a/train/x"
ONE = local(NAME, b"one")
TWO = local("b/train/x", b"two")
LISTED = listed(NAME, b"one", 0)
BOTH = LISTED + listed("b/train/x", b"two", len(ONE))
ZIP64 = struct.pack("<2HQ", 1, 8, 1 << 62)

ZIPS = {
    "a cut directory": (closed(ONE + TWO, LISTED), "lacks a file"),
    "a directory without the first": (
        closed(ONE + TWO, listed("b/train/x", b"two", len(ONE))),
        "lacks a file",
    ),
    "a directory that is empty": (closed(ONE + TWO, b"", count=0), "lacks a file"),
    "two zips in a row": (closed(ONE, LISTED) + closed(ONE, LISTED), "lacks a file"),
    "a file twice": (closed(ONE, LISTED + LISTED), "overlap"),
    "a file within another": (
        closed(local(NAME, TWO), listed(NAME, TWO, 0) + listed("b/train/x", b"two", len(ONE) - 3)),
        "overlap",
    ),
    "a file in the directory": (closed(ONE, listed(NAME, b"one", 0, packed=60)), "overlap"),
    "a place beyond the end": (closed(ONE, listed(NAME, b"one", 9999)), "damaged"),
    "a place of 2^62": (closed(ONE, listed(NAME, b"one", 2**32 - 1, extra=ZIP64)), "damaged"),
    "a size of 2^62": (closed(ONE, listed(NAME, b"one", 0, size=2**32 - 1, extra=ZIP64)), "more"),
    "half of zip64": (
        closed(ONE, listed(NAME, b"one", 0, size=2**32 - 1, extra=ZIP64[:7])),
        "damaged",
    ),
    "a size too large": (closed(ONE, listed(NAME, b"one", 0, size=9)), "damaged"),
    "a size too small": (closed(ONE, listed(NAME, b"one", 0, size=1)), "damaged"),
    "another name in the file": (closed(ONE, listed("a/train/y", b"one", 0)), "differ"),
    "encrypted": (
        closed(local(NAME, b"one", flags=1), listed(NAME, b"one", 0, flags=1)),
        "encrypted",
    ),
    "strongly encrypted": (
        closed(local(NAME, b"one", flags=65), listed(NAME, b"one", 0, flags=65)),
        "damaged",
    ),
    "an encrypted directory": (closed(ONE, os.urandom(64)), "damaged"),
    "an unknown compression": (closed(ONE, listed(NAME, b"one", 0, method=98)), "damaged"),
    "a directory too long": (closed(ONE, LISTED, size=9999), "damaged"),
    "a directory of 4 GB": (closed(ONE, LISTED, size=2**32 - 2), "damaged"),
    "a directory too short": (closed(ONE, LISTED, size=20), "damaged"),
    "a directory elsewhere": (closed(ONE, LISTED, place=1), "damaged"),
    "no directory": (ONE + TWO, "damaged"),
    "a name with a zero": (
        closed(local("a/train/x\0.txt", b"one"), listed("a/train/x\0.txt", b"one", 0)),
        "leads out",
    ),
    "a name with control characters": (zipped({"a/train/\x07": b""}), "control characters"),
    "a name of 60,000 characters": (zipped({"a/train/" + "x" * 60_000: b""}), "too long"),
    "1,500 folders": (zipped({"a/" * 1500 + "x": b""}), "too long"),
    "a name of nothing": (zipped({"": b""}), "damaged|leads out|twice|holds no category"),
    "a stub before it": (b"MZ" + closed(ONE, LISTED, place=len(ONE)), "damaged"),
    "nothing in it": (closed(b"", b"", count=0), "no category"),
}


@pytest.mark.parametrize(("content", "complaint"), ZIPS.values(), ids=ZIPS)
def test_zips(tmp_path, target, content, complaint):
    (tmp_path / "a").write_bytes(content)
    said = complaint_about(tmp_path / "a", target)
    assert any(words in said for words in complaint.split("|")), said


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA])
def test_good_zips(tmp_path, target, method):
    (tmp_path / "a").write_bytes(zipped(FILES, compression=method))
    assert unpack(tmp_path / "a", target) == ["bottle", "screw"]
    assert tree(target) == FILES


class Unseekable(io.RawIOBase):
    """A pipe to write a zip to: its sizes then stand after each file."""

    def __init__(self):
        self.content = b""

    def writable(self):
        return True

    def write(self, data):
        self.content += bytes(data)
        return len(data)


def test_a_zip_from_a_pipe(tmp_path, target):
    pipe = Unseekable()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in FILES.items():
            archive.writestr(name, content)
    (tmp_path / "a").write_bytes(pipe.content)
    unpack(tmp_path / "a", target)
    assert tree(target) == FILES


def test_a_zip_of_a_million_files_is_refused_by_its_directory(tmp_path, target):
    directory = listed("a/train/x", b"", 0) * 10**6
    (tmp_path / "a").write_bytes(closed(b"PK\3\4", directory, count=65535))
    tracemalloc.start()
    try:
        assert "a header of" in complaint_about(tmp_path / "a", target)
        assert tracemalloc.get_traced_memory()[1] < 5 * MIB
    finally:
        tracemalloc.stop()


PLAIN = {
    "a.tar": GOOD + END,
    "a.tar.gz": gzip.compress(GOOD + END, mtime=0),
    "a.tar.xz": lzma.compress(GOOD + END),
    "a.zip": zipped(FILES, compression=zipfile.ZIP_DEFLATED),
}


@pytest.mark.parametrize("name", PLAIN)
def test_cut_anywhere(tmp_path, target, name):
    """Whatever is missing, nothing is unpacked; of a tar's zeros at the end, one block will do."""
    content = PLAIN[name]
    whole = len(content) - (512 if name == "a.tar" else 0)
    for stop in np.linspace(0, whole, 40, endpoint=False).astype(int):
        (tmp_path / name).write_bytes(content[:stop])
        complaint_about(tmp_path / name, target)


@pytest.mark.parametrize("name", PLAIN)
def test_another_byte_anywhere(tmp_path, target, name):
    """It is refused, or changes nothing; of a plain tar, which has no sum of files, in headers."""
    content, random = PLAIN[name], np.random.default_rng(0)
    places = random.permutation(len(content))[:60]
    if name == "a.tar":
        with tarfile.open(fileobj=io.BytesIO(content)) as tar:
            places = random.permutation(
                np.concatenate([member.offset + np.arange(512) for member in tar])
            )[:60]
    for place in places:
        damaged = bytearray(content)
        damaged[place] ^= 1 << random.integers(8)
        (tmp_path / name).write_bytes(damaged)
        folder = target / str(place)
        folder.mkdir()
        try:
            unpack(tmp_path / name, folder)
        except UserError as error:
            assert "\n" not in str(error)
            assert tree(folder) == {}
        else:
            assert tree(folder) == FILES


def test_what_is_passed_over_counts_too(tmp_path, target, monkeypatch):
    """Or a bomb in a category that nobody asked for is unpacked for hours."""
    monkeypatch.setattr(module, "MAX_BYTES", 3000)
    (tmp_path / "a").write_bytes(GOOD + END)
    with pytest.raises(UserError, match="more than 3000 bytes, too many"):
        unpack(tmp_path / "a", target, ["bottle"])


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes in this system's folders")
def test_a_pipe_is_not_opened(tmp_path, target):
    os.mkfifo(tmp_path / "a")
    assert "not an ordinary file" in complaint_about(tmp_path / "a", target)


@pytest.mark.parametrize("name", ["/dev/zero", "/dev/null", ".", "nowhere"])
def test_only_ordinary_files(target, name):
    assert "not an ordinary file" in complaint_about(name, target)


KILLED = """
import os, shutil, signal, sys
from adhelpers.datasets.unpack import unpack
shutil.copyfileobj = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
unpack(*sys.argv[1:])
"""


@pytest.mark.skipif(os.name != "posix", reason="signals are POSIX's")
def test_what_a_kill_left_is_removed_by_the_next_call(tmp_path, target):
    (tmp_path / "a").write_bytes(GOOD + END)
    command = [sys.executable, "-c", KILLED, tmp_path / "a", target]
    assert subprocess.run(command, timeout=60).returncode == -signal.SIGKILL
    assert len(list(target.iterdir())) == 1
    assert unpack(tmp_path / "a", target) == ["bottle", "screw"]
    assert sorted(path.name for path in target.iterdir()) == ["bottle", "screw"]
