"""From the distances at each level to one score per image, without labels.

The plain sum is the paper's. The other two first measure each level by normal images that were
held out, so that a level with large distances, or with much spread between normal images, weighs
no more than others.
"""

import numpy as np
from scipy.stats import norm

from .errors import UserError

COMBINATIONS = ("sum", "z-score", "fisher")


def level_scales(distances: dict[str, np.ndarray]) -> dict[str, tuple[float, float]]:
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


def combine(
    distances: dict[str, np.ndarray],
    method: str = "sum",
    scales: dict[str, tuple[float, float]] | None = None,
) -> np.ndarray:
    """Return one score per image.

    Parameters
    ----------
    distances : dict of str to ndarray, shape (N,)
        By level.
    method : {"sum", "z-score", "fisher"}
        "sum": the distances added up (Rippel et al.). "z-score": each distance in standard
        deviations from the mean of held-out normal images, added up; it may be negative.
        "fisher": Fisher's statistic, minus twice the sum of the logarithms of p-values, each the
        normal law's for a level's z-score. As the p-values of a network's levels are not
        independent, the statistic has no chi-square law here: its threshold comes from held-out
        images.
    scales : dict of str to (float, float)
        What `level_scales` returns; not needed for "sum".

    Returns
    -------
    scores : ndarray of float64, shape (N,)
        Higher is more anomalous.

    References
    ----------
    Fisher, Statistical Methods for Research Workers, 4th edition, 1932, section 21.1.

    Examples
    --------
    >>> combine({"a": np.array([1.0, 2.0]), "b": np.array([3.0, 5.0])})
    array([4., 7.])
    """
    if method == "sum":
        return np.sum(list(distances.values()), axis=0)
    z = [(distance - scales[name][0]) / scales[name][1] for name, distance in distances.items()]
    if method == "z-score":
        return np.sum(z, axis=0)
    return -2 * np.sum(norm.logsf(z), axis=0)
