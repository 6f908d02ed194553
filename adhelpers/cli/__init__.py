"""The commands; each is a module with `add_options` and `execute`."""

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module

from .. import __version__
from ..ground import UserError

#: The commands, by the names of their modules, and the first lines of what these say.
COMMANDS = {
    "run": "Fit a detector per category, score its test images, and draw the ROC curves.",
    "fit": "Fit a detector to normal images, and write it as one .tflite file.",
    "score": "Score images with a detector in one .tflite file, on all cores.",
    "explain": "Show where a detector finds images abnormal, and measure it against the masks.",
    "export": "Write a category's detector as one .tflite file: image in, anomaly score out.",
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
        0; 2 for something that the user can put right (one line on stderr); 130 after Ctrl-C.
    """
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")  # our errors name the file; OpenCV's don't
    try:
        words = sys.argv[1:] if arguments is None else arguments
        options = _parser(words).parse_args(words)
        options.execute(options)
    except UserError as error:
        print(f"adhelpers: {error}", file=sys.stderr)
        return 2
    except ModuleNotFoundError as error:
        print(f"adhelpers: {error}; install the project again: make", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nadhelpers: interrupted; the same command goes on from here", file=sys.stderr)
        return 130
    return 0


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one line, like all others."""

    def error(self, message: str):
        self.exit(2, f"{self.prog}: {message}; see {self.prog} --help\n")


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
