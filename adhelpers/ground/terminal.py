"""Text on the terminal, whatever names are in it and whatever the terminal can show."""

import contextlib
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_NOT_IN_A_LINE = re.compile(f"[\t\n{_CONTROLS.pattern[1:]}")


def one_line(text: object) -> str:
    """Return a text as one line that can be shown: control characters are spelled out.

    So are bytes of file names that are no text, and marks that turn the direction of writing.

    Examples
    --------
    >>> print(one_line("a\\nb\\x1b[31m \\udcfc"))
    a\\nb\\x1b[31m \\udcfc
    """
    return _without_surrogates(_NOT_IN_A_LINE.sub(_spelled_out, str(text)))


class Terminal:
    """A text stream that spells out what it cannot show, instead of failing.

    Control characters but line breaks and tabs are spelled out too: a file's name never colours
    or clears a terminal. All else is the stream's own.

    Parameters
    ----------
    stream : text stream
        Such as ``sys.stdout``.
    """

    def __init__(self, stream):
        self._stream = stream

    def __getattr__(self, name):
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write a text, and return its length."""
        shown = _CONTROLS.sub(_spelled_out, text)
        encoding = getattr(self._stream, "encoding", None) or "utf-8"
        with _named():
            self._stream.write(shown.encode(encoding, "backslashreplace").decode(encoding))
        return len(text)

    def writelines(self, lines) -> None:
        """Write texts."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Write what waits in the buffer."""
        with _named():
            self._stream.flush()


@contextmanager
def safe_terminal() -> Iterator[None]:
    """Let everything that is printed inside the block go through a `Terminal`."""
    if sys.stdout is None:  # a program without a console
        yield
        return
    with contextlib.redirect_stdout(Terminal(sys.stdout)):
        yield


def flush_stdout() -> None:
    """Write what waits in stdout's buffer, where there is a stdout."""
    if sys.stdout is not None:
        sys.stdout.flush()


def give_up_stdout() -> None:
    """Send what is left for stdout, which cannot be written to any more, nowhere."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


@contextmanager
def _named() -> Iterator[None]:
    """Say in an error that it is stdout that cannot be written to."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OSError(error.errno, error.strerror, "standard output") from error


def _spelled_out(found: re.Match) -> str:
    return found[0].encode("unicode_escape").decode()


def _without_surrogates(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()
