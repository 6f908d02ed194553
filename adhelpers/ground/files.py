"""Files that are either whole or not there."""

import csv
import os
import re
import stat
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from errno import ENOENT
from pathlib import Path

from .errors import UserError
from .kinds import BY_SUFFIX, kind_of_file
from .leftovers import forget, remove_leftovers, temporary_path

_SPELLED_OUT = re.compile(r"\\u(dc[89a-f][0-9a-f])")


@contextmanager
def written_whole(path: str | Path) -> Iterator[Path]:
    """Write a file under a temporary name and rename it once it is complete.

    Parameters
    ----------
    path : str or Path
        The file to write. Missing folders above it are made. Where it is a link, the file that it
        leads to is written, and the link stays.

    Yields
    ------
    temporary : Path
        A name in the same folder and with the same suffix, to write to. On success it replaces
        `path` in one step; on any exception it is removed and `path` stays as it was. One that a
        killed process left is removed by a later write to the same folder.

    Raises
    ------
    UserError
        If the file cannot be written: a read-only folder, a full disk; if there is something else
        than an ordinary file (a device such as /dev/null, a pipe, a folder), or a file of another
        kind than the new one, say an image where a model is written.

    Examples
    --------
    >>> folder = Path(tempfile.mkdtemp())
    >>> with written_whole(folder / "a.txt") as temporary:
    ...     _ = temporary.write_text("whole")
    >>> [file.name for file in folder.iterdir()]
    ['a.txt']
    """
    place = _ordinary(path)
    temporary = None
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        remove_leftovers(place.parent)
        temporary = temporary_path(place)
        temporary.touch(exist_ok=False)
        yield temporary
        _check_same_kind(place, kind_of_file(temporary))
        temporary.replace(place)
    except OSError as error:
        raise _cannot_be_written(path, error) from error
    finally:
        if temporary:
            temporary.unlink(missing_ok=True)
            forget(temporary)


def _ordinary(path: str | Path) -> Path:
    """Return the place that a path leads to, where an ordinary file is, or nothing.

    Raises
    ------
    UserError
        If something else is there: a folder, device, pipe or socket.
    """
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:  # nothing, or a link that leads to nothing yet
        mode = stat.S_IFREG
    except OSError as error:  # a link in a circle, a folder that may not be looked into
        raise _cannot_be_written(path, error) from error
    if stat.S_ISREG(mode):
        return Path(os.path.realpath(path))
    if stat.S_ISDIR(mode):
        raise UserError(f"{path} is a folder; name a file in it")
    raise UserError(f"{path} is a device, pipe or socket, not an ordinary file; name another file")


def _check_same_kind(place: Path, kind: str | None) -> None:
    """Raise a UserError if a file of a known, and another, kind would be replaced."""
    if place.exists() and (found := kind_of_file(place)) not in (None, kind):
        raise _another_kind(place, found)


def _another_kind(path: str | Path, found: str) -> UserError:
    return UserError(f"{path} is there already, and is {found}; remove it, or choose another name")


def write_bytes(path: str | Path, content: bytes) -> None:
    """Write bytes to a file, whole or not at all; see `written_whole`."""
    with written_whole(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: str | Path, text: str) -> None:
    """Write a text to a file, whole or not at all; see `written_whole`.

    It is in UTF-8, which any program reads. Bytes of a file's name that are no text are spelled
    out, ``\\udcfc`` for the byte 0xFC; `read_text` makes the name of them again.
    """
    with written_whole(path) as temporary:
        temporary.write_text(text, "utf-8", "backslashreplace")


def write_rows(path: str | Path, head: Sequence[str], rows: Iterable[Sequence]) -> None:
    """Write a CSV file, whole or not at all; see `written_whole`.

    Parameters
    ----------
    path : str or Path
    head : sequence of str
        The names of the columns.
    rows : iterable of sequence
        None becomes an empty cell. Bytes of names that are no text are spelled out, as by
        `write_text`.
    """
    with (
        written_whole(path) as temporary,
        temporary.open("w", newline="", encoding="utf-8", errors="backslashreplace") as file,
    ):
        csv.writer(file).writerows([head, *rows])


def read_text(path: str | Path) -> str:
    """Read a text that `write_text` or `write_rows` wrote, with names as they were."""
    text = Path(path).read_bytes().decode("utf-8", "surrogateescape")
    return _SPELLED_OUT.sub(lambda found: chr(int(found[1], 16)), text)


@contextmanager
def reading(path: str | Path, kind: str, what_to_do: str) -> Iterator[None]:
    """Turn whatever goes wrong inside the block, while a file is read, into one error.

    Parameters
    ----------
    path : str or Path
    kind : str
        What the file should be: "a features file".
    what_to_do : str

    Raises
    ------
    UserError
        If the file is not there, cut off, or something else.
    """
    found = Path(path)
    try:
        if not found.exists():
            raise FileNotFoundError(ENOENT, "there is no such file")
        if not found.is_file():  # a pipe would hang
            raise ValueError("it is no regular file")
        yield
    except (FileNotFoundError, PermissionError) as error:
        raise UserError(f"{path}: {error.strerror}; {what_to_do}") from error
    except Exception as error:  # NumPy, zipfile and JSON raise all kinds
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UserError(f"{path}: not {kind}, or cut off ({reason:.200}); {what_to_do}") from error


def check_writable(folder: str | Path) -> None:
    """Make sure, before the work begins, that files can be written to a folder.

    Raises
    ------
    UserError
        If it cannot be made or written to.
    """
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"0" * 4096)
            file.flush()
    except OSError as error:
        raise _cannot_be_written(folder, error) from error


def check_writable_file(path: str | Path, kind: str | None = None) -> None:
    """Make sure, before the work begins, that a file can be written.

    Parameters
    ----------
    path : str or Path
    kind : str, optional
        What will be written, as `kind_of_file` names it; by the suffix when not given.

    Raises
    ------
    UserError
        If it is a folder or a device, its folder cannot be made or written to, or a file of
        another kind is there, which would be lost.
    """
    place = _ordinary(path)
    kind = kind or BY_SUFFIX.get(Path(path).suffix.lower())
    try:
        if place.exists() and place.stat().st_size:
            found = kind_of_file(place)
            if found != kind:
                raise _another_kind(path, found or f"not {kind}")
    except OSError as error:
        raise _cannot_be_written(path, error) from error
    check_writable(place.parent)


def _cannot_be_written(path: str | Path, error: OSError) -> UserError:
    reason = error.strerror or error
    return UserError(f"{path}: cannot be written ({reason}); make room, or choose another folder")
