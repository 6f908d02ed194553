"""Fit a detector to normal images, and write it as one .tflite file.

The images are those of a folder (with all folders below it), of a pattern in quotes, or named one
by one; no layout is needed. They are run through the network in the precision that is deployed,
the Gaussians are fitted, the threshold is set by images that were held out, and network and
Gaussians are written as one model, which adhelpers score and edge.py run without TensorFlow.
"""

import argparse
from pathlib import Path

import numpy as np

from ..datasets import list_images
from ..detector import TOO_FEW
from ..gaussian import MIN_IMAGES
from ..ground import UserError
from ..images import to_square
from ..quantization import PRECISIONS
from . import clusters, deploying, values
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
    clusters.add_options(parser)
    shared.add_seed_option(parser)


def execute(options: argparse.Namespace) -> None:
    """Fit and write a detector, as the options say."""
    if cluster := clusters.chosen(options):
        return _fit_on_cluster(options, cluster)
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


def _fit_on_cluster(options: argparse.Namespace, cluster: argparse.Namespace) -> None:
    """Fit on a cluster, and write the detector."""
    from .. import scale

    detector = deploying.check_options(options, options.output)
    if options.detector == "both":
        raise UserError("--scheduler fits --detector pooled or local, not both; choose one")
    if options.augment:
        raise UserError("--scheduler makes no copies; leave out --augment")
    if "reference" in options:
        raise UserError("--scheduler writes no --reference; leave it out")
    if options.sums:
        raise UserError("--scheduler keeps its sums in --folder; leave out --sums")
    if PRECISIONS[options.precision].calibrated:
        raise UserError(
            f"--precision {options.precision} is calibrated by images on this disk; with "
            "--scheduler take float32 or int8-weights"
        )
    images, left_out = scale.list_urls(options.images, cluster.column)
    print(f"{len(images)} images{f'; {left_out}' if left_out else ''}", flush=True)
    first = scale.first_images(images, vars(options).get("bits"))
    extract = shared.make_extractor(options, engine="tflite", precision=options.precision)
    with scale.connect(cluster.scheduler) as client:
        fitted = scale.fit(images, extract, client, detector, cluster.folder, cluster.partition)
    _say(fitted)
    origin = extract.origin
    pixels = [to_square(image, origin.input_size, origin.protocol) for image in first]
    name = vars(options).get("name", options.output.stem)
    facts = {"category": name, "image_shape": first[0].shape[:2]}
    deploying.write(extract, fitted.detector, np.stack(pixels), facts, options.output)
    deploying.say_how_to_use(options.output)


def _say(fitted) -> None:
    """Print what there is to know of a fit, a line each."""
    if fitted.n_found:
        print(f"{fitted.n_found} partitions were there from an earlier run", flush=True)
    if fitted.errors:
        path, error = fitted.errors[0]
        print(f"{len(fitted.errors)} images could not be read, the first: {path}: {error}")
    if not fitted.detector.has_threshold:
        print(TOO_FEW)
