"""Unpack an archive of categories that need not be trusted."""

import gzip
import lzma
import shutil
import stat
import sys
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PureWindowsPath
from typing import BinaryIO

from tqdm import tqdm

from ..ground import UserError

#: More than this is not a data set but a mistake or an attack. MVTec AD has 6,612 images, 5 GB.
MAX_BYTES = 100 * 10**9
MAX_ENTRIES = 200_000

#: A category is a folder that holds one of these.
_SPLITS = ("train", "test", "ground_truth")

_DAMAGED = (
    tarfile.TarError,
    zipfile.BadZipFile,
    gzip.BadGzipFile,
    lzma.LZMAError,
    zlib.error,
    EOFError,
    NotImplementedError,  # a compression that zipfile does not know
)


@dataclass(frozen=True)
class _Entry:
    """One entry of an archive of any format. `is_plain`: a regular, unencrypted file."""

    name: str
    size: int
    is_folder: bool
    is_plain: bool
    open: Callable[[], BinaryIO]


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
        except _DAMAGED as error:
            raise UserError(
                f"{archive} is damaged, incomplete or not a .tar, .tar.gz, .tar.xz or .zip "
                f"({error}): fetch it again"
            ) from error
        _check_held(archive, held, categories)
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
    room = shutil.disk_usage(folder).free
    written = 0
    for count, entry in enumerate(tqdm(_entries(archive), unit=" files", disable=None)):
        parts = _safe_parts(archive, entry)
        if count >= MAX_ENTRIES:
            raise UserError(f"{archive} holds too many files for a data set: is it the right one?")
        if entry.is_folder:
            continue  # made with the first file in it
        if path := _category_path(parts):
            name = path[-1]
            if held.setdefault(name, path) != path:
                raise _refusal(archive, entry, "of a category that it holds elsewhere, too")
            if (categories and name not in categories) or (target / name).exists():
                continue
        written += entry.size
        if written > min(room, MAX_BYTES):
            raise UserError(
                f"{archive} unpacks to more than {min(room, MAX_BYTES)} bytes, all that the disk "
                f"of {target} has free or a data set needs: make room, name fewer categories, or "
                "choose a folder on another disk"
            )
        _write(archive, entry, folder.joinpath(*parts))
    return held


def _write(archive: Path, entry: _Entry, path: Path) -> None:
    """Write one file, which must be new."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("xb")
    except (FileExistsError, NotADirectoryError) as error:
        raise _refusal(archive, entry, "which is in it twice") from error
    with file, entry.open() as source:
        shutil.copyfileobj(source, file)


def _safe_parts(archive: Path, entry: _Entry) -> tuple[str, ...]:
    """Return the parts of the entry's name, or refuse it.

    Windows reads more characters as separators and drives than other systems: a name that is safe
    there is safe everywhere.
    """
    path = PureWindowsPath(entry.name)
    if path.anchor or "\0" in entry.name or not all(part.strip(". ") for part in path.parts):
        raise _refusal(archive, entry, "a name that leads out of its folder")
    if not (entry.is_folder or entry.is_plain):
        raise _refusal(archive, entry, "which is neither a plain file nor a folder")
    if entry.size < 0 or not (path.parts or entry.is_folder):
        raise _refusal(archive, entry, "which makes no sense")
    return path.parts


def _refusal(archive: Path, entry: _Entry, reason: str) -> UserError:
    """Return the error that an entry is refused with."""
    return UserError(
        f"{archive} holds {entry.name!r}, {reason}: nothing was unpacked; use another archive"
    )


def _category_path(parts: tuple[str, ...]) -> tuple[str, ...]:
    """Return the path of the category that an entry belongs to: the folder that holds a split.

    >>> _category_path(("mvtec", "bottle", "train", "good", "000.png"))
    ('mvtec', 'bottle')
    >>> _category_path(("bottle", "license.txt"))
    ()
    """
    for depth in (1, 2):
        if len(parts) > depth and parts[depth] in _SPLITS:
            return parts[:depth]
    return ()


def _check_held(archive: Path, held: Collection[str], categories: Collection[str] | None) -> None:
    """Raise a UserError if the archive lacks what is asked for."""
    if not held:
        raise UserError(
            f"{archive} holds no category: expected files like CATEGORY/train/good/000.png"
        )
    missing = sorted(set(categories or ()) - set(held))
    if missing:
        raise UserError(
            f"{archive} holds no {', '.join(missing)}: choose among {', '.join(sorted(held))}"
        )


def _entries(archive: Path) -> Iterator[_Entry]:
    """Go through an archive of any format, entry by entry."""
    return _zip_entries(archive) if zipfile.is_zipfile(archive) else _tar_entries(archive)


def _tar_entries(archive: Path) -> Iterator[_Entry]:
    with tarfile.open(archive) as tar:
        for member in tar:
            open_member = partial(tar.extractfile, member)
            yield _Entry(member.name, member.size, member.isdir(), member.isreg(), open_member)


def _zip_entries(archive: Path) -> Iterator[_Entry]:
    with zipfile.ZipFile(archive) as zipped:
        for member in zipped.infolist():
            kind = stat.S_IFMT(member.external_attr >> 16)  # 0: not written by a Unix system
            encrypted = member.flag_bits & 1
            plain = kind in (0, stat.S_IFREG) and not encrypted
            open_member = partial(zipped.open, member)
            yield _Entry(member.filename, member.file_size, member.is_dir(), plain, open_member)
