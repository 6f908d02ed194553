"""The entries of an archive that need not be trusted, one after the other."""

import bz2
import gzip
import lzma
import stat
import struct
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO

from ..ground import UserError

MAX_ENTRIES = 200_000  # MVTec AD has 6,612 images
MAX_HEADER = 1 << 20  # bytes of all that a tar says of one entry: tarfile reads it into memory
MAX_DIRECTORY = 32 << 20  # bytes of a zip's directory: zipfile reads all of it into memory
MAX_ZEROS = 64 << 20  # bytes after the end of a tar, which fill it up

_UNBOUNDED = 1 << 62
_LOCAL_HEADER = 30  # bytes, the name and the extra field not counted (APPNOTE 4.3.7)

#: What opens a tar, by its first bytes; any other is not compressed.
_COMPRESSIONS = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\0": lzma.open}


@dataclass(frozen=True)
class Entry:
    """What an archive holds under one name.

    Parameters
    ----------
    name : str
        As it stands in the archive: anything.
    size : int
        In bytes, as the archive says.
    is_folder, is_plain : bool
        Whether it is a folder, or a plain file; a link, a device or a file with holes is neither.
    open : callable
        Opens a plain file for reading.
    """

    name: str
    size: int
    is_folder: bool
    is_plain: bool
    open: Callable[[], BinaryIO]


def entries(archive: Path) -> Iterator[Entry]:
    """Go through a .tar, .tar.gz, .tar.xz, .tar.bz2 or .zip file, told apart by content.

    Parameters
    ----------
    archive : Path
        An ordinary file.

    Yields
    ------
    entry : Entry
        To be read before the next one is asked for. After the last, nothing is left over: what
        would not be found by going from entry to entry is an error.

    Raises
    ------
    UserError
        If a zip holds far too many entries.
    Exception
        Of many kinds, for damage: what tarfile, zipfile and the decompressors raise.
    """
    with archive.open("rb") as file:
        start = file.read(8)
    if start.startswith((b"PK\3\4", b"PK\5\6")):  # is_zipfile knows it by its end: of a tar, too,
        yield from _zip_entries(archive)  # whose last file is a zip
    else:
        opener = next(
            (_COMPRESSIONS[mark] for mark in _COMPRESSIONS if start.startswith(mark)), open
        )
        yield from _tar_entries(opener, archive)


def check_ordinary(archive: Path) -> None:
    """Raise a UserError if an archive is no ordinary file: a pipe or a device may have no end."""
    if not archive.is_file():
        raise UserError(f"{archive} is not an ordinary file: name a .tar, .tar.gz, .tar.xz or .zip")


def too_many(archive: Path) -> UserError:
    """Return the error for an archive of too many entries."""
    return UserError(f"{archive} holds too many files for a data set: is it the right one?")


class _Bounded:
    """A file of which only so many bytes may be read, until the bound is set anew."""

    def __init__(self, file: BinaryIO, left: int):
        self._file, self.left = file, left

    def __getattr__(self, name: str):
        return getattr(self._file, name)

    def read(self, size: int = -1) -> bytes:
        """Read as any file does; zipfile asks for the rest (-1) near the file's end alone."""
        if size < -1 or size > self.left:
            raise ValueError(f"a header of {size} bytes, too long for a data set")
        self.left -= max(size, 0)
        return self._file.read(size)


def _tar_entries(opener: Callable[[Path, str], BinaryIO], archive: Path) -> Iterator[Entry]:
    with opener(archive, "rb") as file:
        bounded = _Bounded(file, MAX_HEADER)
        with tarfile.TarFile(fileobj=bounded, tarinfo=_Header) as tar:
            while header := tar.next():
                bounded.left = _UNBOUNDED
                is_plain = header.isreg() and not header.issparse() and header.size >= 0
                opening = partial(tar.extractfile, header)
                yield Entry(header.name, header.size, header.isdir(), is_plain, opening)
                tar.members.clear()  # or all headers stay in memory
                tar.pax_headers.clear()  # what global ones say of the files to come: their owner
                bounded.left = MAX_HEADER
        _check_the_rest(file)


class _Header(tarfile.TarInfo):
    """A header that must be sound: of the second on, tarfile takes any other for the end."""

    @classmethod
    def fromtarfile(cls, tar: tarfile.TarFile) -> tarfile.TarInfo:
        try:
            return super().fromtarfile(tar)
        except tarfile.EOFHeaderError:  # zeros: the end
            raise
        except tarfile.HeaderError as error:
            raise tarfile.ReadError(str(error)) from error


def _check_the_rest(file: BinaryIO) -> None:
    """Read what follows the end of a tar: zeros alone; there, gzip and xz check a sum."""
    left = MAX_ZEROS
    while block := file.read(1 << 20):
        left -= len(block)
        if block.strip(b"\0") or left < 0:
            raise tarfile.ReadError("something follows its end")


def _zip_entries(archive: Path) -> Iterator[Entry]:
    with archive.open("rb") as file:
        bounded = _Bounded(file, MAX_DIRECTORY)
        with zipfile.ZipFile(bounded) as zipped:
            bounded.left = _UNBOUNDED
            if len(zipped.infolist()) > MAX_ENTRIES:
                raise too_many(archive)
            _check_side_by_side(file, zipped)
            for member in zipped.infolist():
                # zipfile cuts a name off at a zero byte.
                whole = "\0" not in member.orig_filename
                name = member.filename if whole else member.orig_filename
                is_folder = member.is_dir() and not member.file_size
                is_plain = stat.S_IFMT(member.external_attr >> 16) in (0, stat.S_IFREG)
                opening = partial(zipped.open, member)
                yield Entry(name, member.file_size, is_folder, is_plain, opening)


def _check_side_by_side(file: BinaryIO, zipped: zipfile.ZipFile) -> None:
    """Raise BadZipFile if files lie over one another (a bomb), or the directory lacks some."""
    end = 0
    members = sorted(zipped.infolist(), key=lambda member: member.header_offset)
    places = [*(member.header_offset for member in members), zipped.start_dir]
    for place, member in zip(places, [*members, None], strict=True):
        if place < end:
            raise zipfile.BadZipFile("its files overlap")
        file.seek(end)
        if b"PK\3\4" in file.read(min(place - end, _LOCAL_HEADER)):  # a sum may stand before it
            raise zipfile.BadZipFile("its directory lacks a file")
        if member:
            file.seek(place + _LOCAL_HEADER - 4)
            name, extra = struct.unpack("<HH", file.read(4))
            end = place + _LOCAL_HEADER + name + extra + member.compress_size
