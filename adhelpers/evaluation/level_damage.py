"""What quantizing does to each level: the quantized features against those of float32."""

from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path

import numpy as np

from ..features import FeatureSet
from ..ground import write_rows
from .roc import is_defined, roc_auc


@dataclass(frozen=True)
class LevelDamage:
    """How one level's features in a lower precision differ from those in float32.

    Parameters
    ----------
    level, precision : str
    relative_error : float
        The error's standard deviation over that of the float features: 0 is no error, 1 an error
        as large as what tells normal images apart. A constant offset of a channel does not count,
        as fitting on the quantized features takes it out.
    correlation : float
        Pearson's, of float and quantized features about their channels' means: -1 to 1.
    clipped : float
        The share of the feature map's values that the int8 range cannot represent, 0 to 1.
    auroc_float, auroc : float or None
        The area, from 0 to 1, that this level alone reaches in float32 and in the precision.
    """

    level: str
    precision: str
    relative_error: float
    correlation: float
    clipped: float
    auroc_float: float | None
    auroc: float | None


def damage(
    full: FeatureSet,
    quantized: FeatureSet,
    clipped: dict[str, float],
    test_labels: np.ndarray,
    full_distances: dict[str, np.ndarray],
    quantized_distances: dict[str, np.ndarray],
) -> list[LevelDamage]:
    """Compare the features of held-out normal images, and the test images' areas, by level.

    Parameters
    ----------
    full, quantized : FeatureSet
        Of the same normal images, none of which calibrated the quantized network.
    clipped : dict of str to float
        From `adhelpers.quantization.clipped_shares`.
    test_labels : ndarray of int, shape (N,)
    full_distances, quantized_distances : dict of str to ndarray, shape (N,)
        Of the test images, by level; each from a detector fitted in its own precision.
    """
    rows = []
    for level in full.levels:
        relative_error, correlation = _agreement(full.levels[level], quantized.levels[level])
        areas = [None, None]
        if is_defined(test_labels):
            distances = (full_distances[level], quantized_distances[level])
            areas = [roc_auc(test_labels, x) for x in distances]
        precision = quantized.origin.precision
        rows.append(
            LevelDamage(level, precision, relative_error, correlation, clipped[level], *areas)
        )
    return rows


def _agreement(full: np.ndarray, quantized: np.ndarray) -> tuple[float, float]:
    """Return the relative error and the correlation of two arrays of features."""
    full, quantized = np.asarray(full, np.float64), np.asarray(quantized, np.float64)
    a, b = full - full.mean(axis=0), quantized - quantized.mean(axis=0)
    spread = np.sqrt(np.mean(a**2))
    if spread == 0 or not np.any(b):
        return float("nan"), float("nan")
    relative_error = np.sqrt(np.mean((b - a) ** 2)) / spread
    return float(relative_error), float(np.sum(a * b) / np.sqrt(np.sum(a**2) * np.sum(b**2)))


def write_damage(rows: Sequence[LevelDamage], path: str | Path) -> None:
    """Write a CSV with a row per level and precision."""
    head = [field.name for field in fields(LevelDamage)]
    write_rows(path, head, [astuple(row) for row in rows])
