"""Threads: a parallel map that keeps the order, and linear algebra on as many as do it good."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from typing import TypeVar

from threadpoolctl import ThreadpoolController

Item = TypeVar("Item")
Result = TypeVar("Result")

_NARROW = 2048  # columns; all levels of EfficientNet-B0 to B5


def available_cores() -> int:
    """Return the number of cores that this process may use (not those of the machine).

    Examples
    --------
    >>> available_cores() >= 1
    True
    """
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def ordered_map(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    workers: int,
    ahead: int | None = None,
) -> Iterator[Result]:
    """Apply `function` to every item on several threads and yield the results in order.

    Parameters
    ----------
    function : callable
        Should release the interpreter lock for most of its time, as OpenCV and TensorFlow do.
    items : iterable
        Read only as far as the look-ahead goes, so it may be endless.
    workers : int
        The number of threads.
    ahead : int, optional
        How many results may be under way or waiting; ``2 * workers`` when not given.

    Yields
    ------
    result
        The results, in the order of the items. An exception of `function` is raised in its turn.

    Examples
    --------
    >>> list(ordered_map(str.upper, "abc", workers=2))
    ['A', 'B', 'C']
    """
    ahead = ahead or 2 * workers
    pending: deque = deque()
    with ThreadPoolExecutor(workers) as pool:
        try:
            for item in items:
                pending.append(pool.submit(function, item))
                if len(pending) >= ahead:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()


def linear_algebra_threads(width: int) -> AbstractContextManager:
    """Keep linear algebra on one thread for as long as matrices are no wider than 2048.

    NumPy and SciPy bring a library with threads each, and those of one wait, busily, while the
    other works, or while another process has their core. With a core for each, 700 images of 1280
    features are fitted a fifth faster on two threads; beside other processes, ten times and more
    slower. The number of threads does not follow how busy the machine is, for then the last bits
    of a result would follow it too.

    Parameters
    ----------
    width : int
        The number of columns.
    """
    return nullcontext() if width > _NARROW else _libraries().limit(limits=1, user_api="blas")


@cache
def _libraries() -> ThreadpoolController:
    return ThreadpoolController()
