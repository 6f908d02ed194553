"""A bar for one long step that does not tell how far it is."""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tqdm import tqdm

_STEP = 0.2  # seconds


@contextmanager
def passing_time(words: str, seconds: float) -> Iterator[None]:
    """Show, in a terminal, how much of the time has passed that the block may take.

    Parameters
    ----------
    words : str
        What is done.
    seconds : float
        An estimate; the bar stands still when it is over.
    """
    done, start = threading.Event(), time.monotonic()
    with (
        open(os.dup(2), "w") as terminal,  # which the block may turn off
        tqdm(total=round(seconds), desc=words, unit="s", file=terminal, disable=None) as bar,
    ):

        def show() -> None:
            while not done.wait(_STEP):
                bar.update(min(int(time.monotonic() - start), bar.total) - bar.n)

        watch = threading.Thread(target=show, daemon=True)
        if not bar.disable:
            watch.start()
        try:
            yield
        finally:
            done.set()
            if watch.is_alive():
                watch.join()
