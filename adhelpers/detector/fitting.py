"""Fitting the Gaussians of all levels, with the images that are held out on the way."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..gaussian import (
    Covariance,
    Gaussian,
    can_hold_out,
    enough,
    fit_and_hold_out,
    fit_gaussian,
    folds,
)
from ..ground import UserError, linear_algebra_threads
from .combination import COMBINATIONS, combine, level_scales
from .thresholds import THRESHOLDS, check_conformal


@dataclass(frozen=True)
class Fit:
    """What fitting gives.

    Parameters
    ----------
    gaussians : dict of str to Gaussian
        By level name.
    scales : dict of str to (float, float)
        What `level_scales` returns; empty for the plain sum.
    held_out_scores : ndarray of float64, or None
        Scores of held-out images, if the threshold needs them and there are enough images.
    held_out_distances : dict of str to ndarray of float64, or None
        Their distances by level.
    n_train : int
        The number of images fitted on.
    """

    gaussians: dict[str, Gaussian]
    scales: dict[str, tuple[float, float]]
    held_out_scores: np.ndarray | None
    held_out_distances: dict[str, np.ndarray] | None
    n_train: int


def fit_levels(
    levels: dict[str, np.ndarray],
    groups: Sequence,
    covariance: Covariance,
    combination: str,
    threshold: str | None,
    quantile: float,
    n_folds: int,
) -> Fit:
    """Fit every level, holding out what the combination and the threshold need.

    Parameters
    ----------
    levels : dict of str to ndarray, shape (N, D_l)
    groups : sequence, length N
        See `adhelpers.gaussian.folds`.
    covariance, combination, threshold, quantile, n_folds
        See `adhelpers.MahalanobisDetector`.

    Raises
    ------
    UserError
        If there are too few images, or these have no spread.
    """
    needs_scales, suffices = COMBINATIONS[combination].needs_scales, can_hold_out(groups)
    holding_out = None if threshold is None else THRESHOLDS[threshold].holding_out
    aside: dict[str, np.ndarray] = {}
    if holding_out == "for good":
        levels, groups, aside = _set_aside(levels, groups, quantile, n_folds)
    parts = enough(folds(groups, n_folds))
    gaussians, held_out = {}, {}
    for name, x in levels.items():
        with linear_algebra_threads(x.shape[1]):
            if needs_scales or holding_out == "in turn":
                fitted = naming(name, fit_and_hold_out, x, covariance, parts)
                gaussians[name], held_out[name] = fitted
            else:
                gaussians[name] = naming(name, fit_gaussian, x, covariance)
    scales = level_scales(held_out) if needs_scales else {}
    if aside:
        held_out = {name: gaussian.distance(aside[name]) for name, gaussian in gaussians.items()}
    if not (holding_out and suffices):
        return Fit(gaussians, scales, None, None, len(groups))
    scores = combine(held_out, combination, scales)
    return Fit(gaussians, scales, scores, held_out, len(groups))


def naming(name: str, step, *arguments):
    """Call a step of one level, whose name its errors then carry."""
    try:
        return step(*arguments)
    except UserError as error:
        raise UserError(f"{name}: {error}") from None


def _set_aside(
    levels: dict[str, np.ndarray], groups: Sequence, quantile: float, n_folds: int
) -> tuple[dict[str, np.ndarray], list, dict[str, np.ndarray]]:
    """Return the levels to fit with their groups, and those of images held out for good.

    One row per group is held out: copies of an image are no further images.
    """
    parts = folds(groups, n_folds)
    part = parts[0] if parts else np.empty(0, dtype=int)
    first = {groups[row]: row for row in reversed(part)}
    check_conformal(len(first), quantile)
    kept, aside = np.setdiff1d(np.arange(len(groups)), part), sorted(first.values())
    return (
        {name: x[kept] for name, x in levels.items()},
        [groups[row] for row in kept],
        {name: x[aside] for name, x in levels.items()},
    )
