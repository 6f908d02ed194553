"""From the distances at each level to one score per image, without labels.

The plain sum is the paper's. The others first measure each level by normal images that were held
out, so that a level with large distances, or with much spread between normal images, weighs no
more than others.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.special import log_ndtr

from ..ground import UserError, chosen

Distances = dict[str, np.ndarray]
Scales = dict[str, tuple[float, float]]


def level_scales(distances: Distances) -> Scales:
    """Return the mean and the standard deviation of each level's distances.

    Parameters
    ----------
    distances : dict of str to ndarray, shape (N,)
        Of normal images that were held out; N at least 2.

    Raises
    ------
    UserError
        If the distances at a level do not vary.
    """
    scales = {}
    for name, distance in distances.items():
        spread = float(np.std(distance, ddof=1)) if len(distance) > 1 else 0.0
        if not spread > 0:
            raise UserError(
                f"{name}: the distances of the held-out images do not vary; give more normal "
                "images, or combine levels by sum"
            )
        scales[name] = (float(np.mean(distance)), spread)
    return scales


def total(distances: Distances, scales: Scales) -> np.ndarray:
    """Return the sum of the distances (Rippel et al., arXiv 2005.14140)."""
    return np.sum(list(distances.values()), axis=0)


def total_of_shares(distances: Distances, scales: Scales) -> np.ndarray:
    """Return the sum of the distances, each over the mean of held-out normal images'."""
    return np.sum([x / scales[name][0] for name, x in distances.items()], axis=0)


def total_of_z_scores(distances: Distances, scales: Scales) -> np.ndarray:
    """Return the sum of the distances in standard deviations from held-out normal images' means."""
    return np.sum(_z_scores(distances, scales), axis=0)


def fisher(distances: Distances, scales: Scales) -> np.ndarray:
    """Return Fisher's statistic, minus twice the sum of the logarithms of p-values.

    Each p-value is the normal law's for a level's z-score. As those of a network's levels are not
    independent, the statistic has no chi-square law here: its threshold comes from held-out
    images.

    References
    ----------
    Fisher, Statistical Methods for Research Workers, 4th edition, 1932, section 21.1.
    """
    return -2 * np.sum(log_ndtr(np.negative(_z_scores(distances, scales))), axis=0)


def _z_scores(distances: Distances, scales: Scales) -> list[np.ndarray]:
    return [(distance - scales[name][0]) / scales[name][1] for name, distance in distances.items()]


class Combination(NamedTuple):
    """A way to make one score of the levels' distances.

    Parameters
    ----------
    combine : callable
        Takes the distances and the scales of the levels, and returns the scores, shape (N,).
    words : str
        For help texts.
    needs_scales : bool
        Whether it measures the levels by held-out normal images.
    """

    combine: Callable[[Distances, Scales], np.ndarray]
    words: str
    needs_scales: bool = True


#: The combinations by name.
COMBINATIONS = {
    "sum": Combination(total, "the distances added up (the paper's)", needs_scales=False),
    "relative": Combination(
        total_of_shares, "each over its mean over held-out normal images, added up"
    ),
    "z-score": Combination(
        total_of_z_scores, "each in standard deviations of held-out normal images, added up"
    ),
    "fisher": Combination(fisher, "Fisher's statistic of the levels' p-values"),
}


def combine(distances: Distances, method: str = "sum", scales: Scales | None = None) -> np.ndarray:
    """Return one score per image.

    Parameters
    ----------
    distances : dict of str to ndarray, shape (N,)
        By level.
    method : str
        A key of `COMBINATIONS`.
    scales : dict of str to (float, float)
        What `level_scales` returns; not needed for "sum".

    Returns
    -------
    scores : ndarray of float64, shape (N,)
        Higher is more anomalous.

    Raises
    ------
    UserError
        If there is no such combination.

    Examples
    --------
    >>> combine({"a": np.array([1.0, 2.0]), "b": np.array([3.0, 5.0])})
    array([4., 7.])
    """
    return chosen("combination", method, COMBINATIONS).combine(distances, scales or {})
