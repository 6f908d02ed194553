"""The options that several commands share, and the data sets and extractors that they name."""

import argparse
from collections.abc import Mapping
from pathlib import Path

from .. import backbones, images
from ..datasets import Dataset, categories, check_apart, load_mvtec, load_synthetic
from ..gaussian import MIN_IMAGES
from ..ground import UserError, check_choice
from ..quantization import PRECISIONS
from . import values
from .names import file_name

SYNTHETIC = "synthetic"


def add_data_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say which images there are, and where results go."""
    add = parser.add_argument
    add(
        "--data_path",
        type=values.filled,
        default="data/mvtec_ad",
        metavar="DIR",
        help=f"a folder laid out like MVTec AD, or '{SYNTHETIC}': the embedded data set, drawn "
        "into data/synthetic",
    )
    add(
        "--category",
        nargs="+",
        type=values.filled,
        default="all",
        metavar="NAME",
        help="one category, several, or all",
    )
    add(
        "--save_path",
        type=values.path,
        default=Path("result"),
        metavar="DIR",
        help="the folder for all that is written",
    )
    add_seed_option(parser)


def add_seed_option(parser: argparse.ArgumentParser) -> None:
    """Add the option that all that is random depends on."""
    words = "of untrained weights, of the embedded data set, and of what is drawn at random"
    parser.add_argument("--seed", type=values.seed, default=0, metavar="N", help=words)


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
        type=values.filled,
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
        "--input_size",
        type=values.whole_number(32, 4096),
        default=argparse.SUPPRESS,
        metavar="N",
        help="the side of the network's images in pixels, a multiple of 32 (default: that which it "
        "was trained with); a larger one finds smaller defects, and takes longer by its square",
    )
    add(
        "--bits",
        type=int,
        choices=images.DEPTHS,
        default=argparse.SUPPRESS,
        help="how many bits of 16-bit images are in use (default: as many as the largest value of "
        "a category's training images needs)",
    )
    add(
        "--batch_size",
        type=values.whole_number(1, 1024),
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
        type=values.whole_number(1, 10_000),
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
    _check_save_path(options, datasets)
    for dataset in datasets:
        if dataset.notes:
            print(f"{dataset.category}: {dataset.notes}", flush=True)
    return datasets


def _check_save_path(options: argparse.Namespace, datasets: list[Dataset]) -> None:
    """Raise a UserError if results would lie among the images."""
    is_drawn = options.data_path == SYNTHETIC
    data_path = datasets[0].root if is_drawn else Path(options.data_path)
    splits = [split for dataset in datasets for split in (dataset.train, dataset.test)]
    files = [path for x in splits for path in (*x.paths, *x.mask_paths) if path]
    check_apart(options.save_path, data_path, files)


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
        **{name: vars(options).get(name) for name in ("input_size", "bits")} | more,
    )


def extract_cached(extract, dataset: Dataset, split: str, folder: Path, save_pkl: bool = True):
    """Extract a split's features, or read them from ``feats/`` where they are still true."""
    place = _features_file(extract.origin, dataset, split, folder)
    features = extract(getattr(dataset, split), cache=place)
    if save_pkl:
        features.save(place.with_suffix(".pkl"))
    return features


def save_features(features, dataset: Dataset, split: str, folder: Path) -> None:
    """Keep a split's features in ``feats/``, for whoever asks for them next."""
    place = _features_file(features.origin, dataset, split, folder)
    for suffix in (".npz", ".pkl"):
        features.save(place.with_suffix(suffix))


def _features_file(origin, dataset: Dataset, split: str, folder: Path) -> Path:
    """Return the features file of a split.

    It is called after the split, the category, and all that the features come from, so that runs
    with other choices leave it alone.
    """
    name = file_name(split, dataset.category, origin.slug)
    return folder / "feats" / f"{name}.npz"


def _chosen(asked: list[str], present: list[str]) -> list[str]:
    if asked in ("all", ["all"]):
        return present
    for name in asked:
        check_choice("category", name, [*present, "all"])
    return list(dict.fromkeys(asked))
