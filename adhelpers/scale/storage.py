"""Bytes from and to storage: several tries, whole files, and errors that name no credentials."""

import io
import re
import time
from collections.abc import Callable, Sequence
from typing import TypeVar
from urllib.parse import urlsplit, urlunsplit

import fsspec
from fsspec.implementations.local import LocalFileSystem

from ..ground import UserError, ordered_map, write_bytes
from ..images import check_file

Result = TypeVar("Result")

#: How often storage is asked that answers with errors, and the pause after the first, in seconds.
TRIES, PAUSE = 4, 0.5
_AT_ONCE = 8  # files; each waits for the storage, not for the processor
#: What asking again does not help.
_FINAL = (FileNotFoundError, IsADirectoryError, NotADirectoryError, PermissionError, UserError)

_USER = re.compile(r"(?<=//)[^/@\s]+@")
_QUERY = re.compile(r"(?<=\S)\?[^\s'\")]*=[^\s'\")]*")


def shown(url: str) -> str:
    """Return a URL without what may be a password: the user before the host, and the query.

    Examples
    --------
    >>> shown("https://me:secret@host/a.png?sig=1"), shown("a?.png")
    ('https://host/a.png', 'a?.png')
    """
    if "://" not in url or url.startswith("file:"):
        return url
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    query = "" if "=" in parts.query else parts.query
    return urlunsplit((parts.scheme, host, parts.path, query, ""))


def reason(error: BaseException, path: str = "") -> str:
    """Return what an error says, in one line of at most 200 characters, without credentials.

    Parameters
    ----------
    error : exception
    path : str
        What need not be said again at its start.
    """
    told = getattr(error, "strerror", None)
    words = " ".join((told if isinstance(told, str) else str(error)).split())
    words = words.removeprefix(f"{path}: ")
    return _QUERY.sub("", _USER.sub("", words))[:200] or type(error).__name__


def located(url: str) -> tuple[fsspec.AbstractFileSystem, str]:
    """Return the file system of a URL, which remembers no listings, and the path there."""
    return fsspec.core.url_to_fs(url, use_listings_cache=False)


def persistently(step: Callable[..., Result], *arguments) -> Result:
    """Call a step of storage, again after errors that may pass.

    Raises
    ------
    Exception
        What the last try raised.
    """
    for number in range(1, TRIES + 1):
        try:
            return step(*arguments)
        except _FINAL:
            raise
        except Exception:
            if number == TRIES:
                raise
            time.sleep(PAUSE * 2 ** (number - 1))
    raise AssertionError


def fetch(urls: Sequence[str]) -> list[bytes | Exception]:
    """Read files, several at once.

    Returns
    -------
    contents : list of bytes or Exception
        An OSError or UserError for a file that is not there, or is no ordinary one.

    Raises
    ------
    Exception
        If storage does not answer, or refuses: nothing is known of the file then.
    """
    return list(ordered_map(_content, urls, _AT_ONCE))


def _content(url: str) -> bytes | Exception:
    fs, path = located(url)
    is_local = isinstance(fs, LocalFileSystem)
    try:
        if is_local:
            check_file(path)
        return persistently(fs.cat_file, path)
    except (FileNotFoundError, IsADirectoryError, UserError) as error:
        return error
    except OSError as error:
        if is_local:
            return error
        raise


def read(url: str) -> io.BytesIO:
    """Return a file's bytes, to read from."""
    fs, path = located(url)
    return io.BytesIO(persistently(fs.cat_file, path))


def write(url: str, content: bytes) -> None:
    """Write a file, whole or not at all."""
    fs, path = located(url)
    if isinstance(fs, LocalFileSystem):
        write_bytes(path, content)
    else:
        persistently(fs.pipe_file, path, content)


def names_in(url: str) -> set[str]:
    """Return the names of the files that are directly in a folder; none where there is none.

    Raises
    ------
    UserError
        If the storage refuses, or does not answer.
    """
    fs, path = located(url)
    try:
        return {name.rpartition("/")[2] for name in persistently(fs.ls, path, False)}
    except FileNotFoundError:
        return set()
    except Exception as error:
        raise UserError(f"{shown(url)}: cannot be listed ({reason(error)})") from None


def opened(url: str):
    """Return a file to read from piece by piece."""
    fs, path = located(url)
    return persistently(fs.open, path, "rb")
