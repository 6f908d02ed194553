"""Commands in processes of their own, forked from one that has imported what they need.

A start takes milliseconds then. The process that forks has only imported: no network has run in it
and no thread of TensorFlow or LiteRT is there, which a fork would lose. An audit hook in the child
sees every file that is opened for writing, renamed or removed, so that something can happen at
exactly the n-th of these moments, with nothing in the program replaced. Only the time between two
checkpoints of features is none, which small images would not see otherwise.
"""

import multiprocessing
import os
import resource
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from adhelpers import cli
from adhelpers.features import extractor

#: What the commands import at their first use.
_IMPORTED_BEFORE = [
    *(f"adhelpers.cli.{name}" for name in ("run", "fit", "score", "export", "explain")),
    *(f"adhelpers.evaluation.{name}" for name in ("plots", "heat_map_plots")),
    "adhelpers.cli.run_figures",
    "adhelpers.features.extractor",
    "adhelpers.export.scoring",
    "adhelpers.detector.joint",
    "adhelpers.quantization.recipes",
    "ai_edge_litert.interpreter",
    "ai_edge_quantizer.quantizer",
    "sklearn.model_selection",
]
_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(_IMPORTED_BEFORE)

FILLER = "filler"


def _limit_files(size: int) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def _fill_disk() -> None:
    with open(FILLER, "wb", buffering=0) as file:
        for size in (2**20, 4096, 1):
            with suppress(OSError):
                while file.write(bytes(size)):
                    pass


#: What can happen at the n-th write.
EVENTS = {
    "SIGKILL": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "SIGTERM": lambda: os.kill(os.getpid(), signal.SIGTERM),
    "no growth": lambda: _limit_files(0),
    "little growth": lambda: _limit_files(2000),
    "full": _fill_disk,
}


@dataclass(frozen=True)
class Ending:
    """How a command ended.

    Parameters
    ----------
    code : int
        As `subprocess` has it: below 0, the signal that killed it.
    out, error : str
        What it said.
    writes : int or None
        How often a file below its folder was opened for writing, renamed or removed; None if it
        was killed.
    seconds : float or None
        How long it took.
    """

    code: int
    out: str
    error: str
    writes: int | None
    seconds: float | None


class Command:
    """A command that runs.

    Parameters
    ----------
    words : sequence of str
        What follows ``adhelpers``.
    folder : Path
        Where it runs, with its cache and its temporary folder, and whose writes are counted.
    event : str, optional
        A key of `EVENTS`.
    at_write : int
        At which write it happens; the first is number 1.
    """

    def __init__(
        self, words: Sequence[str], folder: Path, event: str | None = None, at_write: int = 0
    ):
        self._out, out = _CONTEXT.Pipe(duplex=False)
        self._error, error = _CONTEXT.Pipe(duplex=False)
        self._facts, facts = _CONTEXT.Pipe(duplex=False)
        arguments = (list(words), str(folder), event, at_write, out, error, facts)
        self._process = _CONTEXT.Process(target=_work, args=arguments)
        self._process.start()
        for end in (out, error, facts):
            end.close()

    def send(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        with suppress(ProcessLookupError):
            os.kill(self._process.pid, number)

    def wait(self, seconds: float | None = None) -> bool:
        """Wait so long at most, and tell whether it has ended."""
        self._process.join(seconds)
        return self._process.exitcode is not None

    def ending(self) -> Ending:
        """Wait for its end."""
        out, error = _read(self._out), _read(self._error)
        try:
            writes, seconds = self._facts.recv()
        except EOFError:
            writes = seconds = None
        self.wait()
        return Ending(self._process.exitcode, out, error, writes, seconds)


def _read(connection) -> str:
    return b"".join(iter(lambda: os.read(connection.fileno(), 65536), b"")).decode()


def _work(words, folder, event, at_write, out, error, facts) -> None:
    """Run a command, in the child."""
    os.dup2(out.fileno(), 1)
    os.dup2(error.fileno(), 2)
    out.close()
    error.close()
    os.chdir(folder)
    os.environ |= {"ADHELPERS_CACHE": f"{folder}/cache", "TMPDIR": f"{folder}/tmp"}
    os.environ["SOURCE_DATE_EPOCH"] = "0"  # of records, which are compared
    tempfile.tempdir = None  # to be found out again
    extractor._CHECKPOINT_SECONDS = extractor._CHECKPOINT_SHARE = 0  # a checkpoint at every image
    writes = _counted_writes(folder, event, at_write)
    start = time.monotonic()
    code = cli.main(words)
    with suppress(BrokenPipeError):
        facts.send((writes[0], time.monotonic() - start))
    sys.exit(code)


def _counted_writes(folder: str, event: str | None, at_write: int) -> list[int]:
    """Count the writes from now on, in a list of one number, and let the event happen."""
    count = [0]

    def hook(name: str, arguments: tuple) -> None:
        if not _is_write(name, arguments):
            return
        place = os.path.join(folder, os.fsdecode(arguments[0]))
        if os.path.commonpath([place, folder]) == folder:
            count[0] += 1
            if count[0] == at_write:
                EVENTS[event]()

    sys.addaudithook(hook)
    return count


def _is_write(name: str, arguments: tuple) -> bool:
    if name == "open":
        path, _, flags = arguments
        return isinstance(path, (str, bytes)) and bool(flags & (os.O_WRONLY | os.O_RDWR))
    return name in ("os.rename", "os.remove")
