"""What the commands on an exported detector have in common."""

import argparse
from pathlib import Path

from .. import edge
from ..ground import UserError
from . import values


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of a command that makes another detector of one, by new normal images."""
    add = parser.add_argument
    add("detector", type=values.path, metavar="DETECTOR", help="the .tflite file")
    add("images", nargs="+", type=values.filled, metavar="IMAGES", help="new normal images")
    add(
        "-o", "--output", type=values.path, required=True, metavar="FILE", help="a .tflite to write"
    )


def read_record(path: Path) -> dict:
    """Return what a detector's file tells about itself, after a look at the whole of it."""
    try:
        return edge.Detector(path).record
    except edge.EdgeError as error:
        raise UserError(str(error)) from error
