"""Files that are either whole or not there."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import UserError


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


def _cannot_be_written(path: str | Path, error: OSError) -> UserError:
    return UserError(
        f"{path}: cannot be written ({error.strerror}); make room, or choose another folder"
    )


def _umask() -> int:
    """Return the process's file mode mask (it can only be read by setting it)."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
