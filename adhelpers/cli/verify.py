"""Tell whether a detector scores here as where its reference was made.

The reference holds images and their scores: adhelpers fit and export write it with --reference.
Another processor, or another version of the runtime, may round otherwise, int8 most of all.
"""

import argparse

from .. import edge
from ..ground import UserError
from . import values


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options to its parser."""
    add = parser.add_argument
    add("detector", type=values.path, metavar="DETECTOR", help="the .tflite file")
    add(
        "--reference",
        type=values.path,
        required=True,
        metavar="FILE",
        help="the .npz file that was written beside it",
    )
    add(
        "--tolerance",
        type=values.number("a number above 0 and up to 1", lambda x: 0 < x <= 1),
        default=edge.TOLERANCE,
        metavar="SHARE",
        help="how far scores may differ, of their size",
    )


def execute(options: argparse.Namespace) -> None:
    """Score the reference's images and compare, as the options say."""
    try:
        detector = edge.Detector(str(options.detector))
        rows = edge.verify(detector, options.reference.read_bytes())
    except edge.EdgeError as error:
        raise UserError(str(error)) from error
    name, score, largest = max(rows, key=lambda row: row[2])
    print(f"{len(rows)} images, largest relative difference {largest:.1e} ({name}: {score:.6g})")
    if largest > options.tolerance:
        raise UserError(
            f"above {options.tolerance:g}: set the threshold by normal images that are scored here "
            "(adhelpers recalibrate)"
        )
