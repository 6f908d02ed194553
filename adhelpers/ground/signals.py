"""Signals that end a command as Ctrl-C does."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

#: The signals: from ``kill``, ``timeout`` or a service manager, and from a closed terminal.
_NAMES = ("SIGTERM", "SIGHUP")


class Ended(KeyboardInterrupt):
    """A signal came; like Ctrl-C, it lets every ``finally`` on the way out tidy up.

    Parameters
    ----------
    number : int
        The signal's.
    """

    def __init__(self, number: int):
        super().__init__(number)
        self.number = number


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Raise `Ended` where SIGTERM or SIGHUP comes inside the block.

    A signal that is ignored stays so (``nohup``). Outside the main thread, where Python can set no
    handlers, nothing changes.
    """
    before = {}
    if threading.current_thread() is threading.main_thread():
        for number in (getattr(signal, name) for name in _NAMES if hasattr(signal, name)):
            if signal.getsignal(number) is signal.SIG_DFL:
                before[number] = signal.signal(number, _end)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end(number: int, frame) -> None:
    raise Ended(number)
