"""The options that several commands share, and the data sets and extractors that they name."""

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path

from .. import backbones, images
from ..datasets import Dataset, categories, load_mvtec, load_synthetic
from ..detector import COMBINATIONS, THRESHOLDS, MahalanobisDetector
from ..gaussian import METHODS, MIN_IMAGES, REDUCTIONS
from ..ground import UserError, check_choice
from ..quantization import PRECISIONS

SYNTHETIC = "synthetic"
_NONE = "none"


def add_data_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say which images there are, and where results go."""
    add = parser.add_argument
    add(
        "--data_path",
        default="data/mvtec_ad",
        metavar="DIR",
        help=f"a folder laid out like MVTec AD, or '{SYNTHETIC}': the embedded data set, drawn "
        "into data/synthetic",
    )
    add(
        "--category",
        nargs="+",
        default="all",
        metavar="NAME",
        help="one category, several, or all",
    )
    add(
        "--save_path",
        type=Path,
        default=Path("result"),
        metavar="DIR",
        help="the folder for all that is written",
    )
    add_seed_option(parser)


def add_seed_option(parser: argparse.ArgumentParser) -> None:
    """Add the option that all that is random depends on."""
    words = "of untrained weights, of the embedded data set, and of what is drawn at random"
    parser.add_argument("--seed", type=whole_number(0), default=0, metavar="N", help=words)


def whole_number(least: int) -> Callable[[str], int]:
    """Return a type of options: whole numbers from `least` on."""

    def parsed(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(f"{text!r} is no whole number from {least} on")
        return int(text)

    return parsed


def add_network_options(parser: argparse.ArgumentParser, several: bool = False) -> None:
    """Add the options that say how an image becomes features, by one network or by several."""
    add = parser.add_argument
    add(
        "--model_name",
        nargs="+" if several else None,
        default=["efficientnet-b0"] if several else "efficientnet-b0",
        choices=backbones.VARIANTS,
        metavar="NAME",
        help=f"the network{', or several' * several}: {', '.join(backbones.VARIANTS)}",
    )
    add(
        "--weights",
        default="imagenet",
        metavar="W",
        help="imagenet, builtin (efficientnet-b0 alone), none (untrained), or a weights file",
    )
    add(
        "--protocol",
        default="square",
        choices=images.PROTOCOLS,
        help=in_words(images.PROTOCOLS),
    )
    add(
        "--batch_size",
        type=int,
        default=16,
        metavar="N",
        help="images per call of the Keras network",
    )
    add(
        "--skip_bad_images",
        action="store_true",
        help="leave unreadable images out and count them, instead of stopping",
    )


def in_words(table: Mapping) -> str:
    """Return the names of a table with what their `words` say."""
    return "; ".join(f"{name}: {entry.words}" for name, entry in table.items())


def add_detector_options(parser: argparse.ArgumentParser) -> None:
    """Add the detector's own parameters."""
    defaults = MahalanobisDetector().get_params()

    def add(name: str, **more) -> None:
        parser.add_argument(f"--{name}", **{"default": defaults[name], **more})

    add(
        "levels",
        nargs="+",
        metavar="LEVEL",
        default="all",
        help="the network's levels to use, as level_4, or 4 for short",
    )
    add("covariance", choices=METHODS, help=f"how it is estimated: {in_words(METHODS)}")
    add("ridge", type=float, metavar="SHARE", help="added to every variance, of their mean")
    add(
        "reduction",
        choices=(*REDUCTIONS, _NONE),
        default=_NONE,
        help="keep the components of most variance (pca), or of least (npca)",
    )
    add("variance_share", type=float, metavar="SHARE", help="what pca keeps and npca leaves out")
    add("combination", choices=COMBINATIONS, help=f"of the levels: {in_words(COMBINATIONS)}")
    add("threshold", choices=THRESHOLDS, help=in_words(THRESHOLDS))
    add(
        "quantile",
        type=float,
        metavar="SHARE",
        help="of normal images that the threshold should call normal",
    )


def make_detector(options: argparse.Namespace) -> MahalanobisDetector:
    """Return the unfitted detector that the options describe, or raise a UserError."""
    levels = None if options.levels in ("all", ["all"]) else list(map(_level, options.levels))
    detector = MahalanobisDetector(
        levels=levels,
        covariance=options.covariance,
        ridge=options.ridge,
        reduction=None if options.reduction == _NONE else options.reduction,
        variance_share=options.variance_share,
        combination=options.combination,
        threshold=options.threshold,
        quantile=options.quantile,
    )
    detector.check_parameters()
    return detector


def add_detector_file_option(parser: argparse.ArgumentParser) -> None:
    """Add the option that takes a detector which was fitted before."""
    parser.add_argument(
        "--detector",
        type=Path,
        default=argparse.SUPPRESS,
        metavar="FILE",
        help="a detector that adhelpers run wrote (models/detector_*.npz), of one --category, "
        "instead of fitting one",
    )


def read_detector(
    options: argparse.Namespace, datasets: list[Dataset]
) -> MahalanobisDetector | None:
    """Return the fitted detector that the options name; None where one is to be fitted."""
    if "detector" not in options:
        return None
    if len(datasets) > 1:
        names = ", ".join(dataset.category for dataset in datasets)
        raise UserError(f"--detector is of one category; choose it with --category, of: {names}")
    if make_detector(options).get_params() != MahalanobisDetector().get_params():
        raise UserError("--detector has parameters of its own; leave those of a new fit out")
    return MahalanobisDetector.load(options.detector)


def check_levels(detector: MahalanobisDetector, extract) -> None:
    """Raise a UserError, before any image is read, if the network lacks a level."""
    for level in detector.levels or ():
        check_choice(f"level of {extract.origin.backbone}", level, extract.levels)


def _level(word: str) -> str:
    return f"level_{word}" if word.isdecimal() else word


def add_precision_option(parser: argparse.ArgumentParser, default: str, several: bool) -> None:
    """Add the option that says in which precision the network runs, or in which ones."""
    parser.add_argument(
        "--precision",
        default=[default] if several else default,
        nargs="+" if several else None,
        choices=PRECISIONS,
        metavar="P",
        help=("of --quantize, one or several: " if several else "") + in_words(PRECISIONS),
    )


def add_calibration_option(parser: argparse.ArgumentParser) -> None:
    """Add the option that says how many images calibrate a model."""
    parser.add_argument(
        "--n_calibration",
        type=whole_number(1),
        default=100,
        metavar="N",
        help="how many training images to calibrate int8 and int8-mixed with, at most",
    )


def add_switch(parser: argparse.ArgumentParser, name: str, help_text: str) -> None:
    """Add ``--name`` and ``--no_name``, on by default."""
    parser.add_argument(
        f"--{name}", action="store_true", default=True, help=f"{help_text} (on by default)"
    )
    parser.add_argument(
        f"--no_{name}", action="store_false", dest=name, help=f"do without --{name}"
    )


def load_datasets(options: argparse.Namespace) -> list[Dataset]:
    """Return the sample tables of all the categories asked for, checked before any work."""
    if options.data_path == SYNTHETIC:
        from ..datasets import synthetic

        names = _chosen(options.category, list(synthetic.CATEGORIES))
        datasets = [load_synthetic(name, seed=options.seed) for name in names]
    else:
        names = _chosen(options.category, categories(options.data_path))
        datasets = [load_mvtec(options.data_path, name) for name in names]
    for dataset in datasets:
        if len(dataset.train) < MIN_IMAGES:
            raise UserError(
                f"category {dataset.category} has {len(dataset.train)} training image(s) in "
                f"{dataset.root}; a Gaussian needs at least {MIN_IMAGES}, 40 or more to be of use"
            )
    return datasets


def make_extractor(options: argparse.Namespace, model_name: str | None = None, **more):
    """Return the Extractor that the options describe; `more` are further arguments of it."""
    from ..features import Extractor

    return Extractor(
        model_name or options.model_name,
        options.weights,
        options.protocol,
        options.batch_size,
        options.seed,
        options.skip_bad_images,
        **more,
    )


def extract_cached(extract, dataset: Dataset, split: str, folder: Path, save_pkl: bool = True):
    """Extract a split's features, or read them from ``feats/`` where they are still true.

    The files, ``.npz`` and ``.pkl``, are called after the split, the category, and all that the
    features come from, so that runs with other choices leave them alone.
    """
    place = folder / "feats" / f"{split}_{dataset.category}_{extract.origin.slug}.npz"
    features = extract(getattr(dataset, split), cache=place)
    if save_pkl:
        features.save(place.with_suffix(".pkl"))
    return features


def _chosen(asked: list[str], present: list[str]) -> list[str]:
    if asked in ("all", ["all"]):
        return present
    for name in asked:
        check_choice("category", name, [*present, "all"])
    return list(dict.fromkeys(asked))
