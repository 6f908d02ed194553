"""From score to decision: chi-square, quantiles of held-out normal scores, conformal p-values."""

import math
import warnings
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import chdtri, erf

from ..gaussian import FEWEST
from ..ground import UserError, check_probability

#: Why a detector that is fitted to few images has no threshold, and what to do.
TOO_FEW = (
    f"no threshold, as fewer than {FEWEST} different training images were given, too few to hold "
    "any out: give more (40 or more to be of use); until then judge the scores yourself, or set a "
    "threshold by other normal images"
)


def probability_of_sigmas(sigmas: float) -> float:
    """Return the probability that a normal variable lies within so many standard deviations.

    Examples
    --------
    >>> [round(probability_of_sigmas(n), 4) for n in (1, 2, 3)]
    [0.6827, 0.9545, 0.9973]
    """
    if not sigmas > 0:
        raise UserError(f"sigmas must be above 0, not {sigmas}")
    return float(erf(sigmas / math.sqrt(2)))


def chi_square(probability: float, dimensions: int | Sequence[int]) -> float:
    """Return the distance that normal images stay below with a probability, by the chi-square law.

    The squared Mahalanobis distance of a Gaussian vector from its own, known Gaussian has the
    chi-square law with D degrees of freedom. The sum of the distances at L levels has no such law,
    and the levels depend on one another; its threshold here is the sum of the levels' own at
    1 - (1 - probability) / L. A sum beyond it needs at least one level beyond its own, so by the
    union bound normal images pass it with at most 1 - probability, however the levels depend on
    one another: a bound, and a wide one, where one level alone is exact.

    It holds for Gaussian features and a well-known covariance, many more images than dimensions;
    with fewer images, new normal images lie farther out than it says.

    Parameters
    ----------
    probability : float
        In (0, 1); `probability_of_sigmas` turns sigmas into it.
    dimensions : int or sequence of int
        D, or that of each level.

    Returns
    -------
    threshold : float
        Of the distance, not squared.

    Raises
    ------
    UserError
        If the probability is out of range.

    References
    ----------
    Rippel, Mertens and Merhof, arXiv 2005.14140: sqrt(chi2.ppf(p, D)) for a level.

    Examples
    --------
    >>> round(chi_square(0.95, 2), 4)  # sqrt(-2 log 0.05)
    2.4477
    """
    check_probability(probability)
    levels = np.atleast_1d(dimensions)
    return float(np.sum(np.sqrt(chdtri(levels, (1 - probability) / len(levels)))))


def chi_square_of_levels(probability: float, dimensions: dict[str, int], n: int) -> float:
    """Return `chi_square`, with a warning if there are fewer images than dimensions.

    Parameters
    ----------
    probability : float
    dimensions : dict of str to int
        By level name.
    n : int
        The number of images fitted on.
    """
    wide = {name: d for name, d in dimensions.items() if n < d}
    if wide:
        name, width = next(iter(wide.items()))
        warnings.warn(
            f"chi-square threshold: {n} training images are fewer than the {width} dimensions of "
            f"{name}{f' (and {len(wide) - 1} more levels)' if len(wide) > 1 else ''}; expect more "
            "false alarms than it promises, or take threshold='held-out'",
            UserWarning,
            stacklevel=4,
        )
    return chi_square(probability, list(dimensions.values()))


def conformal_count(probability: float) -> int:
    """Return how many held-out images the conformal threshold needs at least.

    Examples
    --------
    >>> conformal_count(0.95)
    19
    """
    check_probability(probability)
    return math.ceil(1 / (1 - probability) - 1 - 1e-9)


def check_conformal(n: int, probability: float) -> None:
    """Raise a UserError if N held-out images are too few for a conformal threshold."""
    needed = conformal_count(probability)
    if n < needed:
        raise UserError(
            f"a conformal threshold at {probability} needs {needed} held-out normal images, not "
            f"{n}; give more, lower the quantile, or choose another threshold"
        )


def conformal(scores: np.ndarray, probability: float) -> float:
    """Return the split-conformal threshold: scores above it have p-values up to 1 - probability.

    **Guarantee.** If the N held-out images and a new normal image are exchangeable (independent
    draws from one source, say) and the score was fitted without any of them, the new image's score
    is above the threshold with a probability of at most ``1 - probability``, whatever the law of
    the features. The probability is over held-out and new images together: for one given set of
    held-out images the rate varies about it, by its standard deviation of about
    sqrt(p (1 - p) / N).

    Parameters
    ----------
    scores : ndarray, shape (N,)
        Of held-out normal images.
    probability : float
        In (0, 1).

    Raises
    ------
    UserError
        If there are too few images for any score to be that unlikely; see `conformal_count`.

    References
    ----------
    Vovk, Gammerman and Shafer, Algorithmic Learning in a Random World, 2005; Laxhammar and
    Falkman, "Conformal anomaly detection", 2010.
    """
    check_conformal(len(scores), probability)
    return float(np.sort(scores)[math.ceil((len(scores) + 1) * probability - 1e-9) - 1])


def p_values(held_out: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Return (1 + the number of held-out scores at or above) / (N + 1) for each score.

    They are conformal p-values, with the guarantee of `conformal`, P(p <= alpha) <= alpha for a
    normal image, if the score was fitted without the N held-out images. For scores from K-fold,
    each by a fit without its own fold, there is no such guarantee.

    Parameters
    ----------
    held_out : ndarray, shape (N,)
        Scores of held-out normal images.
    scores : ndarray, shape (M,)

    Returns
    -------
    p : ndarray of float64, shape (M,)
        From 1 / (N + 1) to 1.

    Examples
    --------
    >>> p_values(np.array([1.0, 2.0, 3.0]), np.array([0.5, 2.0, 9.0]))
    array([1.  , 0.75, 0.25])
    """
    below = np.searchsorted(np.sort(held_out), scores, side="left")
    return (1 + len(held_out) - below) / (len(held_out) + 1)


class Evidence(NamedTuple):
    """What a threshold is set from.

    Parameters
    ----------
    scores : ndarray of float64, shape (N,), or None
        Of held-out normal images.
    dimensions : dict of str to int
        Of the Gaussian at each level.
    n_train : int
        The number of images fitted on.
    """

    scores: np.ndarray | None
    dimensions: dict[str, int]
    n_train: int


class Threshold(NamedTuple):
    """A kind of threshold.

    Parameters
    ----------
    find : callable
        Takes `Evidence` and the share of normal images below it, and returns the threshold.
    words : str
        For help texts.
    holding_out : {"in turn", "for good"} or None
        Which training images are held out for it: each once, by K-fold; a part that is not
        fitted to; or none.
    of_sums : bool
        Whether it is that of Mahalanobis distances and of their sum alone.
    """

    find: Callable[[Evidence, float], float]
    words: str
    holding_out: str | None
    of_sums: bool = False


#: The kinds of threshold by name.
THRESHOLDS = {
    "held-out": Threshold(
        lambda evidence, quantile: float(np.quantile(evidence.scores, quantile)),
        "the quantile of training images held out in turn",
        "in turn",
    ),
    "chi-square": Threshold(
        lambda evidence, quantile: chi_square_of_levels(
            quantile, evidence.dimensions, evidence.n_train
        ),
        "the law for Gaussian features; of Mahalanobis distances and their sum alone",
        None,
        of_sums=True,
    ),
    "conformal": Threshold(
        lambda evidence, quantile: conformal(evidence.scores, quantile),
        "by a fifth of the training images, held out for good; its rate of false alarms is "
        "guaranteed",
        "for good",
    ),
}


def nothing_held_out() -> UserError:
    """Return the error of a threshold without images that were held out."""
    return UserError(
        f"no normal images were held out (of a fit in parts, or of fewer than {FEWEST} different "
        "ones); give some that were not fitted to set_threshold() (or, for pooled features, take "
        "threshold='chi-square')"
    )
