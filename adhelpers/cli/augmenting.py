"""The options of commands that fit on changed copies of the training images as well."""

import argparse

from ..datasets import Samples
from ..detector import MahalanobisDetector
from ..evaluation import choose
from ..features import FeatureSet, extract_copies, joined
from ..ground import UserError
from ..images import USUAL, Augmentation
from . import values

AUTO = "auto"


def add_augment_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say which copies to make."""
    usual = ", ".join(
        name if amount is True else f"{name}={amount:g}" for name, amount in USUAL.items()
    )
    parser.add_argument(
        "--augment",
        nargs="+",
        type=values.filled,
        default=[],
        metavar="WORD",
        help="fit on changed copies of the training images as well; any of these, with these "
        f"amounts or others: {usual}; or {AUTO}: chosen by held-out normal images against defects "
        "pasted into them, without labels",
    )
    parser.add_argument(
        "--copies",
        type=values.whole_number(1, 100),
        default=3,
        metavar="N",
        help="of each training image, with --augment",
    )


def check(options: argparse.Namespace) -> None:
    """Raise a UserError, before the work begins, if the options cannot be read."""
    _augmentation(options)


def augmentation_for(
    samples: Samples,
    name: str,
    extract,
    detector: MahalanobisDetector | None,
    options: argparse.Namespace,
) -> Augmentation | None:
    """Return the augmentation that the options name, or have chosen for these training images.

    It is chosen by a pooled detector; the usual one where there is none.
    """
    if options.augment != [AUTO]:
        return _augmentation(options)
    choice = choose(extract, samples, copies=options.copies, seed=options.seed, detector=detector)
    print(f"{name}: {choice}")
    return choice.augmentation


def with_copies(
    train: FeatureSet, extract, samples: Samples, augmentation: Augmentation | None
) -> FeatureSet:
    """Return the features of training images, and of their copies if there are to be any."""
    if augmentation is None:
        return train
    return joined([train, extract_copies(extract, samples, augmentation)])


def described(augmentation: Augmentation | None) -> str:
    """Return what was fitted on besides the images, in words for a summary."""
    return f"fitted with {augmentation.copies} copies: {augmentation}" if augmentation else ""


def _augmentation(options: argparse.Namespace) -> Augmentation | None:
    words = [word for word in options.augment if word != AUTO]
    if words and AUTO in options.augment:
        raise UserError(f"--augment takes {AUTO} alone, or words without it, not both")
    if AUTO in options.augment:
        words = ["flips"]  # any: for the sake of --copies and --seed
    return Augmentation.parse(words, options.copies, options.seed) if words else None
