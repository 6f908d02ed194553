"""Download one large file, and resume where the last attempt stopped."""

import re
import shutil
import sys
import time
import urllib.error
from collections.abc import Callable
from http import HTTPStatus
from http.client import HTTPResponse
from pathlib import Path

from tqdm import tqdm

from ..ground import UserError, remove_leftovers
from .asking import FAULTS, Patience, ask

#: Seconds to wait after each failed attempt but the last.
WAITS = (1, 2, 4)

#: A server that sends more is not sending a data set. MVTec AD's archive has 4.9 GB.
MAX_BYTES = 50 * 10**9

#: Bytes to read at a time, at most.
_BLOCK = 1 << 16


def download(
    url: str,
    path: str | Path,
    *,
    timeout: float = 30,
    window: float = 60,
    pause: Callable[[float], object] = time.sleep,
) -> None:
    """Download `url` to `path`.

    The bytes gather in ``<path>.part``, which is renamed to `path` once it is complete. An attempt
    that fails, or Ctrl-C, leaves it there, and the next one asks the server for the rest alone
    (RFC 9110, section 14); a server that cannot do so sends all of it again. The part is given up
    only when all of it comes again.

    Parameters
    ----------
    url : str
        An http or https address.
    path : str or Path
        The file to write, in a folder that exists.
    timeout : float
        Seconds of silence after which a connection counts as cut.
    window : float
        Seconds in which an answer must begin, and each `asking.LEAST` bytes (300,000) must come.
    pause : callable
        Waits so many seconds between attempts (`WAITS`).

    Raises
    ------
    UserError
        If the address is of another kind, the server refuses, answers with a web page or with no
        length that makes sense, sends more than `MAX_BYTES`, or leads elsewhere than to a web
        address, the connection fails or is too slow in every attempt, or the file cannot be
        written or does not fit on the disk. The message says where a part is kept.
    """
    url, path = url.strip(), Path(path)
    part = path.with_name(f"{path.name}.part")
    remove_leftovers(path.parent)
    try:
        _receive_with_retries(url, part, timeout, window, pause)
    except UserError as error:
        raise UserError(f"{error}{_kept(part)}") from error
    except FAULTS as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"{url:.300} could not be fetched ({reason}){_kept(part)}") from error
    except OSError as error:
        raise UserError(f"{part} cannot be written ({error.strerror}){_kept(part)}") from error
    except KeyboardInterrupt:
        print(f"stopped{_kept(part)}", file=sys.stderr)
        raise
    part.replace(path)


def _kept(part: Path) -> str:
    """Say that the part is kept for the next attempt; an empty one is removed instead."""
    size = _size(part)
    if not size:
        part.unlink(missing_ok=True)
        return ""
    return f"; the first {size} bytes are kept in {part}: the same command goes on from there"


def _receive_with_retries(
    url: str, part: Path, timeout: float, window: float, pause: Callable[[float], object]
) -> None:
    """Receive the file, trying again where that may help: not where the server refuses."""
    resume = True
    for wait in (*WAITS, None):
        try:
            return _receive(url, part, resume, timeout, Patience(window))
        except FAULTS as error:
            refused = isinstance(error, urllib.error.HTTPError) and error.code < 500
            if refused or wait is None:
                raise
            resume = not isinstance(error, _CannotResume)
            pause(wait)


class _CannotResume(ConnectionError):
    """The server cannot go on from the part: all of the file is to be asked for."""


def _receive(url: str, part: Path, resume: bool, timeout: float, patience: Patience) -> None:
    """Make one attempt to complete the file `part`, from where it ends or (over it) anew."""
    held = _size(part) if resume else 0
    headers = {"User-Agent": "adhelpers"} | ({"Range": f"bytes={held}-"} if held else {})
    try:
        answer = ask(url, headers, timeout, patience)
    except urllib.error.HTTPError as error:
        if error.code != HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE or not held:
            raise
        if error.headers.get("Content-Range") == f"bytes */{held}":
            return  # nothing is lacking
        raise _CannotResume("the part that is kept is longer than the file") from error
    with answer:
        if answer.headers.get_content_type() == "text/html":
            raise UserError(f"{url:.300} answers with a web page, not with an archive")
        start, total = _extent(answer, held)
        _check_room(part, start, total)
        received = _append(answer, part, start, total, patience)
    if total is not None and received != total:
        raise ConnectionError(f"cut off after {received} of {total} bytes")


def _append(
    answer: HTTPResponse, part: Path, start: int, total: int | None, patience: Patience
) -> int:
    """Write what comes to `part`, from `start` on, and return how many bytes that makes."""
    received = start
    with (
        part.open("ab" if start else "wb") as file,
        tqdm(initial=start, total=total, unit="B", unit_scale=True, disable=None) as bar,
    ):
        while block := answer.read1(_BLOCK):
            received += file.write(block)
            bar.update(len(block))
            patience.received(len(block))
            if received > MAX_BYTES:
                file.truncate(start)
                raise _too_long(received)
    return received


def _extent(answer: HTTPResponse, held: int) -> tuple[int, int | None]:
    """Return where in the file the answer begins, and the file's size if it is known."""
    if answer.status != HTTPStatus.PARTIAL_CONTENT:
        length = answer.headers.get("Content-Length")
        return 0, None if length is None else _number(length)
    content_range = answer.headers.get("Content-Range", "")
    match = re.fullmatch(r"bytes (\d+)-\d+/(\d+)", content_range, re.ASCII)
    if match is None or match[1] != str(held):
        raise _CannotResume(f"asked for bytes from {held} on, got {content_range!r:.100}")
    return held, _number(match[2])


def _number(text: str) -> int:
    """Return a length in bytes."""
    if not re.fullmatch(r"\d{1,18}", text, re.ASCII):
        raise UserError(
            f"the server names {text!r:.60} as the file's length, not a number of bytes: "
            "name another address"
        )
    return int(text)


def _check_room(part: Path, start: int, total: int | None) -> None:
    """Raise a UserError if the rest of the file does not fit on the disk."""
    if total is None:
        return
    if total > MAX_BYTES:
        raise _too_long(total)
    free = shutil.disk_usage(part.parent).free
    if total - start > free:
        raise UserError(
            f"the download needs {total - start} bytes, but the disk of {part.parent} has {free} "
            "free: free some, or choose a folder on another disk"
        )


def _too_long(size: int) -> UserError:
    """Return the error for a file that cannot be the archive."""
    return UserError(
        f"the server sends {size} bytes or more, too many for a data set's archive ({MAX_BYTES}): "
        "name another address"
    )


def _size(part: Path) -> int:
    """Return how many bytes are there already."""
    return part.stat().st_size if part.exists() else 0
