"""A parallel map that keeps the order and looks only a bounded number of items ahead."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


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
