"""The options of work on many machines, which `adhelpers.scale` does."""

import argparse

from . import values


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
        default="url",
        metavar="NAME",
        help="of --scheduler: the column of the tables that names the images",
    )
    add(
        "--partition",
        type=values.whole_number(1, 100_000),
        default=512,
        metavar="N",
        help="of --scheduler: how many images are one task",
    )
