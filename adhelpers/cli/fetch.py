"""Bring a data set: download MVTec AD, or draw the embedded one.

MVTec AD is licensed CC BY-NC-SA 4.0: not for commercial use. A download that was cut off goes on
where it stopped, and nothing is unpacked before the archive's SHA-256 is right.
"""

import argparse

from ..datasets import fetch, synthetic
from ..ground import UserError
from . import values


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options to its parser."""
    add = parser.add_argument
    add("dataset", choices=["mvtec", "synthetic"], help="which data set")
    add(
        "--data_path",
        type=values.filled,
        metavar="DIR",
        default=argparse.SUPPRESS,
        help="where to put it (default: data/mvtec_ad or data/synthetic)",
    )
    add(
        "--category",
        nargs="+",
        type=values.filled,
        default="all",
        metavar="NAME",
        help="one, several, or all",
    )
    add(
        "--url",
        type=values.filled,
        default=argparse.SUPPRESS,
        metavar="URL",
        help="mvtec: another address of the archive, when the built-in one has moved",
    )
    add(
        "--archive",
        type=values.filled,
        default=argparse.SUPPRESS,
        metavar="FILE",
        help="mvtec: an archive that you fetched by hand",
    )
    add(
        "--sha256",
        type=values.filled,
        default=argparse.SUPPRESS,
        metavar="SUM",
        help="mvtec: the archive's sum, if it is not the official one",
    )
    add(
        "--seed",
        type=values.seed,
        default=0,
        metavar="N",
        help="synthetic: of the images drawn",
    )


def execute(options: argparse.Namespace) -> None:
    """Fetch or draw, as the options say."""
    given = vars(options)
    only_mvtec = [name for name in ("url", "archive", "sha256") if name in given]
    categories = None if options.category in ("all", ["all"]) else options.category
    if options.dataset == "mvtec":
        arguments = {name: given[name] for name in only_mvtec}
        target = given.get("data_path", "data/mvtec_ad")
        root = fetch.fetch_mvtec(target, categories, **arguments)
    elif only_mvtec:
        raise UserError(f"--{only_mvtec[0]} belongs to mvtec; the synthetic set is drawn here")
    else:
        target = given.get("data_path", "data/synthetic")
        root = synthetic.write(target, categories or synthetic.CATEGORIES, seed=options.seed)
    print(f"ready: {root}")
