"""The commands; each is a module with `add_options` and `execute`."""

import argparse
import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib import import_module

from .. import __version__
from ..ground import (
    Ended,
    UserError,
    ended_by_signals,
    flush_stdout,
    give_up_stdout,
    one_line,
    safe_terminal,
)

#: The commands, by the names of their modules, and the first lines of what these say.
COMMANDS = {
    "run": "Fit a detector per category, score its test images, and draw the ROC curves.",
    "fit": "Fit a detector to normal images, and write it as one .tflite file.",
    "score": "Score images with a detector in one .tflite file, on all cores.",
    "monitor": "Tell from tables of scores whether what a detector sees has drifted.",
    "recalibrate": "Give a detector a new threshold by new normal images, without a new fit.",
    "refit": "Fit a detector to more normal images, in addition to those that it was fitted to.",
    "verify": "Tell whether a detector scores here as where its reference was made.",
    "explain": "Show where a detector finds images abnormal, and measure it against the masks.",
    "export": "Write a category's detector as one .tflite file: image in, anomaly score out.",
    "page": "Write a detector as a web page: one HTML file, or a site.",
    "table": "Make one of the paper's tables for any data set.",
    "fetch": "Bring a data set: download MVTec AD, or draw the embedded one.",
    "doctor": "Check this machine: Python, packages, memory, weights, data, and one image.",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code.

    Parameters
    ----------
    arguments : sequence of str, optional
        The words after ``adhelpers``; those of the process when not given.

    Returns
    -------
    code : int
        0; 3 from ``monitor`` where there is drift; 2 for something that the user can put right
        (one line on stderr); 128 and the number of the signal that ended it: 130 after Ctrl-C
        (SIGINT), 143 after SIGTERM, 129 after SIGHUP, and 141 (SIGPIPE) where whoever read the
        output had had enough.
    """
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")  # our errors name the file; OpenCV's don't
    os.environ["MPLBACKEND"] = "agg"  # figures are files here, whatever the user's setting
    words = sys.argv[1:] if arguments is None else arguments
    with safe_terminal():
        try:
            with ended_by_signals():
                return _run(words)
        except tuple(_ENDINGS) as error:
            return _ended(error)


def _run(words: Sequence[str]) -> int:
    try:
        options = _parser(words).parse_args(words)
    except SystemExit:  # after --help
        flush_stdout()
        raise
    code = options.execute(options) or 0
    flush_stdout()  # here, where a full disk can still be said
    return code


def _ended(error: BaseException) -> int:
    """Say in one line why a command ended before its time, and return the exit code."""
    words, code = next(say(error) for kind, say in _ENDINGS.items() if isinstance(error, kind))
    try:
        flush_stdout()
    except OSError:
        give_up_stdout()
    if words and sys.stderr:
        with suppress(OSError):
            print(f"adhelpers: {one_line(words)}", file=sys.stderr, flush=True)
    return code


def _interrupted(error: KeyboardInterrupt) -> tuple[str, int]:
    number = error.number if isinstance(error, Ended) else signal.SIGINT
    return "interrupted; the same command goes on from here", 128 + number


def _of_the_system(error: OSError) -> tuple[str, int]:
    reason = error.strerror or str(error) or type(error).__name__
    named = error.filename if error.filename2 is None else error.filename2
    if isinstance(named, bytes):
        named = os.fsdecode(named)
    return (reason if named is None else f"{_shortened(str(named))}: {reason}"), 2


def _out_of_memory(error: MemoryError) -> tuple[str, int]:
    words = f"out of memory ({error})" if str(error) else "out of memory"
    return f"{words}; close other programs, or take fewer images or a smaller --batch_size", 2


def _shortened(text: str) -> str:
    """Leave the middle of a long text out."""
    return text if len(text) <= 300 else f"{text[:140]} ... {text[-140:]}"


#: What is said, and the exit code, by what ended a command; the first that fits is taken.
_ENDINGS: dict[type[BaseException], Callable[..., tuple[str, int]]] = {
    UserError: lambda error: (str(error), 2),
    ModuleNotFoundError: lambda error: (f"{error}; install the project again: make", 2),
    KeyboardInterrupt: _interrupted,
    BrokenPipeError: lambda error: ("", 128 + 13),
    OSError: _of_the_system,
    MemoryError: lambda error: _out_of_memory(error),
}


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one line, like all others."""

    def error(self, message: str):
        self.exit(2, f"{self.prog}: {one_line(message)}; see {self.prog} --help\n")

    def _print_message(self, message: str, file=None):
        """Print, like argparse, but let an error through: a full disk is to be said."""
        if message:
            (file or sys.stderr).write(message)


def _parser(arguments: Sequence[str]) -> argparse.ArgumentParser:
    """Return a parser that knows the options of the command asked for: it alone is imported."""
    parser = _Parser(prog="adhelpers", description="Gaussian anomaly detection on images.")
    parser.add_argument("--version", action="version", version=f"adhelpers {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    asked = next((word for word in arguments if not word.startswith("-")), None)
    for name, summary in COMMANDS.items():
        subparser = commands.add_parser(name, help=summary, formatter_class=_HelpFormatter)
        if name == asked:
            command = import_module(f"{__name__}.{name}")
            subparser.description = command.__doc__
            subparser.set_defaults(execute=command.execute)
            command.add_options(subparser)
    return parser


class _HelpFormatter(argparse.ArgumentDefaultsHelpFormatter, argparse.RawDescriptionHelpFormatter):
    """Keeps the description's lines and adds the defaults, but for switches, which say it."""

    def _get_help_string(self, action):
        return super()._get_help_string(action) if action.nargs != 0 else action.help
