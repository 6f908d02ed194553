"""The commands: ``adhelpers run`` does the main job, ``adhelpers fetch`` brings the images."""

import argparse
import os
import sys
from collections.abc import Sequence

from .. import __version__
from ..errors import UserError


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
        options = _parser().parse_args(arguments)
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


def _parser() -> argparse.ArgumentParser:
    from . import doctor, explain, export, fetch, run, table

    parser = _Parser(prog="adhelpers", description="Gaussian anomaly detection on images.")
    parser.add_argument("--version", action="version", version=f"adhelpers {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for command in (run, table, explain, export, fetch, doctor):
        name = command.__name__.rpartition(".")[2]
        summary, _, details = command.__doc__.partition("\n")
        subparser = commands.add_parser(
            name,
            help=summary,
            description=f"{summary}{details}",
            formatter_class=_HelpFormatter,
        )
        command.add_options(subparser)
        subparser.set_defaults(execute=command.execute)
    return parser


class _HelpFormatter(argparse.ArgumentDefaultsHelpFormatter, argparse.RawDescriptionHelpFormatter):
    """Keeps the description's lines and adds the defaults, but for switches, which say it."""

    def _get_help_string(self, action):
        return super()._get_help_string(action) if action.nargs != 0 else action.help
