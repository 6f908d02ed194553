"""Distances of normal images from Gaussians that were fitted without them.

The distances of the images that a Gaussian was fitted to are too small; a threshold needs those of
images that were held out.
"""

from collections.abc import Sequence
from functools import reduce
from operator import add

import numpy as np

from .covariance import Covariance
from .distance import Gaussian
from .fitting import MIN_IMAGES, fit_gaussian, fit_moments
from .moments import Moments

#: So many different images let half of them be held out: with fewer, nothing that is held out says
#: where a threshold should lie.
FEWEST = 2 * MIN_IMAGES

#: Held-out images: a threshold at 95 % has a standard error of half a percent of the images then.
ENOUGH = 2000


def folds(groups: Sequence, n_folds: int, seed: int = 0) -> list[np.ndarray]:
    """Divide rows into parts that are held out in turn.

    Parameters
    ----------
    groups : sequence, length N
        Rows of equal groups (copies of one image, say) stay together.
    n_folds : int
        The number of parts. With fewer than three groups for each, every group is a part.
    seed : int
        Of the shuffling.

    Returns
    -------
    parts : list of ndarray of int
        Row numbers; empty if there are three groups or fewer, too few to hold any out.

    Examples
    --------
    >>> [part.tolist() for part in folds(range(6), 2)]
    [[1, 2, 5], [0, 3, 4]]
    """
    from sklearn.model_selection import KFold  # 120 MB that workers do without

    count = len(set(groups))
    if count <= MIN_IMAGES:
        return []
    n_parts = n_folds if count >= MIN_IMAGES * n_folds else count
    splits = KFold(n_parts, shuffle=True, random_state=seed).split(np.empty(count))
    return [rows_of_groups(groups, held_out) for _, held_out in splits]


def can_hold_out(groups: Sequence) -> bool:
    """Tell whether there are enough different images to set a threshold by held-out ones.

    Examples
    --------
    >>> can_hold_out("abcdef"), can_hold_out("abcdeeeeee")
    (True, False)
    """
    return len(set(groups)) >= FEWEST


def rows_of_groups(groups: Sequence, chosen: np.ndarray) -> np.ndarray:
    """Return the rows of some groups, given by their numbers in the order in which they occur."""
    numbers = {group: i for i, group in enumerate(dict.fromkeys(groups))}
    return np.flatnonzero(np.isin([numbers[group] for group in groups], chosen))


def enough(parts: list[np.ndarray]) -> list[np.ndarray]:
    """Return the first parts, as many as hold `ENOUGH` rows: all, where there are fewer."""
    held_out = np.cumsum([0] + [len(part) for part in parts[:-1]])
    return [part for part, before in zip(parts, held_out, strict=False) if before < ENOUGH]


def fit_and_hold_out(
    x: np.ndarray, covariance: Covariance, parts: list[np.ndarray]
) -> tuple[Gaussian, np.ndarray]:
    """Fit a Gaussian to all rows, and score parts of them by Gaussians fitted without the part.

    Parameters
    ----------
    x : ndarray, shape (N, D)
    covariance : Covariance
    parts : list of ndarray of int
        What `folds` returns, or some of it.

    Returns
    -------
    gaussian : Gaussian
    distances : ndarray of float64, shape (M,)
        Of the parts, one after the other. Where there are none, those of the fitted rows
        themselves, which are too small.
    """
    if not parts:
        gaussian = fit_gaussian(x, covariance)
        return gaussian, gaussian.distance(x)
    fewest = len(x) - max(map(len, parts))
    if fewest > x.shape[1] and covariance.is_mahalanobis and covariance.reduction is None:
        return _by_moments(x, covariance, parts)
    distances = []
    for part in parts:
        gaussian = fit_gaussian(np.delete(x, part, axis=0), covariance)
        distances.append(gaussian.distance(x[part]))
    return fit_gaussian(x, covariance), np.concatenate(distances)


def _by_moments(
    x: np.ndarray, covariance: Covariance, parts: list[np.ndarray]
) -> tuple[Gaussian, np.ndarray]:
    """Do the same for many rows: each is summed up once, for all the fits."""
    rest = np.setdiff1d(np.arange(len(x)), np.concatenate(parts))
    moments = [Moments.of(x, rows) for rows in (*parts, rest) if len(rows)]
    distances = [
        _distances(reduce(add, moments[:i] + moments[i + 1 :]), covariance, x[part])
        for i, part in enumerate(parts)
    ]
    return fit_moments(reduce(add, moments), covariance), np.concatenate(distances)


def _distances(moments: Moments, covariance: Covariance, rows: np.ndarray) -> np.ndarray:
    return fit_moments(moments, covariance).distance(rows)
