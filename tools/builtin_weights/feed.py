"""Batches of pictures, drawn in processes of their own, and work done ahead."""

import itertools
import multiprocessing
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from . import pictures


def ahead(function, items):
    """Yield ``function(item)`` for every item, working on the next one meanwhile."""
    with ThreadPoolExecutor(1) as pool:
        pending = None
        for item in items:
            following = pool.submit(function, item)
            if pending:
                yield pending.result()
            pending = following


def twice(items, delay: int, rng: np.random.Generator):
    """Yield every item when it comes, and once more after others, among about `delay` that wait."""
    kept = []
    for item in items:
        yield item
        kept.append(item)
        if len(kept) > delay:
            yield kept.pop(rng.integers(delay))


def batches(seed: list[int], size: int, batch_size: int, workers: int):
    """Yield batches of pictures for ever, drawn in processes of their own."""
    context = multiprocessing.get_context("spawn")
    queues = [context.Queue(maxsize=4) for _ in range(workers)]
    processes = [
        context.Process(target=_draw, args=(queue, [*seed, i], size, batch_size), daemon=True)
        for i, queue in enumerate(queues)
    ]
    for process in processes:
        process.start()
    try:
        for queue in itertools.cycle(queues):  # in turn, so that the order is the same every time
            yield queue.get()
    finally:
        for process in processes:
            process.terminate()


def _draw(queue, seed, size, batch_size):
    stream = pictures.stream(seed, size)
    while True:
        queue.put(np.stack([next(stream) for _ in range(batch_size)]))
