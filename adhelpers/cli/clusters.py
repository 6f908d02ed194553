"""The options of work on many machines, which `adhelpers.scale` does."""

import argparse

from ..ground import UserError
from . import values

#: What the options are where they are not given.
_USUAL = {"folder": None, "column": "url", "partition": 512}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of work on many machines."""
    add = parser.add_argument
    add(
        "--scheduler",
        type=values.filled,
        default=argparse.SUPPRESS,
        metavar="ADDRESS",
        help="of a Dask cluster, tcp://HOST:PORT, or local:N for N processes here; IMAGES are then "
        "folders, patterns, images, or .csv and .parquet tables, of local disks, s3://, gs://, "
        "az:// (docs/scale.md)",
    )
    add(
        "--folder",
        type=values.filled,
        default=argparse.SUPPRESS,
        metavar="URL",
        help="of --scheduler: where parts are kept, so that a job that was stopped goes on; one "
        "that all workers reach",
    )
    add(
        "--column",
        type=values.filled,
        default=argparse.SUPPRESS,
        metavar="NAME",
        help="of --scheduler: the column of the tables that names the images (default: "
        f"{_USUAL['column']})",
    )
    add(
        "--partition",
        type=values.whole_number(1, 100_000),
        default=argparse.SUPPRESS,
        metavar="N",
        help=f"of --scheduler: how many images are one task (default: {_USUAL['partition']})",
    )


def chosen(options: argparse.Namespace) -> argparse.Namespace | None:
    """Return the options of work on many machines, complete; None if it is to be done here.

    Raises
    ------
    UserError
        If one of them is given, and no scheduler.
    """
    given = {name: getattr(options, name) for name in _USUAL if name in options}
    if "scheduler" in options:
        return argparse.Namespace(**{**_USUAL, **given}, scheduler=options.scheduler)
    if given:
        raise UserError(f"--{', --'.join(given)} go with --scheduler; give it, or leave them out")
    return None
