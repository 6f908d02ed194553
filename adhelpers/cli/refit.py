"""Fit a detector to more normal images, in addition to those that it was fitted to.

The sums over the earlier images were kept beside the detector by fit --sums; the new images are
added to them, held out in turn, and set the threshold together with those that were held out
before. Images that are in the sums already are left out. New sums are written beside the new file.
"""

import argparse
import sys

from ..datasets import Samples, list_images
from ..detector import refit
from ..export import Kept, history, read_sums
from ..features import Extractor, Origin
from ..ground import UserError, check_writable_file
from ..images import stream
from . import deploying, detecting, exported, values


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options to its parser."""
    exported.add_options(parser)
    parser.add_argument(
        "--sums",
        type=values.path,
        default=argparse.SUPPRESS,
        metavar="FILE",
        help="what fit --sums kept (default: DETECTOR with .sums.npz instead of .tflite)",
    )


def execute(options: argparse.Namespace) -> None:
    """Refit a detector, as the options say."""
    check_writable_file(options.output, "a TFLite model")
    record = exported.read_record(options.detector)
    parent = options.detector.read_bytes()
    sums = vars(options).get("sums", options.detector.with_suffix(".sums.npz"))
    kept = read_sums(sums, parent)
    samples, left_out = list_images(options.images)
    if left_out:
        print(left_out, file=sys.stderr)
    new, digests = _unseen(samples, kept)
    if skipped := len(samples) - len(new):
        print(f"{skipped} images were there already (the same bytes), and are left out")
    if not len(new):
        raise UserError(f"there is no new image in {', '.join(options.images)}; give others")
    extract = Extractor.of_model(kept.network, kept.detector.origin_)
    n_parts = min(kept.detector.n_folds, len(new))
    dealt = [new.subset(range(start, len(new), n_parts)) for start in range(n_parts)]
    parts = [detecting.training_input(extract, part, kept.detector, None) for part in dealt]
    detector = refit(kept.detector, parts)
    facts = {name: record[name] for name in ("category", "image_shape") if name in record}
    facts["history"] = history(parent, "refit", len(new))
    images = deploying.images_to_check(new.paths, extract)
    model = deploying.write(extract, detector, images, facts, options.output)
    print(f"  {len(new)} of the images are new; the threshold was {record.get('threshold')}")
    kept = Kept(detector, kept.network, kept.digests | digests)
    deploying.keep_sums(options.output, kept, model)


def _unseen(samples: Samples, kept: Kept) -> tuple[Samples, frozenset[str]]:
    """Return the images that are not in the sums, each once, and their digests."""
    origin: Origin = kept.detector.origin_
    first: dict[str, int] = {}
    for picture in stream(
        samples.paths, origin.input_size, origin.protocol, kept.digests, bits=origin.bits
    ):
        if picture.error:
            raise picture.error
        if not picture.is_known:
            first.setdefault(picture.digest, picture.index)
    return samples.subset(list(first.values())), frozenset(first)
