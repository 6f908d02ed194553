"""Give a detector a new threshold by new normal images, without a new fit.

The graph stays byte for byte; the record gets the threshold, and in its history the date, the
number of images and the SHA-256 of the detector that it was made from.
"""

import argparse
import sys

import numpy as np

from ..datasets import list_images
from ..export import RECALIBRATIONS, Scorer, recalibrated
from ..ground import UserError, check_writable_file, chosen, write_bytes
from . import exported, values


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options to its parser."""
    exported.add_options(parser)
    add = parser.add_argument
    add("--threshold", choices=RECALIBRATIONS, default="conformal", help="how it is set")
    add("--quantile", type=values.share, default=0.95, help="the share of normal images below it")


def execute(options: argparse.Namespace) -> None:
    """Set the threshold, as the options say."""
    check_writable_file(options.output, "a TFLite model")
    samples, left_out = list_images(options.images)
    if left_out:
        print(left_out, file=sys.stderr)
    scorer = Scorer(options.detector)
    rows = list(scorer.rows(samples.paths))
    if bad := [row for row in rows if row.error]:
        raise UserError(f"{len(bad)} images have no score, {bad[0].path}: {bad[0].error}")
    scores = np.array([row.score for row in rows])
    threshold = chosen("threshold", options.threshold, RECALIBRATIONS)(scores, options.quantile)
    how = f"recalibrate: {options.threshold} at {options.quantile:g}"
    model = recalibrated(options.detector.read_bytes(), scores, threshold, how)
    write_bytes(options.output, model)
    print(
        f"{options.output}: threshold {threshold:.4g}, {options.threshold} at "
        f"{options.quantile:g}, by {len(scores)} images; it was {scorer.threshold}"
    )
