"""Unpack an archive of categories that need not be trusted."""

import errno
import shutil
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path, PureWindowsPath

from tqdm import tqdm

from ..ground import UserError, forget, remove_leftovers, temporary_path
from .archives import MAX_ENTRIES, Entry, check_ordinary, entries, too_many

#: More than this is not a data set but a mistake or an attack. MVTec AD unpacks to 5 GB.
MAX_BYTES = 100 * 10**9
MAX_NAME = 255  # characters, folders included
MAX_DEPTH = 16  # folders; each takes room on the disk, too

#: A category is a folder, at the top or below one, that holds one of these.
_SPLITS = ("train", "test", "ground_truth")


def unpack(
    archive: str | Path, target: str | Path, categories: Collection[str] | None = None
) -> list[str]:
    """Unpack the categories of `archive` into `target`: all of them, or none.

    Every entry is checked: only files and folders whose names stay inside the archive's own tree
    are accepted. The files go to a temporary folder in `target` (so on the same disk); when all
    are there, each category is renamed into place in one step. On any exception, Ctrl-C included,
    the temporary folder is removed; after a SIGKILL, the next call removes it.

    Parameters
    ----------
    archive : str or Path
        An ordinary .tar, .tar.gz, .tar.xz or .zip file, told apart by content. It holds categories
        at the top, or below one folder.
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
        If the archive is no ordinary file, is damaged, holds an entry that is refused, lacks one
        of `categories`, holds no category at all, or is too large.
    OSError
        If a file cannot be written.
    """
    archive, target = Path(archive), Path(target)
    check_ordinary(archive)
    with _temporary_folder(target) as folder:
        try:
            held = _write_files(archive, target, folder, categories)
        except UserError:
            raise
        except Exception as error:  # damage raises zlib.error, IndexError, RecursionError, ...
            if getattr(error, "errno", None) not in (None, errno.EINVAL):  # a seek to before 0
                raise  # the system's: the disk is full, say
            raise UserError(
                f"{archive} is damaged, incomplete, encrypted or not a .tar, .tar.gz, .tar.xz or "
                f".zip ({type(error).__name__}: {error!s:.200}): fetch it again"
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
                folder.joinpath(*held[name]).rename(target / name)
                unpacked.append(name)
    return unpacked


@contextmanager
def _temporary_folder(target: Path) -> Iterator[Path]:
    """Make a folder in `target` that is removed in the end."""
    remove_leftovers(target)
    folder = temporary_path(target / "unpacked")
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        forget(folder)


def _write_files(
    archive: Path, target: Path, folder: Path, categories: Collection[str] | None
) -> dict[str, tuple[str, ...]]:
    """Write the files that are wanted below `folder`.

    Returns the path in the archive of each category that it holds, wanted or not.
    """
    held = {}
    free = shutil.disk_usage(folder).free
    total = written = 0
    for count, entry in enumerate(tqdm(entries(archive), unit=" files", disable=None)):
        if count >= MAX_ENTRIES:
            raise too_many(archive)
        parts = _safe_parts(archive, entry)
        if entry.is_folder:
            continue  # made with the first file in it
        total += entry.size
        if total > MAX_BYTES:
            raise UserError(
                f"{archive} unpacks to more than {MAX_BYTES} bytes, too many for a data set: "
                "is it the right one?"
            )
        depth = next((depth for depth, part in enumerate(parts[1:3], 1) if part in _SPLITS), 0)
        if depth:
            name, path = parts[depth - 1], parts[:depth]
            if held.setdefault(name, path) != path:
                raise _refusal(archive, entry, "of a category that it holds elsewhere, too")
            if (categories and name not in categories) or (target / name).exists():
                continue
        written += entry.size
        if written > free:
            raise UserError(
                f"{archive} unpacks to more than {free} bytes, all that the disk of {target} has "
                "free: make room, name fewer categories, or choose a folder on another disk"
            )
        _write(archive, entry, folder.joinpath(*parts))
    return held


def _write(archive: Path, entry: Entry, path: Path) -> None:
    """Write one file that is not there yet."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("xb")  # ZipFile.extract and TarFile.extract overwrite
    except (FileExistsError, NotADirectoryError) as error:
        raise _refusal(archive, entry, "which is in it twice") from error
    with file, entry.open() as source:
        shutil.copyfileobj(source, file)
        if file.tell() != entry.size:
            raise EOFError(f"{entry.name!r:.100} has {file.tell()} bytes, not {entry.size}")


def _safe_parts(archive: Path, entry: Entry) -> tuple[str, ...]:
    """Return the parts of the entry's name, or refuse it.

    `tarfile.data_filter` and `ZipFile.extract` are weaker: one accepts links, the other drops "..",
    both turn "/a" into "a" without a word, and judge by the system they run on. Windows reads more
    characters as separators and drives than others: a name that is safe there is safe everywhere.
    """
    path = PureWindowsPath(entry.name)
    if path.anchor or "\0" in entry.name or not all(part.strip(". ") for part in path.parts):
        raise _refusal(archive, entry, "a name that leads out of its folder")
    if any(ord(character) < 32 or ord(character) == 127 for character in entry.name):
        raise _refusal(archive, entry, "a name with control characters")
    if len(entry.name) > MAX_NAME or len(path.parts) > MAX_DEPTH:
        raise _refusal(archive, entry, "a name too long or too deep for a data set")
    if not entry.is_folder and not entry.is_plain:
        raise _refusal(archive, entry, "which is neither a plain file nor a folder")
    return path.parts


def _refusal(archive: Path, entry: Entry, reason: str) -> UserError:
    """Return the error that an entry is refused with."""
    return UserError(
        f"{archive} holds {entry.name!r:.200}, {reason}: nothing was unpacked; use another archive"
    )
