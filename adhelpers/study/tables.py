"""The paper's tables, for any data set: as numbers, CSV and Markdown."""

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path

import numpy as np

from ..detector import DETECTORS, MahalanobisDetector
from ..detector.thresholds import conformal_count, probability_of_sigmas
from ..evaluation import roc_auc
from ..features import FeatureMaps, FeatureSet, Origin
from ..gaussian import folds
from ..ground import write_rows
from . import published
from .cross_validation import ALL_LEVELS, Area, cross_validate

#: The rows of the tables: the detector's parameters, none where it is the paper's.
DISTANCES = {
    "L2": {"covariance": "identity"},
    "SED": {"covariance": "diagonal"},
    "Mahalanobis": {},
    "Mahalanobis, OAS": {"covariance": "oas"},
    "Mahalanobis, ridge 0.01": {"covariance": "empirical", "ridge": 0.01},
}
REDUCTIONS = {
    "Mahalanobis": {},
    "PCA 0.95": {"reduction": "pca", "variance_share": 0.95},
    "PCA 0.99": {"reduction": "pca", "variance_share": 0.99},
    "NPCA 0.99": {"reduction": "npca", "variance_share": 0.99},
    "NPCA 0.999": {"reduction": "npca", "variance_share": 0.999},
    "NPCA 0.9999": {"reduction": "npca", "variance_share": 0.9999},
}
COMBINATIONS = {
    "sum": {},
    "relative": {"combination": "relative"},
    "z-score": {"combination": "z-score"},
    "Fisher": {"combination": "fisher"},
}
THRESHOLDS = {
    f"chi-square, {n} sigma": {"threshold": "chi-square", "quantile": probability_of_sigmas(n)}
    for n in range(1, 6)
} | {
    "held-out, 95 %": {"threshold": "held-out", "quantile": 0.95},
    "conformal, 90 %": {"threshold": "conformal", "quantile": 0.9},
    "conformal, 95 %": {"threshold": "conformal", "quantile": 0.95},
}
MEAN = "mean"


@dataclass(frozen=True)
class AreaCell:
    """A number of a table of areas; all from 0 to 1, None where there is none.

    Parameters
    ----------
    category : str
        Or "mean": over the categories; its standard errors are over the categories too.
    row, column : str
        The column is a level, or all levels.
    auroc : float
        Of the fit to all training images.
    cv_auroc, cv_sem : float or None
        Mean and standard error over the runs of the cross-validation.
    published, published_sem : float or None
    published_source : str
    """

    category: str
    row: str
    column: str
    auroc: float
    cv_auroc: float | None
    cv_sem: float | None
    published: float | None = None
    published_sem: float | None = None
    published_source: str = ""

    @property
    def text(self) -> str:
        """In percent: the single fit, and the cross-validation in brackets."""
        if self.cv_auroc is None:
            return f"{100 * self.auroc:.1f}"
        return f"{100 * self.auroc:.1f} ({100 * self.cv_auroc:.1f} ± {100 * self.cv_sem:.1f})"


@dataclass(frozen=True)
class RateCell:
    """A number of a table of thresholds, from 0 to 1; None where there is no such threshold.

    Parameters
    ----------
    category, row, column : str
        See `AreaCell`.
    true_positive_rate, false_positive_rate : float or None
        The shares of the anomalous and of the normal test images above the threshold.
    """

    category: str
    row: str
    column: str
    true_positive_rate: float | None
    false_positive_rate: float | None

    @property
    def text(self) -> str:
        """In percent: true and false positives."""
        if self.true_positive_rate is None:
            return "–"
        return f"{100 * self.true_positive_rate:.0f} / {100 * self.false_positive_rate:.0f}"


def area_rows(
    category: str,
    rows: dict[str, dict],
    train: FeatureSet,
    test: FeatureSet,
    n_folds: int,
    is_mvtec: bool,
    columns: Sequence[str] | None = None,
) -> list[AreaCell]:
    """Return the areas of detectors with different parameters, on one category.

    Parameters
    ----------
    category : str
    rows : dict of str to dict
        The detector's parameters by the row's name.
    train, test : FeatureSet
    n_folds : int
        Of the cross-validation; 0 for none.
    is_mvtec : bool
        Whether published figures on MVTec AD belong beside it.
    columns : sequence of str, optional
        The levels, or all levels; everything when not given.
    """
    cells = []
    for row, parameters in rows.items():
        areas = cross_validate(MahalanobisDetector(**parameters), train, test, n_folds)
        for column, area in areas.items():
            known = None
            if is_mvtec and not parameters and column == ALL_LEVELS:
                known = _published(train.origin, [category])
            if columns is None or column in columns:
                cells.append(_area_cell(category, row, column, area, known))
    return cells


def detector_rows(
    category: str, train: FeatureMaps, test: FeatureMaps, kinds: Sequence[str], is_mvtec: bool
) -> list[AreaCell]:
    """Return the areas of the kinds of detector, on one category; there is no cross-validation.

    Parameters
    ----------
    category : str
    train, test : FeatureMaps
    kinds : sequence of str
        Keys of `adhelpers.detector.DETECTORS`.
    """
    cells = []
    for name in kinds:
        kind = DETECTORS[name]
        given = (train, test) if kind.needs_maps else (train.features, test.features)
        scores = kind.make().fit(given[0]).anomaly_score(given[1])
        area = Area(roc_auc(test.features.labels, scores), ())
        known = _published(train.origin, [category]) if is_mvtec and name == "pooled" else None
        cells.append(_area_cell(category, name, ALL_LEVELS, area, known))
    return cells


def mean_areas(cells: Sequence[AreaCell], origins: dict[str, Origin]) -> list[AreaCell]:
    """Return the means over the categories, where there are several.

    Parameters
    ----------
    cells : sequence of AreaCell
    origins : dict of str to Origin
        The features' origin by row, for rows that published figures belong beside.
    """
    means = []
    for (row, column), group in _grouped(cells):
        if len(group) < 2:
            continue
        known = None
        if row in origins and column == ALL_LEVELS:
            known = _published(origins[row], [cell.category for cell in group])
        area = Area(
            float(np.mean([cell.auroc for cell in group])),
            tuple(cell.cv_auroc for cell in group if cell.cv_auroc is not None),
        )
        means.append(_area_cell(MEAN, row, column, area, known))
    return means


def rate_rows(category: str, train: FeatureSet, test: FeatureSet) -> list[RateCell]:
    """Return the rates of every threshold on one category, for each level and for their sum.

    Where there are too few images for a threshold, the rates are None.
    """
    normal = test.labels == 0
    cells = []
    for row, parameters in THRESHOLDS.items():
        for column in (*train.levels, ALL_LEVELS):
            levels = None if column == ALL_LEVELS else [column]
            anomalous = _judged(MahalanobisDetector(levels, **parameters), train, test)
            rates = (None, None)
            if anomalous is not None:
                rates = float(anomalous[~normal].mean()), float(anomalous[normal].mean())
            cells.append(RateCell(category, row, column, *rates))
    return cells


def mean_rates(cells: Sequence[RateCell]) -> list[RateCell]:
    """Return the means over the categories, where there are several and none is missing."""
    means = []
    for (row, column), group in _grouped(cells):
        rates = [(cell.true_positive_rate, cell.false_positive_rate) for cell in group]
        missing = any(rate is None for pair in rates for rate in pair)
        mean = (None, None) if missing else np.mean(rates, axis=0).tolist()
        if len(group) > 1:
            means.append(RateCell(MEAN, row, column, *mean))
    return means


def write_csv(cells: Sequence[AreaCell] | Sequence[RateCell], path: str | Path) -> None:
    """Write a line per cell."""
    write_rows(path, [field.name for field in fields(cells[0])], map(astuple, cells))


def markdown(cells: Sequence[AreaCell] | Sequence[RateCell], title: str, caption: str) -> str:
    """Return a Markdown table per category.

    Parameters
    ----------
    cells : sequence of AreaCell or of RateCell
    title : str
    caption : str
        What the numbers are, and which network they come from.
    """
    lines = [f"# {title}", "", caption]
    for category in dict.fromkeys(cell.category for cell in cells):
        group = [cell for cell in cells if cell.category == category]
        lines += ["", f"## {category}", "", *_pivot(group)]
    sources = dict.fromkeys(getattr(cell, "published_source", "") for cell in cells)
    lines += [f"\nPublished: {source}." for source in sources if source]
    return "\n".join(lines) + "\n"


def _pivot(cells: Sequence[AreaCell] | Sequence[RateCell]) -> list[str]:
    """Return the lines of a Markdown table: rows down, columns across."""
    texts = {(cell.row, cell.column): cell.text for cell in cells}
    columns = list(dict.fromkeys(column for _, column in texts))
    columns.sort(key=lambda column: column == ALL_LEVELS)
    known = {
        cell.row: f"{100 * cell.published:.1f}"
        + (f" ± {100 * cell.published_sem:.1f}" if cell.published_sem else "")
        for cell in cells
        if getattr(cell, "published", None) is not None
    }
    head = ["", *columns, *(["published"] if known else [])]
    lines = [head, ["---"] * len(head)]
    for row in dict.fromkeys(row for row, _ in texts):
        line = [row, *(texts.get((row, column), "") for column in columns)]
        lines.append([*line, *([known.get(row, "")] if known else [])])
    return ["| " + " | ".join(line) + " |" for line in lines]


def _judged(
    detector: MahalanobisDetector, train: FeatureSet, test: FeatureSet
) -> np.ndarray | None:
    """Tell which test images are above the threshold; None where there is no such threshold."""
    if detector.threshold == "conformal":
        parts = folds(train.groups, detector.n_folds)
        if not parts or len(parts[0]) < conformal_count(detector.quantile):
            return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of few images: the table shows what comes
        return detector.predict(test) == -1 if detector.fit(train).has_threshold else None


def _area_cell(
    category: str, row: str, column: str, area: Area, known: published.Published | None
) -> AreaCell:
    values = (area.single, area.mean, area.sem)
    if known is None:
        return AreaCell(category, row, column, *values)
    return AreaCell(category, row, column, *values, known.area, known.sem, known.source)


def _published(origin: Origin | None, categories: list[str]) -> published.Published | None:
    return origin and published.find(origin.backbone, origin.weights, origin.protocol, categories)


def _grouped(cells: Iterable) -> list[tuple[tuple[str, str], list]]:
    groups: dict[tuple[str, str], list] = {}
    for cell in cells:
        groups.setdefault((cell.row, cell.column), []).append(cell)
    return list(groups.items())
