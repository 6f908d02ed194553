"""Score images with a detector in one .tflite file, on all cores.

A row per image, in CSV: its path, score, threshold, decision (normal, or ANOMALY), the distance at
each level, and the error if it could not be scored. The detector is one that adhelpers fit or
export wrote; it needs no TensorFlow. With -o, a run that was stopped goes on from the rows in a
.partial file beside the output when the same command is given again. An image is taken for the
same if its path, its size and its time of change are.
"""

import argparse
import csv
import math
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from tqdm import tqdm

from .. import edge
from ..datasets import list_images
from ..export import HeatMaps, Row, Scorer, cells, check_table, columns, write_table
from ..ground import UserError, available_cores, check_writable, write_bytes
from ..images import read
from . import clusters, values
from .names import file_name

_STDIN = "-"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options to its parser."""
    add = parser.add_argument
    add("detector", type=values.path, metavar="DETECTOR", help="the .tflite file")
    add(
        "images",
        nargs="+",
        type=values.filled,
        metavar="IMAGES",
        help=f"folders, patterns or files; {_STDIN} for a list of files on stdin, one a line",
    )
    add(
        "-o",
        "--output",
        type=values.path,
        default=argparse.SUPPRESS,
        metavar="FILE",
        help="a .csv or .parquet file to write (default: CSV on stdout)",
    )
    add(
        "--threshold",
        type=values.number("a finite number", math.isfinite),
        default=argparse.SUPPRESS,
        metavar="T",
        help="scores above it are anomalous (default: the detector's own)",
    )
    add(
        "--threads",
        type=values.whole_number(1, edge.MOST_THREADS),
        default=available_cores(),
        metavar="N",
        help="how many images are under way at once",
    )
    add(
        "--heat_maps",
        type=values.path,
        default=argparse.SUPPRESS,
        metavar="DIR",
        help="a folder for pictures of where each score comes from, one after the other",
    )
    add(
        "--image_statistics",
        action="store_true",
        help="add each image's mean grey value (light) and sharpness, for adhelpers monitor",
    )
    clusters.add_options(parser)


def execute(options: argparse.Namespace) -> None:
    """Score the images, as the options say."""
    output: Path | None = vars(options).get("output")
    if output:
        check_table(output)
    if cluster := clusters.chosen(options):
        levels, rows, count = _on_cluster(options, cluster)
        return _finish(levels, rows, count, output)
    paths = _paths(options.images)
    threshold = vars(options).get("threshold")
    scorer = Scorer(options.detector, options.threads, threshold, options.image_statistics)
    if scorer.threshold is None:
        print("no threshold, so nothing is decided; give one with --threshold", file=sys.stderr)
    draw = _drawer(scorer, options)
    partial = output and output.with_name(f"{output.name}.partial")
    rows = _with_bar(scorer.rows(paths, partial), len(paths), output)
    if draw:
        rows = _drawn(rows, draw)
    _finish(scorer.levels, rows, len(paths), output)


def _on_cluster(
    options: argparse.Namespace, cluster: argparse.Namespace
) -> tuple[list[str], Iterator[Row], int]:
    """Score on a cluster.

    Returns
    -------
    levels : list of str
    rows : iterator of Row
    count : int
        How many rows there are.
    """
    from .. import scale

    if "heat_maps" in options:
        raise UserError("--scheduler draws no heat maps; score the images of interest without it")
    if options.image_statistics:
        raise UserError("--scheduler keeps no --image_statistics; score without it")
    images, left_out = scale.list_urls(options.images, cluster.column)
    if left_out:
        print(left_out, file=sys.stderr)
    with scale.connect(cluster.scheduler) as client:
        places, levels = scale.score_to(
            images,
            options.detector,
            client,
            cluster.folder,
            vars(options).get("threshold"),
            cluster.partition,
        )
    return levels, scale.read_rows(places, levels), len(images)


def _finish(levels: Sequence[str], rows: Iterable[Row], count: int, output: Path | None) -> None:
    """Write or print the rows, and say how many are what."""
    counts: Counter = Counter()
    rows = _counted(rows, counts)
    if output:
        write_table(output, levels, rows)
        with suppress(OSError):  # another run may have it open, or have removed it
            output.with_name(f"{output.name}.partial").unlink()
        print(f"{output}: {', '.join(f'{n} {what}' for what, n in sorted(counts.items()))}")
    else:
        _print(levels, rows)
    if failed := counts["error"]:
        raise UserError(
            f"{failed} of {count} images could not be scored; the column error says why"
        )


def _drawer(scorer: Scorer, options: argparse.Namespace) -> Callable[[int, Row], None] | None:
    """Return what draws a row's heat map; None where none are asked for."""
    folder: Path | None = vars(options).get("heat_maps")
    if folder is None:
        return None
    if not (scorer.threshold and scorer.threshold > 0):
        raise UserError("heat maps need a threshold above 0; give one with --threshold")
    check_writable(folder)
    maps = HeatMaps(options.detector.read_bytes())

    def draw(number: int, row: Row) -> None:
        image = read(row.path, maps.bits)
        name = file_name(f"{number:06}", Path(row.path).stem)  # two images may have one name
        write_bytes(folder / f"{name}.png", maps.overlay(image, row.score, scorer.threshold))

    return draw


def _drawn(rows: Iterable[Row], draw: Callable[[int, Row], None]) -> Iterator[Row]:
    """Pass rows on, and draw those that have a score."""
    for number, row in enumerate(rows, start=1):
        if not row.error:
            draw(number, row)
        yield row


def _paths(sources: Sequence[str]) -> list[Path]:
    """Return the images' paths: sorted, and after them those of stdin in their order."""
    paths, named = [], [source for source in sources if source != _STDIN]
    if named:
        samples, left_out = list_images(named)
        paths += samples.paths
        if left_out:
            print(left_out, file=sys.stderr)
    if _STDIN in sources:
        sys.stdin.reconfigure(errors="surrogateescape")  # a name may be any bytes
        paths += [Path(line.rstrip("\r\n")) for line in sys.stdin if line.strip()]
    if not paths:
        raise UserError("no images: stdin is empty; it should have a path on each line")
    return paths


def _with_bar(rows: Iterator[Row], total: int, output: Path | None) -> Iterator[Row]:
    """Show how far the work is, on a terminal, unless that shows the rows themselves."""
    hidden = None if output or not sys.stdout.isatty() else True
    return tqdm(rows, total=total, desc="score", unit="image", disable=hidden)


def _counted(rows: Iterable[Row], counts: Counter) -> Iterator[Row]:
    """Pass rows on, and count what they say."""
    for row in rows:
        counts["error" if row.error else row.decision or "without a threshold"] += 1
        yield row


def _print(levels: Sequence[str], rows: Iterable[Row]) -> None:
    """Write rows to stdout, each as soon as it is there."""
    sys.stdout.reconfigure(errors="backslashreplace")  # a name may not fit the terminal
    table = csv.writer(sys.stdout, lineterminator="\n")
    try:
        table.writerow(columns(levels))
        for row in rows:
            table.writerow(cells(row, levels))
            sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what is left to write
        if not isinstance(error, BrokenPipeError):  # whoever read the output has had enough
            raise UserError(f"stdout: cannot be written ({error.strerror})") from error
