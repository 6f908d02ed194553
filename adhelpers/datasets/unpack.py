"""Unpack an archive of categories that need not be trusted."""

import errno
import shutil
import stat
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Collection, Iterator
from functools import partial
from pathlib import Path, PureWindowsPath
from typing import BinaryIO

from tqdm import tqdm

from ..ground import UserError

#: More than this is not a data set but a mistake or an attack. MVTec AD has 6,612 images, 5 GB.
MAX_BYTES = 100 * 10**9
MAX_ENTRIES = 200_000
MAX_NAME = 255  # characters, folders included: it bounds the depth, too
MAX_HEADER = 1 << 20  # bytes of a tar's header of one entry: tarfile reads all of it into memory

#: A category is a folder, at the top or below one, that holds one of these.
_SPLITS = ("train", "test", "ground_truth")


def unpack(
    archive: str | Path, target: str | Path, categories: Collection[str] | None = None
) -> list[str]:
    """Unpack the categories of `archive` into `target`: all of them, or none.

    Every entry is checked: only files and folders whose names stay inside the archive's own tree
    are accepted. The files go to a temporary folder in `target` (so on the same disk); when all
    are there, each category is renamed into place in one step. On any exception, Ctrl-C included,
    the temporary folder is removed.

    Parameters
    ----------
    archive : str or Path
        A .tar, .tar.gz, .tar.xz or .zip file, told apart by content. It holds categories at the
        top, or below one folder.
    target : str or Path
        A folder that exists. A category that is in it is kept as it is, and a note says so.
    categories : collection of str, optional
        What to unpack; by default everything.

    Returns
    -------
    unpacked : list of str
        The categories that are new in `target`, sorted.

    Raises
    ------
    UserError
        If the archive is damaged, holds an entry that is refused, lacks one of `categories`,
        holds no category at all, or is too large.
    OSError
        If a file cannot be written.
    """
    archive, target = Path(archive), Path(target)
    with tempfile.TemporaryDirectory(prefix=".unpacking-", dir=target) as folder:
        try:
            held = _write_files(archive, target, Path(folder), categories)
        except UserError:
            raise
        except Exception as error:  # damage raises zlib.error, IndexError, RecursionError, ...
            if getattr(error, "errno", None) not in (None, errno.EINVAL):  # a seek to before 0
                raise  # the system's: the disk is full, say
            reason = str(error).partition(":\n")[0]  # tarfile goes on with a line for each format
            raise UserError(
                f"{archive} is damaged, incomplete, encrypted or not a .tar, .tar.gz, .tar.xz or "
                f".zip ({type(error).__name__}: {reason}): fetch it again"
            ) from error
        if not held:
            raise UserError(
                f"{archive} holds no category: expected files like CATEGORY/train/good/000.png"
            )
        if missing := sorted(set(categories or ()) - held.keys()):
            raise UserError(
                f"{archive} holds no {', '.join(missing)}: choose among {', '.join(sorted(held))}"
            )
        unpacked = []
        for name in sorted(categories or held):
            if (target / name).exists():
                print(f"{target / name} is there already: kept as it is", file=sys.stderr)
            else:
                Path(folder, *held[name]).rename(target / name)
                unpacked.append(name)
    return unpacked


def _write_files(
    archive: Path, target: Path, folder: Path, categories: Collection[str] | None
) -> dict[str, tuple[str, ...]]:
    """Write the files that are wanted below `folder`.

    Returns the path in the archive of each category that it holds, wanted or not.
    """
    held = {}
    room = min(MAX_BYTES, shutil.disk_usage(folder).free)
    written = 0
    entries = tqdm(_entries(archive), unit=" files", disable=None)
    for count, (entry, open_entry) in enumerate(entries):
        if count >= MAX_ENTRIES:
            raise UserError(f"{archive} holds too many files for a data set: is it the right one?")
        parts = _safe_parts(archive, entry)
        if entry.isdir():
            continue  # made with the first file in it
        depth = next((depth for depth, part in enumerate(parts[1:3], 1) if part in _SPLITS), 0)
        if depth:
            name, path = parts[depth - 1], parts[:depth]
            if held.setdefault(name, path) != path:
                raise _refusal(archive, entry, "of a category that it holds elsewhere, too")
            if (categories and name not in categories) or (target / name).exists():
                continue
        written += entry.size
        if written > room:
            raise UserError(
                f"{archive} unpacks to more than {room} bytes, all that the disk of {target} has "
                "free or a data set needs: make room, name fewer categories, or choose a folder "
                "on another disk"
            )
        path = folder.joinpath(*parts)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            file = path.open("xb")  # ZipFile.extract and TarFile.extract overwrite
        except (FileExistsError, NotADirectoryError) as error:
            raise _refusal(archive, entry, "which is in it twice") from error
        with file, open_entry() as source:
            shutil.copyfileobj(source, file)
    return held


def _safe_parts(archive: Path, entry: tarfile.TarInfo) -> tuple[str, ...]:
    """Return the parts of the entry's name, or refuse it.

    `tarfile.data_filter` and `ZipFile.extract` are weaker: one accepts links, the other drops "..",
    both turn "/a" into "a" without a word, and judge by the system they run on. Windows reads more
    characters as separators and drives than others: a name that is safe there is safe everywhere.
    """
    path = PureWindowsPath(entry.name)
    if path.anchor or "\0" in entry.name or not all(part.strip(". ") for part in path.parts):
        raise _refusal(archive, entry, "a name that leads out of its folder")
    if len(entry.name) > MAX_NAME:
        raise _refusal(archive, entry, "a name too long or too deep for a data set")
    if not entry.isdir() and (not entry.isreg() or entry.size < 0):
        raise _refusal(archive, entry, "which is neither a plain file nor a folder")
    return path.parts


def _refusal(archive: Path, entry: tarfile.TarInfo, reason: str) -> UserError:
    """Return the error that an entry is refused with."""
    return UserError(
        f"{archive} holds {entry.name!r:.200}, {reason}: nothing was unpacked; use another archive"
    )


def _entries(archive: Path) -> Iterator[tuple[tarfile.TarInfo, Callable[[], BinaryIO]]]:
    """Go through an archive: each entry, described as tarfile does, and what opens it."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as zipped:
            for member in zipped.infolist():
                entry = tarfile.TarInfo(member.filename)
                entry.size = member.file_size
                if member.is_dir():
                    entry.type = tarfile.DIRTYPE
                elif stat.S_IFMT(member.external_attr >> 16) not in (0, stat.S_IFREG):
                    entry.type = tarfile.SYMTYPE  # ZipFile would write where it leads to as a file
                yield entry, partial(zipped.open, member)
        return
    with tarfile.open(archive, tarinfo=_Header) as tar:
        while entry := tar.next():
            yield entry, partial(tar.extractfile, entry)
            tar.members.clear()  # or all headers stay in memory
        while block := tar.fileobj.read(1 << 20):  # to the end, where gzip and xz check a sum
            if block.strip(b"\0"):
                raise tarfile.ReadError("something follows its end")


class _Header(tarfile.TarInfo):
    """A header of a tar that must be sound and small.

    After the first one, tarfile takes anything that is no header for the end of the archive.
    """

    @classmethod
    def frombuf(cls, buf: bytes, encoding: str, errors: str) -> tarfile.TarInfo:
        try:
            header = super().frombuf(buf, encoding, errors)
        except tarfile.EOFHeaderError:  # zeros: the end
            raise
        except tarfile.HeaderError as error:
            raise tarfile.ReadError(str(error)) from error
        if not header.isreg() and header.size > MAX_HEADER:
            raise tarfile.ReadError(f"a header of {header.size} bytes")
        return header
