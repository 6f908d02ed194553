"""Work on a Dask cluster: few tasks under way at once, and what is lost done again."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from typing import TypeVar

import distributed
from distributed import Client, KilledWorker
from distributed.client import FutureCancelledError, FuturesCancelledError
from distributed.comm import CommClosedError
from tqdm import tqdm

from ..ground import UserError
from .storage import reason
from .worker import ModelMissing, Models, take

Item = TypeVar("Item")
Result = TypeVar("Result")

#: How long a scheduler, or a first worker, may take to answer, in seconds.
PATIENCE = 30.0
#: How often a task is given out again that was lost with a worker or a scheduler.
TRIES = 10
_AHEAD = 3  # tasks for each thread of the cluster

_LOST = (CommClosedError, asyncio.CancelledError, FutureCancelledError, FuturesCancelledError)


class Lost(RuntimeError):
    """A task's result went with its worker, or its scheduler."""


@contextmanager
def connect(address: str, patience: float = PATIENCE) -> Iterator[Client]:
    """Connect to a cluster, or start one of so many processes on this machine.

    Parameters
    ----------
    address : str
        Of a scheduler, ``tcp://HOST:PORT``; or ``local:N``, N workers of one thread each.
    patience : float
        How long the scheduler may take to answer, in seconds.

    Raises
    ------
    UserError
        If it is no such address, or nothing answers.
    """
    kind, _, count = address.partition(":")
    if kind == "local":
        if not count.isdecimal() or not int(count):
            raise UserError(f"{address}: expected local:N, with N workers, such as local:2")
        with (
            distributed.LocalCluster(
                n_workers=int(count), threads_per_worker=1, dashboard_address=None
            ) as cluster,
            Client(cluster) as client,
        ):
            yield client
        return
    try:
        client = _within(patience + 1, Client, address, timeout=patience, set_as_default=False)
    except (OSError, ValueError, TimeoutError) as error:
        raise UserError(
            f"{address}: no scheduler answers within {patience:g} s ({reason(error)}); name one as "
            "tcp://HOST:PORT, of the same version of Dask, or take local:N"
        ) from None
    with client:
        yield client


def _within(seconds: float, function: Callable[..., Result], *arguments, **options) -> Result:
    """Call a function that may never return: something listens there that is no scheduler.

    Raises
    ------
    TimeoutError
        If it takes longer; its thread is left alone.
    """
    future: Future = Future()

    def call() -> None:
        try:
            future.set_result(function(*arguments, **options))
        except Exception as error:
            future.set_exception(error)

    threading.Thread(target=call, daemon=True).start()
    return future.result(seconds)


def in_parallel(
    client: Client | None,
    function: Callable[[Item], Result],
    items: Sequence[Item],
    words: str,
    model: bytes | None = None,
) -> list[Result]:
    """Apply a function of no side effects but whole files to items, and return all results.

    Parameters
    ----------
    client : distributed.Client or None
        None: in this process, one after the other.
    function : callable
    items : sequence
    words : str
        What a progress bar says.
    model : bytes, optional
        What `worker.detector_of` and `worker.runner_of` need.

    Returns
    -------
    results : list
        In the order of the items.

    Raises
    ------
    UserError
        If some could not be done. The others are done by then.
    """
    if client is None and model is not None:
        take(model)
    results: list[Result | None] = [None] * len(items)
    failed: list[str] = []
    pairs = _in_turn(function, items) if client is None else _spread(client, function, items, model)
    for place, result in tqdm(pairs, words, len(items), unit="partition", disable=None):
        if isinstance(result, Exception):
            failed.append(reason(result))
        else:
            results[place] = result
    if failed:
        raise UserError(
            f"{len(failed)} of {len(items)} partitions are missing, the first as: {failed[0]}; "
            "what is done is kept where a folder was named: run the same again"
        )
    return results


def _in_turn(function: Callable, items: Sequence) -> Iterator[tuple[int, object]]:
    for place, item in enumerate(items):
        try:
            yield place, function(item)
        except Exception as error:  # as a worker's would be, said at the end
            yield place, error


def _spread(
    client: Client, function: Callable, items: Sequence, model: bytes | None
) -> Iterator[tuple[int, object]]:
    """Yield places and results, or errors, as they come."""
    plugin = model and Models(model)
    _prepare(client, plugin)
    ahead = _AHEAD * max(1, sum(client.nthreads().values()))
    waiting, tries = list(reversed(range(len(items)))), [0] * len(items)
    under_way: dict[distributed.Future, int] = {}
    while waiting or under_way:
        while waiting and len(under_way) < ahead:
            place = waiting.pop()
            tries[place] += 1
            under_way[client.submit(function, items[place], pure=False)] = place
        for future in _finished(client, list(under_way)):
            place = under_way.pop(future)
            result = _outcome(future)
            if not isinstance(result, (Lost, KilledWorker, ModelMissing)):
                yield place, result
            elif tries[place] == TRIES:
                yield place, UserError(f"it was lost {TRIES} times with its worker")
            else:
                waiting.append(place)
                if not isinstance(result, KilledWorker):
                    _prepare(client, plugin)
    if plugin:
        with suppress(Exception):  # the results are there; it costs workers memory, no more
            client.unregister_worker_plugin(plugin.name)


def _finished(client: Client, futures: list[distributed.Future]) -> list[distributed.Future]:
    """Wait for the first futures to end, in whatever way."""
    while True:
        with client.as_current(), suppress(*_LOST, TimeoutError):
            distributed.wait(futures, timeout=PATIENCE, return_when="FIRST_COMPLETED")
        if done := [future for future in futures if future.status != "pending"]:
            return done
        _check_workers(client)


def _outcome(future: distributed.Future) -> object:
    """Return a future's result, or the task's error, or `Lost`; and let go of it."""
    try:
        if future.status == "error":
            return future.exception(timeout=PATIENCE)
        return future.result(timeout=PATIENCE)
    except (*_LOST, TimeoutError):  # it ended, and its worker before the result was fetched
        return Lost()
    except Exception as error:
        return error
    finally:
        future.release()


def _prepare(client: Client, plugin: Models | None) -> None:
    """Give the model to all workers, also to those that will come."""
    _check_workers(client)
    try:
        if plugin:
            client.register_plugin(plugin)
    except UserError:
        raise
    except Exception as error:
        raise UserError(
            f"the workers do not take the model ({reason(error)}); are the same versions of "
            "adhelpers, Dask and Python installed there?"
        ) from None


def _check_workers(client: Client) -> None:
    """Wait for a scheduler that restarts, and for a worker; raise a UserError if none comes."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            client.wait_for_workers(1, timeout=max(0.1, end - time.monotonic()))
            return
        except Exception as error:
            if time.monotonic() > end:
                raise UserError(
                    f"no workers at the scheduler within {PATIENCE:g} s ({reason(error)}); start "
                    "some by dask worker ADDRESS, and run the same again"
                ) from None
        time.sleep(0.2)
