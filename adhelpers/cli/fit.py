"""Fit a detector to normal images, and write it as one .tflite file.

The images are those of a folder (with all folders below it), of a pattern in quotes, or named one
by one; no layout is needed. They are run through the network in the precision that is deployed,
the Gaussians are fitted, the threshold is set by images that were held out, and network and
Gaussians are written as one model, which adhelpers score and edge.py run without TensorFlow.
"""

import argparse
from pathlib import Path

from ..datasets import list_images
from ..gaussian import MIN_IMAGES
from ..ground import UserError
from . import deploying, values
from . import options as shared


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options to its parser."""
    add = parser.add_argument
    add(
        "images",
        nargs="+",
        type=values.filled,
        metavar="IMAGES",
        help="folders, patterns or files of normal images",
    )
    add(
        "-o",
        "--output",
        type=values.path,
        default=Path("detector.tflite"),
        metavar="FILE",
        help="the file to write",
    )
    add(
        "--name",
        type=values.filled,
        default=argparse.SUPPRESS,
        metavar="WORD",
        help="of what the images show, for the record (default: the name of the file to write)",
    )
    deploying.add_options(parser)
    shared.add_seed_option(parser)


def execute(options: argparse.Namespace) -> None:
    """Fit and write a detector, as the options say."""
    deploying.check_options(options, options.output)
    samples, left_out = list_images(options.images)
    if len(samples) < MIN_IMAGES:
        raise UserError(
            f"{len(samples)} image(s) in {', '.join(options.images)}; a Gaussian needs at least "
            f"{MIN_IMAGES}, 40 or more to be of use"
        )
    print(f"{len(samples)} images{f'; {left_out}' if left_out else ''}", flush=True)
    name = vars(options).get("name", options.output.stem)
    deploying.deploy(samples, name, options.output, options)
    deploying.say_how_to_use(options.output)
