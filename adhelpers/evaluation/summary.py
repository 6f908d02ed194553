"""What a run found: a row per category, engine and precision, as files and as text."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from ..detector import JointDetector, LocalDetector, MahalanobisDetector, kind_of
from ..features import FeatureSet
from ..ground import write_rows
from .records import joined_rows, read_rows, write_rows_as_json
from .roc import auc_interval, defect_type_auc, is_defined, missing_class, roc_auc


@dataclass(frozen=True)
class Result:
    """One row of a run's summary: one category, model, engine, precision and kind of detector.

    The kind is a key of `adhelpers.detector.DETECTORS`, and the detector is that in words. Areas
    are fractions from 0 to 1, or None where the test split has only one class. The interval is
    DeLong's at 95 %. Seconds are those of extraction, fits and scoring, of all kinds together;
    milliseconds those of the network for one image, as `adhelpers.Extractor.milliseconds` measures
    them. The size is that of the TFLite model, in megabytes.
    """

    category: str
    model: str
    weights: str
    engine: str
    precision: str
    protocol: str
    kind: str
    detector: str
    n_train: int
    n_test: int
    image_auroc: float | None
    image_auroc_low: float | None
    image_auroc_high: float | None
    seconds: float
    level_auroc: dict[str, float | None]
    defect_type_auroc: dict[str, float]
    n_skipped: int = 0
    note: str = ""
    model_mb: float | None = None
    ms_per_image: float | None = None

    @property
    def auroc_text(self) -> str:
        """The area and its interval in percent, or why there is none."""
        if self.image_auroc is None:
            return "not defined"
        low, high = self.image_auroc_low, self.image_auroc_high
        return f"{self.image_auroc:.1%} ({low:.1%} - {high:.1%})".replace("%", " %")


def evaluate(
    category: str,
    features: FeatureSet,
    detector: MahalanobisDetector | LocalDetector | JointDetector,
    distances: dict[str, np.ndarray],
    n_train: int,
    seconds: float,
    n_skipped: int = 0,
) -> Result:
    """Put together a row of the summary.

    Parameters
    ----------
    category : str
    features : FeatureSet
        Of the test images: for their labels, defect types and origin.
    detector : MahalanobisDetector, LocalDetector or JointDetector
        The fitted one.
    distances : dict of str to ndarray, shape (N,)
        Of the test images, by level.
    n_train, n_skipped : int
        How many images were fitted on, and how many left out as unreadable.
    seconds : float
        Of extraction, fit and scoring.
    """
    labels, origin, scores = features.labels, features.origin, detector.combined(distances)
    defined = is_defined(labels)
    low, high = auc_interval(labels, scores) if defined else (None, None)
    return Result(
        category=category,
        model=origin.backbone,
        weights=origin.weights,
        engine=origin.engine,
        precision=origin.precision,
        protocol=origin.protocol,
        kind=kind_of(detector),
        detector=detector.words,
        n_train=n_train,
        n_test=len(features),
        image_auroc=roc_auc(labels, scores) if defined else None,
        image_auroc_low=low,
        image_auroc_high=high,
        seconds=round(seconds, 2),
        level_auroc={
            name: roc_auc(labels, distance) if defined else None
            for name, distance in distances.items()
        },
        defect_type_auroc=defect_type_auc(labels, features.defect_types, scores),
        n_skipped=n_skipped,
        note="" if defined else f"AUC not defined: no {missing_class(labels)} test images",
    )


def read_summary(folder: str | Path) -> list[Result]:
    """Return the rows that earlier runs left in a folder, or raise a UserError."""
    return read_rows(Result, Path(folder) / "summary.json")


def write_summary(results: Sequence[Result], folder: str | Path) -> None:
    """Write ``summary.csv`` (a row per result) and ``summary.json`` (with levels and types).

    Rows of earlier runs stay, but for those of the same category, model, engine, precision and
    kind of detector, whose other files are replaced as well.

    Raises
    ------
    UserError
        If there is another ``summary.json``, or it cannot be written.
    """
    results = joined_rows(
        read_summary(folder),
        results,
        lambda r: (r.category, r.model, r.engine, r.precision, r.kind),
    )
    names = [f.name for f in fields(Result) if f.name not in ("level_auroc", "defect_type_auroc")]
    levels = list(dict.fromkeys(name for result in results for name in result.level_auroc))
    rows = [
        [getattr(result, name) for name in names] + [result.level_auroc.get(x) for x in levels]
        for result in results
    ]
    write_rows(Path(folder) / "summary.csv", [*names, *levels], rows)
    write_rows_as_json(results, Path(folder) / "summary.json")


def write_distances(
    features: FeatureSet, distances: dict[str, np.ndarray], scores: np.ndarray, path: str | Path
) -> None:
    """Write a CSV with a row per image: file, label, defect type, score, and every level."""
    columns = [
        features.paths,
        features.labels.tolist(),
        features.defect_types,
        scores.tolist(),
        *(distance.tolist() for distance in distances.values()),
    ]
    head = ["file", "label", "defect_type", "score", *distances]
    write_rows(path, head, zip(*columns, strict=True))


def precision_table(results: Sequence[Result]) -> str:
    """Return, as text, how each precision does beside the first one of its category.

    Parameters
    ----------
    results : sequence of Result
        With sizes and milliseconds; those of one category, engine and precision, which differ in
        the kind of detector, one after the other.
    """
    kinds = _kinds(results)
    columns = [f"image AUROC{f', {kind}' if len(kinds) > 1 else ''}" for kind in kinds]
    head = ["category", "engine", "precision", *columns, "MB", "ms per image"]
    rows, first = [], {}
    for start in range(0, len(results), len(kinds)):
        group = results[start : start + len(kinds)]
        r = group[0]
        base = first.setdefault(r.category, group)
        cells = [_difference(one, other) for one, other in zip(group, base, strict=True)]
        size = "" if r.model_mb is None else f"{r.model_mb:.1f}"
        milliseconds = "" if r.ms_per_image is None else f"{r.ms_per_image:.1f}"
        rows.append([r.category, r.engine, r.precision, *cells, size, milliseconds])
    return aligned([head, *rows])


def _difference(result: Result, base: Result) -> str:
    """Return a result's area, and how far it is from another's, in words."""
    if result.image_auroc is None:
        return "not defined"
    area = f"{100 * result.image_auroc:.1f} %"
    if result is base:
        return area
    return f"{area} ({100 * (result.image_auroc - base.image_auroc):+.1f})"


def _kinds(results: Sequence[Result]) -> list[str]:
    return list(dict.fromkeys(result.kind for result in results))


def summary_table(results: Sequence[Result]) -> str:
    """Return the summary as text for the screen, with the mean over the categories.

    Parameters
    ----------
    results : sequence of Result
        Of one network; those of one category, which differ in the kind of detector, one after the
        other.
    """
    kinds = _kinds(results)
    words = "image AUROC (95 % interval)"
    columns = [words] if len(kinds) == 1 else [f"{kind}: {words}" for kind in kinds]
    rows = [["category", "train", "test", *columns]]
    for start in range(0, len(results), len(kinds)):
        group = results[start : start + len(kinds)]
        r = group[0]
        rows.append([r.category, str(r.n_train), str(r.n_test), *(x.auroc_text for x in group)])
    if len(rows) > 2:
        rows.append(
            ["mean", "", "", *(_mean_area(results[i :: len(kinds)]) for i in range(len(kinds)))]
        )
    first = results[0]
    origin = (
        f"{first.model}, weights: {first.weights}, protocol: {first.protocol}, "
        f"engine: {first.engine} {first.precision}"
    )
    detectors = [
        f"{f'{r.kind}: ' if len(kinds) > 1 else ''}{r.detector}" for r in results[: len(kinds)]
    ]
    notes = dict.fromkeys(f"{r.category}: {r.note}" for r in results if r.note)
    return "\n".join([origin, *detectors, aligned(rows), *notes])


def _mean_area(results: Sequence[Result]) -> str:
    areas = [r.image_auroc for r in results if r.image_auroc is not None]
    return f"{100 * np.mean(areas):.1f} %" if areas else ""


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Return rows of cells as lines with straight columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )
