"""ROC, AUC with an interval, and the tables of a run."""

import csv
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
from scipy.stats import norm, rankdata
from sklearn import metrics

from .errors import UserError
from .features import FeatureSet
from .files import written_whole


@dataclass(frozen=True)
class Result:
    """One row of a run's summary: one category, model, engine and precision.

    Areas are fractions from 0 to 1, or None where the test split has only one class. The interval
    is DeLong's at 95 %. Seconds are those of extraction, fit and scoring; milliseconds those of
    the network for one image, as `adhelpers.Extractor.milliseconds` measures them. The size is
    that of the TFLite model, in megabytes.
    """

    category: str
    model: str
    weights: str
    engine: str
    precision: str
    protocol: str
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


def roc_curve(labels, scores) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the ROC curve.

    Parameters
    ----------
    labels : array-like of int, shape (N,)
        0 normal, 1 anomalous; both must occur.
    scores : array-like of float, shape (N,)
        Higher is more anomalous.

    Returns
    -------
    false_positive_rate, true_positive_rate, thresholds : ndarray of float64
        As `sklearn.metrics.roc_curve` gives them, every distinct score being a threshold.

    Raises
    ------
    UserError
        If a class is missing, or shapes differ.
    """
    labels, scores = _both_classes(labels, scores)
    return metrics.roc_curve(labels, scores, drop_intermediate=False)


def roc_auc(labels, scores) -> float:
    """Return the area under the ROC curve, from 0 to 1.

    It is the probability that an anomalous image scores higher than a normal one. Parameters and
    errors are those of `roc_curve`.

    Examples
    --------
    >>> roc_auc([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    0.75
    """
    labels, scores = _both_classes(labels, scores)
    return float(metrics.roc_auc_score(labels, scores))


def auc_interval(labels, scores, confidence: float = 0.95) -> tuple[float, float]:
    """Return DeLong's interval for the area, on the logit scale so that it stays within [0, 1].

    Parameters
    ----------
    labels, scores : array-like, shape (N,)
        See `roc_curve`; at least two images of each class.
    confidence : float
        In (0, 1).

    Returns
    -------
    low, high : float
        Both equal the area where it is 0 or 1: without a single swap in the data the variance
        cannot be estimated, and the interval says nothing. With one image of a class they are
        0 and 1.

    Raises
    ------
    UserError
        If a class is missing, shapes differ, or `confidence` is out of range.

    References
    ----------
    DeLong, DeLong and Clarke-Pearson, Biometrics 44 (3), 1988; by ranks as in Sun and Xu, IEEE
    Signal Processing Letters 21 (11), 2014.
    """
    if not 0 < confidence < 1:
        raise UserError(f"confidence must lie between 0 and 1, not {confidence}")
    labels, scores = _both_classes(labels, scores)
    positive, negative = scores[labels == 1], scores[labels == 0]
    m, n = len(positive), len(negative)
    ranks = rankdata(np.concatenate([positive, negative]))
    # The share of the other class that each image is ranked above (or below).
    above = (ranks[:m] - rankdata(positive)) / n
    below = 1 - (ranks[m:] - rankdata(negative)) / m
    area = above.mean()
    if min(m, n) < 2:
        return 0.0, 1.0
    if area in (0.0, 1.0):
        return float(area), float(area)
    deviation = np.sqrt(above.var(ddof=1) / m + below.var(ddof=1) / n)
    half_width = norm.ppf((1 + confidence) / 2) * deviation / (area * (1 - area))
    logit = np.log(area / (1 - area))
    low, high = 1 / (1 + np.exp(-(logit + np.array([-half_width, half_width]))))
    return float(low), float(high)


def defect_type_auc(labels, defect_types: Sequence[str], scores) -> dict[str, float]:
    """Return the area of each defect type against all normal images.

    Parameters
    ----------
    labels : array-like of int, shape (N,)
    defect_types : sequence of str, length N
    scores : array-like of float, shape (N,)

    Returns
    -------
    areas : dict of str to float
        By defect type, sorted; empty if a class is missing.
    """
    labels, scores, kinds = np.asarray(labels), np.asarray(scores), np.asarray(defect_types)
    if not is_defined(labels):
        return {}
    return {
        str(kind): roc_auc(labels[chosen], scores[chosen])
        for kind in sorted(set(kinds[labels == 1]))
        for chosen in [(labels == 0) | (kinds == kind)]
    }


def is_defined(labels) -> bool:
    """Tell whether both classes occur, so that there is a ROC curve."""
    return len(np.unique(labels)) == 2


def missing_class(labels) -> str:
    """Return which class does not occur, in a word for a message."""
    return "anomalous" if not np.any(labels) else "normal"


def evaluate(
    category: str,
    features: FeatureSet,
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
    distances : dict of str to ndarray, shape (N,)
        By level.
    n_train, n_skipped : int
        How many images were fitted on, and how many left out as unreadable.
    seconds : float
        Of extraction, fit and scoring.
    """
    labels, total = features.labels, np.sum(list(distances.values()), axis=0)
    defined = is_defined(labels)
    low, high = auc_interval(labels, total) if defined else (None, None)
    return Result(
        category=category,
        model=features.origin["backbone"],
        **{key: features.origin[key] for key in ("weights", "engine", "precision", "protocol")},
        n_train=n_train,
        n_test=len(features),
        image_auroc=roc_auc(labels, total) if defined else None,
        image_auroc_low=low,
        image_auroc_high=high,
        seconds=round(seconds, 2),
        level_auroc={
            name: roc_auc(labels, distance) if defined else None
            for name, distance in distances.items()
        },
        defect_type_auroc=defect_type_auc(labels, features.defect_types, total),
        n_skipped=n_skipped,
        note="" if defined else f"AUC not defined: no {missing_class(labels)} test images",
    )


def write_summary(results: Sequence[Result], folder: str | Path) -> None:
    """Write ``summary.csv`` (a row per result) and ``summary.json`` (with levels and types)."""
    names = [f.name for f in fields(Result) if f.name not in ("level_auroc", "defect_type_auroc")]
    levels = list(dict.fromkeys(name for result in results for name in result.level_auroc))
    with written_whole(Path(folder) / "summary.csv") as path, path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*names, *levels])
        for result in results:
            cells = [getattr(result, name) for name in names]
            cells += [result.level_auroc.get(level) for level in levels]
            writer.writerow(["" if cell is None else cell for cell in cells])
    with written_whole(Path(folder) / "summary.json") as path:
        rows = [asdict(result) for result in results]
        path.write_text(json.dumps(rows, indent=2, ensure_ascii=False) + "\n", "utf-8")


def write_distances(
    features: FeatureSet, distances: dict[str, np.ndarray], path: str | Path
) -> None:
    """Write a CSV with a row per image: file, label, defect type, total, and every level."""
    total = np.sum(list(distances.values()), axis=0)
    with (
        written_whole(path) as temporary,
        temporary.open("w", newline="", encoding="utf-8") as file,
    ):
        writer = csv.writer(file)
        writer.writerow(["file", "label", "defect_type", "total", *distances])
        for row in zip(
            features.paths,
            features.labels.tolist(),
            features.defect_types,
            total.tolist(),
            *(distance.tolist() for distance in distances.values()),
            strict=True,
        ):
            writer.writerow(row)


def precision_table(results: Sequence[Result]) -> str:
    """Return, as text, how each precision does beside the first one of its category.

    Parameters
    ----------
    results : sequence of Result
        With sizes and milliseconds.
    """
    head = ["category", "engine", "precision", "image AUROC", "difference", "MB", "ms per image"]
    rows, first = [], {}
    for r in results:
        base = first.setdefault(r.category, r).image_auroc
        defined = r.image_auroc is not None
        rows.append(
            [
                r.category,
                r.engine,
                r.precision,
                f"{100 * r.image_auroc:.1f} %" if defined else "not defined",
                f"{100 * (r.image_auroc - base):+.1f}"
                if defined and r is not first[r.category]
                else "",
                "" if r.model_mb is None else f"{r.model_mb:.1f}",
                "" if r.ms_per_image is None else f"{r.ms_per_image:.1f}",
            ]
        )
    return _aligned([head, *rows])


def summary_table(results: Sequence[Result]) -> str:
    """Return the summary as text for the screen, with the mean over the categories."""
    head = ["category", "train", "test", "image AUROC (95 % interval)"]
    rows = [[r.category, str(r.n_train), str(r.n_test), r.auroc_text] for r in results]
    areas = [r.image_auroc for r in results if r.image_auroc is not None]
    if len(areas) > 1:
        rows.append(["mean", "", "", f"{100 * np.mean(areas):.1f} %"])
    first = results[0]
    origin = (
        f"{first.model}, weights: {first.weights}, protocol: {first.protocol}, "
        f"engine: {first.engine} {first.precision}"
    )
    notes = [f"{result.category}: {result.note}" for result in results if result.note]
    return "\n".join([origin, _aligned([head, *rows]), *notes])


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    """Return rows of cells as lines with straight columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def _both_classes(labels, scores) -> tuple[np.ndarray, np.ndarray]:
    labels, scores = np.asarray(labels), np.asarray(scores, dtype=np.float64)
    if labels.shape != scores.shape or labels.ndim != 1:
        raise UserError(
            f"labels have shape {labels.shape} and scores {scores.shape}; both must be (N,)"
        )
    if not is_defined(labels):
        raise UserError(f"the AUC is not defined: no {missing_class(labels)} images")
    return labels, scores
