"""Asking a server for a file, however it answers: no answer is waited for without end."""

import http.client
import io
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from functools import partial

from ..ground import UserError

#: Bytes that a server has to send of the file within each window of time: 5 kB/s over a minute.
LEAST = 300_000

#: What a connection can fail with. Errors of writing the file are none of these.
FAULTS = (
    urllib.error.URLError,
    http.client.HTTPException,
    ConnectionError,
    TimeoutError,
    ssl.SSLError,
)


class Patience:
    """How long a server may take: a window of time for its answer to begin, and for each `LEAST`.

    Parameters
    ----------
    window : float
        Seconds.
    """

    def __init__(self, window: float):
        self._window = window
        self._received = 0
        self._deadline = time.monotonic() + window

    def received(self, count: int) -> None:
        """Say that so many bytes of the file have come."""
        self._received += count
        if self._received >= LEAST:
            self._received, self._deadline = 0, time.monotonic() + self._window

    def check(self) -> None:
        """Raise a TimeoutError if the server has taken too long."""
        if time.monotonic() > self._deadline:
            raise TimeoutError(f"less than {LEAST} bytes of the file in {self._window:g} seconds")


def check_address(url: str) -> None:
    """Raise a UserError (or a ValueError) if something is no web address."""
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0:
        raise UserError(f"{url!r:.300} is not an address to download from: expected http(s)://...")


def ask(
    url: str, headers: dict[str, str], timeout: float, patience: Patience
) -> http.client.HTTPResponse:
    """Send a request, follow redirections to other web addresses, and return the answer.

    Parameters
    ----------
    url : str
    headers : dict of str to str
    timeout : float
        Seconds of silence after which a connection counts as cut.
    patience : Patience
        Checked with whatever the server sends, while the answer is read, too.

    Raises
    ------
    UserError
        If the address, or one that the server leads to, makes no sense.
    urllib.error.HTTPError
        If the server answers with an error.
    Exception
        One of `FAULTS`, if the connection fails.
    """
    opener = urllib.request.build_opener(_Connections(patience), _WebAlone)
    try:
        check_address(url)
        return opener.open(urllib.request.Request(url, headers=headers), timeout=timeout)
    except UserError:
        raise
    except (ValueError, OverflowError, http.client.InvalidURL) as error:
        raise UserError(
            f"{url!r:.300} is not an address that can be asked, or leads to none ({error!s:.200}): "
            "copy it from a browser's address line"
        ) from error


class _WebAlone(urllib.request.HTTPRedirectHandler):
    """Follows redirections to web addresses alone: urllib follows those to FTP, too."""

    def redirect_request(self, request, answer, code, message, headers, url):
        check_address(url)
        answer.close()  # or all that comes with a redirection is read
        return super().redirect_request(request, answer, code, message, headers, url)


class _Connections(urllib.request.HTTPHandler, urllib.request.HTTPSHandler):
    """Opens connections whose answers are read with patience."""

    def __init__(self, patience: Patience):
        super().__init__()
        self._patience = patience

    def do_open(self, http_class, request, **arguments):
        def connection(*args, **kwargs):
            made = http_class(*args, **kwargs)
            made.response_class = partial(_Answer, patience=self._patience)
            return made

        return super().do_open(connection, request, **arguments)


class _Answer(http.client.HTTPResponse):
    """An answer of which each piece, its first line and its headers included, is read in time."""

    def __init__(self, *args, patience: Patience, **kwargs):
        super().__init__(*args, **kwargs)
        self.fp = io.BufferedReader(_InTime(self.fp.detach(), patience))


class _InTime(io.RawIOBase):
    """A connection's bytes, as long as the patience lasts."""

    def __init__(self, raw: io.RawIOBase, patience: Patience):
        self._raw, self._patience = raw, patience

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        self._patience.check()
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()
