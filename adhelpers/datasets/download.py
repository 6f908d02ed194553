"""Download one large file, and resume where the last attempt stopped."""

import http.client
import re
import shutil
import ssl
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import NoReturn

from tqdm import tqdm

from ..ground import UserError

#: Seconds to wait after each failed attempt but the last.
WAITS = (1, 2, 4)

#: Bytes to read at a time: what a broken connection can lose.
_BLOCK = 1 << 16

#: What a connection can fail with. Errors of writing the file are none of these.
_FAULTS = (
    urllib.error.URLError,
    http.client.HTTPException,
    ConnectionError,
    TimeoutError,
    ssl.SSLError,
)


def download(
    url: str,
    path: str | Path,
    *,
    timeout: float = 30,
    pause: Callable[[float], object] = time.sleep,
) -> None:
    """Download `url` to `path`.

    The bytes gather in ``<path>.part``, which is renamed to `path` once it is complete. An attempt
    that fails, or Ctrl-C, leaves it there, and the next one asks the server for the rest alone
    (RFC 9110, section 14); a server that cannot do so sends all of it again.

    Parameters
    ----------
    url : str
        An http or https address.
    path : str or Path
        The file to write, in a folder that exists.
    timeout : float
        Seconds of silence after which a connection counts as cut.
    pause : callable
        Waits so many seconds between attempts (`WAITS`).

    Raises
    ------
    UserError
        If the address is of another kind, the server refuses or answers with a web page, the
        connection fails in every attempt, or the file cannot be written or does not fit on the
        disk. The message says where a part is kept.
    """
    path = Path(path)
    part = path.with_name(f"{path.name}.part")
    if not url.lower().startswith(("http://", "https://")):
        raise UserError(f"{url!r} is not an address to download from: expected http(s)://...")
    try:
        _receive_with_retries(url, part, timeout, pause)
    except _FAULTS as error:
        raise UserError(f"{url} could not be fetched ({error}){_kept(part)}") from error
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
    url: str, part: Path, timeout: float, pause: Callable[[float], object]
) -> None:
    """Receive the file, trying again where that may help: not where the server refuses."""
    for wait in WAITS:
        try:
            return _receive(url, part, timeout)
        except _FAULTS as error:
            refused = isinstance(error, urllib.error.HTTPError) and error.code < 500
            if refused:
                raise
            pause(wait)
    return _receive(url, part, timeout)


def _receive(url: str, part: Path, timeout: float) -> None:
    """Make one attempt to complete the file `part`."""
    with _request(url, part, timeout) as answer:
        if answer.headers.get_content_type() == "text/html":
            raise UserError(f"{url} answers with a web page, not with an archive{_kept(part)}")
        start, total = _extent(answer, part)
        _check_room(part, start, total)
        with (
            part.open("ab" if start else "wb") as file,
            tqdm(initial=start, total=total, unit="B", unit_scale=True, disable=None) as bar,
        ):
            while block := answer.read(_BLOCK):
                file.write(block)
                bar.update(len(block))
    received = part.stat().st_size
    if total is not None and received != total:
        raise ConnectionError(f"cut off after {received} of {total} bytes")


def _request(url: str, part: Path, timeout: float) -> http.client.HTTPResponse:
    """Ask for the bytes that `part` lacks."""
    request = urllib.request.Request(url, headers={"User-Agent": "adhelpers"})
    if _size(part):
        request.add_header("Range", f"bytes={_size(part)}-")
    try:
        return urllib.request.urlopen(request, timeout=timeout)
    except urllib.error.HTTPError as error:
        if error.code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            _discard(part)
        raise


def _extent(answer: http.client.HTTPResponse, part: Path) -> tuple[int, int | None]:
    """Return where in the file the answer begins, and the file's size if it is known."""
    if answer.status != HTTPStatus.PARTIAL_CONTENT:
        length = answer.headers.get("Content-Length")
        return 0, None if length is None else int(length)
    content_range = answer.headers.get("Content-Range", "")
    match = re.fullmatch(r"bytes (\d+)-\d+/(\d+)", content_range)
    if match is None or int(match[1]) != _size(part):
        _discard(part)
    return int(match[1]), int(match[2])


def _discard(part: Path) -> NoReturn:
    """Remove a part that the server cannot continue, and have the next attempt start over."""
    part.unlink(missing_ok=True)
    raise ConnectionError("the server cannot continue the part that was kept")


def _check_room(part: Path, start: int, total: int | None) -> None:
    """Raise a UserError if the rest of the file does not fit on the disk."""
    free = shutil.disk_usage(part.parent).free
    if total is not None and total - start > free:
        raise UserError(
            f"the download needs {total - start} bytes, but the disk of {part.parent} has {free} "
            f"free: free some, or choose a folder on another disk{_kept(part)}"
        )


def _size(part: Path) -> int:
    """Return how many bytes are there already."""
    return part.stat().st_size if part.exists() else 0
