"""The options that several commands share, and the data sets and extractors that they name."""

import argparse
from collections.abc import Callable
from pathlib import Path

from .. import backbones, images
from ..datasets import Dataset, mvtec, synthetic
from ..errors import UserError
from ..gaussian import MIN_IMAGES

SYNTHETIC = "synthetic"


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
    add(
        "--seed",
        type=whole_number(0),
        default=0,
        metavar="N",
        help="of untrained weights, of the embedded data set, and of what is drawn at random",
    )


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
        **({"nargs": "+"} if several else {}),
        default="efficientnet-b0",
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
        help="; ".join(f"{name}: {words}" for name, words in images.PROTOCOLS.items()),
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
        names = _chosen(options.category, list(synthetic.CATEGORIES))
        datasets = [synthetic.load(name, seed=options.seed) for name in names]
    else:
        names = _chosen(options.category, mvtec.categories(options.data_path))
        datasets = [mvtec.load(options.data_path, name) for name in names]
    for dataset in datasets:
        if len(dataset.train) < MIN_IMAGES:
            raise UserError(
                f"category {dataset.category} has {len(dataset.train)} training image(s) in "
                f"{dataset.root}; a Gaussian needs at least {MIN_IMAGES}, 40 or more to be of use"
            )
    return datasets


def make_extractor(options: argparse.Namespace, **more):
    """Return the Extractor that the options describe; `more` are further arguments of it."""
    from ..extraction import Extractor

    return Extractor(
        options.model_name,
        options.weights,
        options.protocol,
        options.batch_size,
        options.seed,
        options.skip_bad_images,
        **more,
    )


def extract_cached(
    extract,
    dataset: Dataset,
    split: str,
    folder: Path,
    save_pkl: bool = True,
    compared: bool = False,
):
    """Extract a split's features, or read them from ``feats/`` where they are still true.

    The files are ``feats/{split}_{category}_{model}.npz`` and ``.pkl`` for the float32 network,
    with the precision at the end of the name for others, and for all that are compared with it.
    """
    origin = extract.origin
    parts = [split, dataset.category, origin["backbone"]]
    if compared or origin["precision"] != "float32":
        parts.append(origin["precision"])
    place = folder / "feats" / ("_".join(parts) + ".npz")
    features = extract(getattr(dataset, split), cache=place)
    if save_pkl:
        features.save(place.with_suffix(".pkl"))
    return features


def _chosen(asked: list[str], present: list[str]) -> list[str]:
    if asked in ("all", ["all"]):
        return present
    for name in asked:
        if name not in present:
            raise UserError(f"unknown category {name!r}; there are: {', '.join(present)}, or all")
    return list(dict.fromkeys(asked))
