"""Files that are either whole or not there."""

import csv
import os
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from .errors import UserError

_UNREADABLE = (
    *(OSError, EOFError, KeyError, ValueError, TypeError, AttributeError),
    zipfile.BadZipFile,
)


@contextmanager
def written_whole(path: str | Path) -> Iterator[Path]:
    """Write a file under a temporary name and rename it once it is complete.

    Parameters
    ----------
    path : str or Path
        The file to write. Missing folders above it are made.

    Yields
    ------
    temporary : Path
        A name in the same folder and with the same suffix, to write to. On success it replaces
        `path` in one step; on any exception it is removed and `path` stays as it was.

    Raises
    ------
    UserError
        If the file cannot be written: a read-only folder, a full disk.

    Examples
    --------
    >>> folder = Path(tempfile.mkdtemp())
    >>> with written_whole(folder / "a.txt") as temporary:
    ...     _ = temporary.write_text("whole")
    >>> [file.name for file in folder.iterdir()]
    ['a.txt']
    """
    path = Path(path)
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(
            prefix=f".{path.stem[:40]}-", suffix=path.suffix, dir=path.parent
        )
        os.close(handle)
        temporary = Path(name)
        yield temporary
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    except OSError as error:
        raise _cannot_be_written(path, error) from error
    finally:
        if temporary:
            temporary.unlink(missing_ok=True)


def write_bytes(path: str | Path, content: bytes) -> None:
    """Write bytes to a file, whole or not at all; see `written_whole`."""
    with written_whole(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: str | Path, text: str) -> None:
    """Write a text in UTF-8 to a file, whole or not at all; see `written_whole`."""
    with written_whole(path) as temporary:
        temporary.write_text(text, "utf-8")


def write_rows(path: str | Path, head: Sequence[str], rows: Iterable[Sequence]) -> None:
    """Write a CSV file, whole or not at all; see `written_whole`.

    Parameters
    ----------
    path : str or Path
    head : sequence of str
        The names of the columns.
    rows : iterable of sequence
        None becomes an empty cell.
    """
    with (
        written_whole(path) as temporary,
        temporary.open("w", newline="", encoding="utf-8") as file,
    ):
        csv.writer(file).writerows([head, *rows])


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
    if not Path(path).exists():
        raise UserError(f"{path}: there is no such file; {what_to_do}")
    try:
        yield
    except _UNREADABLE as error:
        raise UserError(f"{path}: not {kind}, or cut off ({error}); {what_to_do}") from error


def check_writable(folder: str | Path) -> None:
    """Make sure, before the work begins, that files can be written to a folder.

    Raises
    ------
    UserError
        If it cannot be made or written to.
    """
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder) as file:
            file.write(b"0" * 4096)
            file.flush()
    except OSError as error:
        raise _cannot_be_written(folder, error) from error


def check_writable_file(path: str | Path) -> None:
    """Make sure, before the work begins, that a file can be written.

    Raises
    ------
    UserError
        If it is a folder, or its folder cannot be made or written to.
    """
    if Path(path).is_dir():
        raise UserError(f"{path} is a folder; name a file in it")
    check_writable(Path(path).parent)


def _cannot_be_written(path: str | Path, error: OSError) -> UserError:
    return UserError(
        f"{path}: cannot be written ({error.strerror}); make room, or choose another folder"
    )


def _umask() -> int:
    """Return the process's file mode mask (it can only be read by setting it)."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
