"""Exercises of notebook 3, the Gaussian and the Mahalanobis distance."""

import numpy as np

from . import Question, compare


def _distance(found, point, mean, covariance) -> str | None:
    offset = np.asarray(point) - mean
    squared = float(offset @ np.linalg.solve(covariance, offset))
    advice = "solve the covariance for the offset, multiply with the offset, take the root"
    if compare(found, squared, "") is None:
        advice = "that is the squared distance, take its root"
    return compare(found, squared**0.5, advice, 1e-4)


def _covariance(found, x) -> str | None:
    expected = np.cov(x, rowvar=False, bias=True)
    if np.shape(found) == expected.shape and compare(found, np.cov(x, rowvar=False), "") is None:
        return None  # the divisor N - 1 is as good
    return compare(found, expected, "a column is a feature: centre them, or pass rowvar=False")


def _n_components(found, variances) -> str | None:
    shares = np.cumsum(variances) / np.sum(variances)
    expected = int(np.searchsorted(shares, 0.95) + 1)
    return compare(found, expected, "count until the sum first reaches 95 % of the whole")


q1 = Question(
    _distance,
    hints="np.linalg.solve(covariance, offset) is the inverse times the offset, without inverting.",
    answer="distance",
    solution_code="""\
offset = point - mean
distance = np.sqrt(offset @ np.linalg.solve(covariance, offset))""",
    praise="Compare it with the ellipses of the figure: it lies where it should.",
)
q2 = Question(
    _covariance,
    hints="np.cov takes rows for variables unless it is told otherwise: rowvar=False.",
    answer="level_covariance",
    solution_code="""\
centred = x - x.mean(axis=0)
level_covariance = centred.T @ centred / len(x)""",
    praise="np.cov(x, rowvar=False, bias=True) gives the same.",
)
q3 = Question(
    _n_components,
    hints="np.cumsum(variances) / variances.sum() is the share held by the first 1, 2, 3, ...",
    answer="n_components",
    solution_code="""\
shares = np.cumsum(variances) / variances.sum()
n_components = np.searchsorted(shares, 0.95) + 1""",
    praise="All other directions together hold the last 5 %. Are they noise? Read on.",
)
