"""ROC, and AUC with an interval."""

from collections.abc import Sequence

import numpy as np
from scipy.stats import norm, rankdata
from sklearn import metrics

from ..ground import UserError, check_probability, checked_truth


def roc_curve(labels, scores) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the ROC curve.

    Parameters
    ----------
    labels : array-like of int, shape (N,)
        0 normal, 1 anomalous, or bool; both must occur.
    scores : array-like of float, shape (N,)
        Higher is more anomalous.

    Returns
    -------
    false_positive_rate, true_positive_rate, thresholds : ndarray of float64
        As `sklearn.metrics.roc_curve` gives them, every distinct score being a threshold.

    Raises
    ------
    UserError
        If a class is missing, shapes differ, a label is neither 0 nor 1, or a score is not finite.
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
    # What metrics.roc_auc_score does, in half the time: it checks its input over again.
    false_positive, true_positive, _ = metrics.roc_curve(*_both_classes(labels, scores))
    return float(metrics.auc(false_positive, true_positive))


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
        As `roc_curve`, or if `confidence` is out of range.

    References
    ----------
    DeLong, DeLong and Clarke-Pearson, Biometrics 44 (3), 1988; by ranks as in Sun and Xu, IEEE
    Signal Processing Letters 21 (11), 2014.
    """
    check_probability(confidence, "confidence")
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
    labels, scores, kinds = checked_truth(labels), np.asarray(scores), np.asarray(defect_types)
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


def _checked_scores(scores) -> np.ndarray:
    """Return scores as an array, if all are finite numbers."""
    try:
        scores = np.asarray(scores, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise UserError(f"scores must be numbers: {error}") from None
    if bad := int(np.sum(~np.isfinite(scores))):
        first = scores.ravel()[np.flatnonzero(~np.isfinite(scores))[0]]
        raise UserError(
            f"{bad} of {scores.size} scores are not finite, first {first}; look at the features "
            "they come from"
        )
    return scores


def _both_classes(labels, scores) -> tuple[np.ndarray, np.ndarray]:
    labels, scores = checked_truth(labels), _checked_scores(scores)
    if labels.shape != scores.shape or labels.ndim != 1:
        raise UserError(
            f"labels have shape {labels.shape} and scores {scores.shape}; both must be (N,)"
        )
    if not is_defined(labels):
        raise UserError(f"the AUC is not defined: no {missing_class(labels)} images")
    return labels, scores
