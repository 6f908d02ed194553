"""What each table of the docs is made of: commands, and which of their numbers go where."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import numpy as np

from adhelpers.datasets import synthetic
from adhelpers.evaluation import read_pixel_summary, read_summary
from adhelpers.study import ALL_LEVELS

from .pages import Cells, printed

OUTPUT = Path("build/tables")
DATA = f"--data_path synthetic --weights builtin --save_path {OUTPUT}"
CATEGORIES = list(synthetic.CATEGORIES)
EMBEDDED = "embedded, B0 built-in"
PRECISIONS = ("int8-weights", "int8", "int8-mixed")


@cache
def output(command: str) -> str:
    """Run a command of the package, or a benchmark, and return what it prints."""
    print(f"$ {command}", flush=True)
    program, *words = command.split()
    script = [f"benchmarks/{program}"] if program.endswith(".py") else ["-m", "adhelpers", program]
    done = subprocess.run(
        [sys.executable, *script, *words], stdout=subprocess.PIPE, text=True, check=True
    )
    return done.stdout


def table(kind: str) -> dict[str, Cells]:
    """Return one of the paper's tables, by category."""
    return printed(output(f"table {kind} {DATA}"))


def local(options: str = "") -> dict[str, Cells]:
    """Return what the benchmark of Gaussians per position prints, by category."""
    return printed(output(f"local.py {options}".strip()))


def by_level(kind: str) -> Cells:
    """Return the rows of a table of areas with their levels, and its cross-validation."""
    cells = {}
    for (row, column), text in table(kind)["mean"].items():
        single, _, several = text.partition(" (")
        cells[row, column.removeprefix("level_").removesuffix(" levels")] = single
        if column == ALL_LEVELS:
            cells[row, "cross-validated, all"] = several.rstrip(")")
    return cells


def reductions() -> Cells:
    """Return the reductions by level."""
    cells = by_level("reductions")
    return {("none" if row == "Mahalanobis" else row, x): text for (row, x), text in cells.items()}


def combinations() -> Cells:
    """Return the combinations of the levels by category."""
    cells = {}
    for category, part in table("combinations").items():
        column = "mean of the five" if category == "mean" else category
        for (row, _), text in part.items():
            single, _, several = text.partition(" (")
            cells[row, column] = single
            cells[f"{row}, cross-validated", column] = several.rstrip(")")
    return cells


def detectors(mean: str) -> Cells:
    """Return the kinds of detector by category."""
    parts = table("detectors").items()
    return {
        (row, mean if category == "mean" else category): text.partition(" (")[0]
        for category, part in parts
        for (row, _), text in part.items()
    }


def thresholds() -> Cells:
    """Return the decisions by level."""
    cells = {}
    for (row, column), text in table("thresholds")["mean"].items():
        if text != "–":
            first = row == "chi-square, 1 sigma"
            name = row if first else row.removeprefix("chi-square, ")
            cells[name, column.removeprefix("level_").removesuffix(" levels")] = text
    return cells


def augmentation() -> Cells:
    """Return the areas by what the copies are changed by."""
    (cells,) = printed(output("augmentation.py")).values()
    return cells


def int8() -> Cells:
    """Return precisions on two categories; times are not compared."""
    found = printed(output("int8.py --categories gear weave"))
    names = {"int8, percentile": "int8 (percentile)", "int8-mixed, 0.1": "int8-mixed (budget 0.1)"}
    rows = ("float32", "int8-weights", "dynamic", "int8, minmax", *names)
    cells = {}
    for category, second in (("gear", ""), ("weave", " (2)")):
        part = found[f"{category}: precisions"]
        for row in rows:
            name = names.get(row, row)
            cells[name, f"damage{second}"] = part[row, "damage"]
            cells[name, category] = part[row, "plain: AUROC"]
            if row != "float32":
                cells[name, f"gap{second}"] = part[row, "gap"].replace("+0.0", "0.0")
                cells[name, f"rho{second}"] = f"{float(part[row, 'rho']):.3f}"
    return cells


def weights_measured() -> Cells:
    """Return the areas of the embedded default in the weights' card."""
    parts = table("levels").items()
    return {
        (
            "mean of the embedded default" if category == "mean" else category,
            "built-in B0",
        ): part["Mahalanobis", ALL_LEVELS].partition(" (")[0]
        for category, part in parts
    }


def weights_by_level() -> Cells:
    """Return the same by level."""
    cells = {}
    for category in CATEGORIES:
        for (row, column), text in table("levels")[category].items():
            if row == "Mahalanobis":
                name = "sum" if column == ALL_LEVELS else column.removeprefix("level_")
                cells[category, name] = text.partition(" (")[0]
    return cells


def weights_in_int8() -> Cells:
    """Return the areas of the precisions by category."""
    output(f"run {DATA} --detector pooled --quantize --precision {' '.join(PRECISIONS)}")
    areas: dict[str, dict[str, float]] = {}
    for result in read_summary(OUTPUT):
        if result.kind == "pooled":
            areas.setdefault(result.precision, {})[result.category] = 100 * result.image_auroc
    return {
        (precision, column): f"{value:.1f}"
        for precision, found in areas.items()
        for column, value in {**found, "mean": np.mean(list(found.values()))}.items()
    }


def pixels(options: str, rows: dict[str, str]) -> Cells:
    """Return image and pixel areas, and PRO, of some of the local benchmark's rows."""
    return {
        (name, EMBEDDED): " / ".join(_mean(options)[row, x] for x in ("image", "pixel", "PRO"))
        for row, name in rows.items()
    }


def _mean(options: str) -> Cells:
    return local(options)[f"mean of {len(CATEGORIES)}"]


def _same(options: str) -> dict[str, str]:
    return {row: row for row, _ in _mean(options)}


def methods() -> Cells:
    """Return the detectors and the references."""
    return pixels("", _same(""))


def choices() -> Cells:
    """Return other rules for the Gaussians per position."""
    options = "--rows choices"
    return pixels(options, {row: row for row in _same(options) if row != "pooled"})


def few_images() -> Cells:
    """Return fits to twelve images."""
    options = "--rows methods choices --images 12"
    rows = ("pooled", "local", "both", "PaDiM", "memory bank", "mean of the top 1 % of positions")
    shared = [row for row in _same(options) if "one mean" in row or "3 x 3" in row]
    tied = {"a = 1, the tied covariance alone": "a = 1"}
    return pixels(options, {row: row for row in (*rows, *shared)} | tied)


def local_in_int8() -> Cells:
    """Return Gaussians per position of quantized features."""
    cells = pixels("", {"local": "float32"})
    for precision in ("int8-mixed", "int8"):
        cells |= pixels(f"--rows short --precision {precision}", {"local": precision})
    return cells


def decisions() -> Cells:
    """Return what the detectors' own thresholds find."""
    columns = {
        "detected": "anomalies detected",
        "false alarms": "false alarms",
        "inside": "inside the mask",
        "of these inside": "of the detected",
    }
    return {
        (f"{EMBEDDED}, mean", name): " / ".join(
            _mean("")[row, column] for row in ("pooled", "local", "both")
        )
        for column, name in columns.items()
    }


def pooled_and_local() -> Cells:
    """Return ways to make one score of the pooled and the local one, by category."""
    found = local("--rows combinations")
    return {
        ("both (pooled as one more level)" if row == "both" else row, category): text
        for category in CATEGORIES
        for (row, column), text in found[category].items()
        if column == "image"
    }


def split() -> Cells:
    """Return the areas of the split of the pooled score, by map."""
    output(f"explain --detector pooled {DATA}")
    found = {result.category: result.by_map for result in read_pixel_summary(OUTPUT)}
    return {
        (name.replace("_", " "), column): f"{100 * areas[0]:.1f} / {100 * areas[1]:.1f}"
        for name in next(iter(found.values()))
        for column, areas in _with_mean(found, name)
    }


def _with_mean(found: dict[str, dict], name: str) -> Iterator[tuple[str, np.ndarray]]:
    areas = {category: np.array(list(maps[name].values())) for category, maps in found.items()}
    yield from areas.items()
    yield "mean", np.mean(list(areas.values()), axis=0)


#: By the name that stands above the table.
TABLES: dict[str, Callable[[], Cells]] = {
    "readme-detectors": lambda: detectors("mean"),
    "distances": lambda: by_level("levels"),
    "reductions": reductions,
    "combinations": combinations,
    "detectors": lambda: detectors("mean of the five"),
    "thresholds": thresholds,
    "augmentation": augmentation,
    "int8": int8,
    "weights": weights_measured,
    "weights-by-level": weights_by_level,
    "weights-in-int8": weights_in_int8,
    "local": methods,
    "local-decisions": decisions,
    "local-combinations": pooled_and_local,
    "local-choices": choices,
    "local-few-images": few_images,
    "local-in-int8": local_in_int8,
    "split": split,
}
