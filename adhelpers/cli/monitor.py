"""Tell from tables of scores whether what a detector sees has drifted.

Reads tables of adhelpers score, one after the other in the order of time, and follows the score,
the distance at each level, and light and sharpness (score --image_statistics) of the images called
normal by a CUSUM of ranks, and the share above the threshold by Fisher's exact test. Ends with 0
without drift, 3 with drift, 2 if something was wrong.
"""

import argparse
import csv
import math
from pathlib import Path

import numpy as np

from ..evaluation import drift_report
from ..ground import UserError, check_writable_file, chosen, write_text
from . import exported, values


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options to its parser."""
    add = parser.add_argument
    add(
        "tables",
        nargs="+",
        type=values.path,
        metavar="SCORES",
        help=".csv or .parquet, in the order of time",
    )
    add(
        "--detector",
        type=values.path,
        required=True,
        metavar="FILE",
        help="the .tflite file that scored them",
    )
    add(
        "--by",
        type=values.filled,
        default=argparse.SUPPRESS,
        metavar="COLUMN",
        help="follow the images of each value by themselves (default: camera, if there is one)",
    )
    add(
        "--reference",
        type=values.whole_number(20, 10_000),
        default=100,
        metavar="N",
        help="so many images with a score, the first, are what is usual",
    )
    add(
        "--false_alarms",
        type=values.number("a number from 0.0001 to 0.5", lambda x: 1e-4 <= x <= 0.5),
        default=0.01,
        metavar="P",
        help="the probability of any alarm without drift, all statistics and cameras together",
    )
    add(
        "-o",
        "--output",
        type=values.path,
        default=argparse.SUPPRESS,
        metavar="FILE",
        help="an .html file to write, with plots",
    )


def execute(options: argparse.Namespace) -> int:
    """Look for drift, as the options say, and return the exit code."""
    output: Path | None = vars(options).get("output")
    if output:
        check_writable_file(output)
    levels, threshold = _detector(options.detector)
    columns: dict[str, list] = {}
    for path in options.tables:
        table = chosen(f"suffix of the table {path}", path.suffix.lower(), _READERS)(path)
        if columns and table.keys() != columns.keys():
            raise UserError(f"{path}: has other columns than {options.tables[0]}")
        for name, cells in table.items():
            columns.setdefault(name, []).extend(cells)
    tables = _by_camera(columns, levels, threshold, vars(options).get("by"))
    found = drift_report.watch(tables, options.reference, options.false_alarms)
    words = (
        f"{sum(len(x['score']) for x in tables.values())} images; the first {options.reference} "
        f"with a score{' of each camera' if len(tables) > 1 else ''} are the reference; without "
        f"drift, the probability of any alarm is at most {options.false_alarms:g}, if images are "
        "independent of one another over time"
    )
    if output:
        write_text(output, drift_report.page(found, f"Drift of {options.detector.name}", words))
    moved = [f"{x.name}: {line}" if x.name else line for x in found for line in x.moved]
    print(words)
    print("\n".join(f"DRIFT: {line}" for line in moved) or "no drift")
    return 3 if moved else 0


def _detector(path: Path) -> tuple[list[str], float]:
    record = exported.read_record(path)
    if not record.get("levels") or record.get("threshold") is None:
        raise UserError(f"{path}: has no levels or no threshold; monitor needs both")
    return record["levels"], record["threshold"]


def _by_camera(
    columns: dict[str, list], levels: list[str], own: float, by: str | None
) -> dict[str, dict[str, np.ndarray]]:
    """Return the numbers to watch, by camera."""
    needed = ["score", "threshold", *levels, *([by] if by else [])]
    if missing := [name for name in needed if name not in columns]:
        raise UserError(
            f"the tables have no column {', '.join(missing)}; they have {', '.join(columns)}; were "
            "they written by adhelpers score with this detector?"
        )
    by = by or ("camera" if "camera" in columns else None)
    watched = ["score", *levels, *(x for x in ("light", "sharpness") if x in columns)]
    numbers = {name: _numbers(name, columns[name]) for name in [*watched, "threshold"]}
    scored = np.isfinite(numbers["score"])
    for name in watched:
        if not np.isfinite(numbers[name][scored]).all():
            raise UserError(f"the column {name} is empty where there is a score")
    limits = np.where(np.isfinite(numbers["threshold"]), numbers["threshold"], own)
    numbers["above"] = numbers["score"] > limits
    del numbers["threshold"]
    keys = np.array([str(x) for x in columns[by]] if by else [""] * len(scored))
    return {
        str(key): {name: cells[keys == key] for name, cells in numbers.items()}
        for key in np.unique(keys)
    }


def _numbers(name: str, cells: list) -> np.ndarray:
    try:
        return np.array([math.nan if x in (None, "") else float(x) for x in cells])
    except ValueError as error:
        raise UserError(f"the column {name} has what is no number: {error}") from error


def _read_csv(path: Path) -> dict[str, list]:
    try:
        with open(path, newline="", encoding="utf-8", errors="surrogateescape") as file:
            head, *rows = csv.reader(file, strict=True)
            return dict(zip(head, map(list, zip(*rows, strict=True)), strict=True))
    except (ValueError, csv.Error) as error:
        raise UserError(f"{path}: no whole table of scores; write it again") from error


def _read_parquet(path: Path) -> dict[str, list]:
    import pyarrow
    from pyarrow import parquet

    try:
        return parquet.read_table(path).to_pydict()
    except pyarrow.ArrowInvalid as error:
        raise UserError(f"{path}: no whole table of scores; write it again") from error


_READERS = {".csv": _read_csv, ".parquet": _read_parquet}
