"""The options that say which detector, and what it is fitted to."""

import argparse
from collections.abc import Sequence

from ..datasets import Dataset, Samples
from ..detector import (
    COMBINATIONS,
    DETECTORS,
    THRESHOLDS,
    TOO_FEW,
    JointDetector,
    LocalDetector,
    MahalanobisDetector,
    kind_of,
    load_detector,
)
from ..features import MAP_LEVELS, FeatureMaps, FeatureSet, copies_in_words
from ..gaussian import METHODS, REDUCTIONS
from ..ground import UserError, check_choice
from ..images import Augmentation
from . import augmenting, values
from .options import in_words

AnyDetector = MahalanobisDetector | LocalDetector | JointDetector

_NONE, _AUTO, _ALL = "none", "auto", "all"
#: The parameters by the kinds of detector that have them; the options are called like them.
_SHARED = ("quantile", "threshold")
_OF_KIND = {
    "pooled": ("levels", "covariance", "ridge", "reduction", "variance_share", "combination"),
    "local": ("map_levels", "tied_weight", "rank", "combination"),
    "both": ("map_levels", "tied_weight", "rank"),
}


def add_kind_option(parser: argparse.ArgumentParser, default: str, more: str = "") -> None:
    """Add the option that says which kind of detector."""
    parser.add_argument(
        "--detector",
        default=default,
        choices=DETECTORS,
        help=in_words(DETECTORS) + more,
    )


def add_detector_options(parser: argparse.ArgumentParser) -> None:
    """Add the detectors' own parameters."""
    defaults = {**LocalDetector().get_params(), **MahalanobisDetector().get_params()}

    def add(name: str, **more) -> None:
        parser.add_argument(f"--{name}", **{"default": defaults.get(name), **more})

    add(
        "levels",
        nargs="+",
        type=values.filled,
        metavar="LEVEL",
        default=_ALL,
        help="of pooled: the network's levels to use, as level_4, or 4 for short",
    )
    add("covariance", choices=METHODS, help=f"of pooled: its estimate; {in_words(METHODS)}")
    add(
        "ridge",
        type=values.number("a number from 0 to 1000000", lambda x: 0 <= x <= 1e6),
        metavar="SHARE",
        help="of pooled: added to every variance, of their mean",
    )
    add(
        "reduction",
        choices=(*REDUCTIONS, _NONE),
        default=_NONE,
        help="of pooled: keep the components of most variance (pca), or of least (npca)",
    )
    add(
        "variance_share",
        type=values.share,
        metavar="SHARE",
        help="of pooled: what pca keeps and npca leaves out",
    )
    add(
        "map_levels",
        nargs="+",
        type=values.filled,
        metavar="LEVEL",
        default=list(MAP_LEVELS),
        help="of local and both: the levels with a Gaussian at each position",
    )
    add(
        "tied_weight",
        type=values.number("a number from 1e-06 to 1", lambda x: 1e-6 <= x <= 1, _AUTO),
        metavar="SHARE",
        help="of local and both: how much of each covariance is that of all positions, above 0 and "
        f"up to 1; {_AUTO}: that for which held-out images are likeliest",
    )
    add(
        "rank",
        type=values.whole_number(0, 10_000, _ALL),
        metavar="N",
        help=f"of local and both: the axes that each position has of its own, or {_ALL}",
    )
    add(
        "combination",
        choices=COMBINATIONS,
        help=f"of the levels, of pooled and local: {in_words(COMBINATIONS)}",
    )
    add("threshold", choices=THRESHOLDS, help=in_words(THRESHOLDS))
    add(
        "quantile",
        type=values.share,
        metavar="SHARE",
        help="of normal images that the threshold should call normal",
    )


def make_detector(options: argparse.Namespace) -> AnyDetector:
    """Return the unfitted detector that the options describe, or raise a UserError."""
    return make_detectors(options, [options.detector])[options.detector]


def make_detectors(options: argparse.Namespace, kinds: Sequence[str]) -> dict[str, AnyDetector]:
    """Return unfitted detectors by kind, or raise a UserError.

    An option that none of them has is an error, and not left out without a word.
    """
    changed = _changed(options)
    if changed and "fitted" in options:
        raise UserError(
            "--fitted has parameters of its own; leave out those of a new fit: "
            f"{', '.join(changed)}"
        )
    known = {name for kind in kinds for name in (*_SHARED, *_OF_KIND[kind])}
    for name in set(changed) - known:
        owners = [kind for kind, names in _OF_KIND.items() if name in names]
        raise UserError(
            f"--{name} is of the detector {' or '.join(owners)}, not of {' or '.join(kinds)}; "
            f"choose --detector {owners[0]}, or leave it out"
        )
    return {kind: _made(options, kind) for kind in kinds}


def _made(options: argparse.Namespace, kind: str) -> AnyDetector:
    given = {name: getattr(options, name) for name in (*_SHARED, *_OF_KIND[kind])}
    if kind == "pooled":
        every = given["levels"] in (_ALL, [_ALL])
        given["levels"] = None if every else list(map(_level, given["levels"]))
        given["reduction"] = None if given["reduction"] == _NONE else given["reduction"]
    else:
        given["levels"] = list(map(_level, given.pop("map_levels")))
    detector = DETECTORS[kind].make(**given)
    detector.check_parameters()
    return detector


def _changed(options: argparse.Namespace) -> list[str]:
    """Return the detectors' parameters that are not as they are where nothing is said."""
    usual = argparse.ArgumentParser()
    add_detector_options(usual)
    defaults = vars(usual.parse_args([]))
    return [name for name, value in defaults.items() if getattr(options, name) != value]


def fit(
    extract,
    samples: Samples,
    name: str,
    options: argparse.Namespace,
    features: FeatureSet | None = None,
) -> tuple[AnyDetector, FeatureSet | FeatureMaps]:
    """Return the detector that the options describe, and what it was fitted to.

    It is fitted to normal images of this name; `features` are those of the images, where they are
    there already.
    """
    detector = make_detector(options)
    check_levels(detector, extract)
    pooled = detector if options.detector == "pooled" else None
    augmentation = augmenting.augmentation_for(samples, name, extract, pooled, options)
    train = training_input(extract, samples, detector, augmentation, features)
    detector.fit(train)
    used = train.features if isinstance(train, FeatureMaps) else train
    if skipped := len(samples) - len(set(used.paths)):
        print(f"{name}: {skipped} unreadable images were left out")
    say(name, detector, used)
    return detector, train


def say(name: str, detector: AnyDetector, train: FeatureSet, test: FeatureSet | None = None):
    """Print what there is to know of the images that a detector was fitted to, a line each."""
    remarks = copies_in_words(train, test)
    for remark in remarks if detector.has_threshold else [*remarks, TOO_FEW]:
        print(f"{name}: {remark}", flush=True)


def training_input(
    extract,
    samples: Samples,
    detector: AnyDetector,
    augmentation: Augmentation | None,
    features: FeatureSet | None = None,
) -> FeatureSet | FeatureMaps:
    """Return what a detector is fitted to: features or maps of images, and of copies.

    Parameters
    ----------
    extract : Extractor
    samples : Samples
    detector : detector
        Unfitted.
    augmentation : Augmentation or None
    features : FeatureSet, optional
        Of the images, where they are there already.
    """
    if DETECTORS[kind_of(detector)].needs_maps:
        return extract.maps(samples, detector.levels, augmentation)
    features = extract(samples) if features is None else features
    return augmenting.with_copies(features, extract, samples, augmentation)


def add_fitted_option(parser: argparse.ArgumentParser) -> None:
    """Add the option that takes a detector which was fitted before."""
    parser.add_argument(
        "--fitted",
        type=values.path,
        default=argparse.SUPPRESS,
        metavar="FILE",
        help="a detector that adhelpers run wrote (models/detector_*.npz), of one --category, "
        "instead of fitting one",
    )


def read_fitted(options: argparse.Namespace, datasets: list[Dataset]) -> AnyDetector | None:
    """Return the fitted detector that the options name; None where one is to be fitted."""
    if "fitted" not in options:
        return None
    if len(datasets) > 1:
        names = ", ".join(dataset.category for dataset in datasets)
        raise UserError(f"--fitted is of one category; choose it with --category, of: {names}")
    return load_detector(options.fitted)


def check_levels(detector: AnyDetector, extract) -> None:
    """Raise a UserError, before any image is read, if the network lacks a level."""
    for level in detector.levels or ():
        check_choice(f"level of {extract.origin.backbone}", level, extract.levels)


def _level(word: str) -> str:
    return f"level_{word}" if word.isdecimal() else word
