"""Exercises of notebook 3, the Gaussian and the Mahalanobis distance."""

import numpy as np

from . import Question


def distance_from(point, mean, covariance):
    offset = point - mean
    return np.sqrt(offset @ np.linalg.solve(covariance, offset))


def covariance_of(x):
    centred = x - x.mean(axis=0)
    return centred.T @ centred / len(x)


def components_for(share, variances):
    shares = np.cumsum(variances) / np.sum(variances)
    return np.searchsorted(shares, share) + 1


_PLANE = (np.array([5.0, 3.0]), np.array([1.0, 2.0]), np.array([[4.0, 1.0], [1.0, 2.0]]))
_X = np.random.default_rng(0).normal(2.0, 3.0, size=(9, 4))
_VARIANCES = np.array([60.0, 20.0, 10.0, 6.0, 3.0, 1.0, 0.0])

q1 = Question(
    distance_from,
    hidden=[_PLANE],
    hints="np.linalg.solve(covariance, offset) is the inverse times the offset, without inverting.",
    advice="solve the covariance for the offset, multiply with the offset, take the root",
    mistakes={
        "that is the squared distance: take its root": lambda p, m, c: distance_from(p, m, c) ** 2,
        "that is Euclid's distance, which knows no covariance": (
            lambda p, m, c: np.linalg.norm(p - m)
        ),
        "that multiplies by the covariance: its inverse is needed": (
            lambda p, m, c: np.sqrt((p - m) @ c @ (p - m))
        ),
        "that uses the variances alone, and not how the features go together": (
            lambda p, m, c: np.sqrt(np.sum((p - m) ** 2 / np.diag(c)))
        ),
        "that is the point's distance from 0: subtract the mean first": (
            lambda p, m, c: distance_from(p, 0 * m, c)
        ),
        "that divides by the number of features: the distance is not a mean": (
            lambda p, m, c: distance_from(p, m, c) / np.sqrt(len(m))
        ),
    },
    tolerance=1e-4,
    praise="Compare it with the ellipses of the figure: it lies where it should.",
)
q2 = Question(
    covariance_of,
    hidden=[(_X,)],
    hints="np.cov takes rows for variables unless it is told otherwise: rowvar=False.",
    advice="a column is a feature: centre them, multiply them with each other, divide by N",
    mistakes={
        "that takes the images for the variables: pass rowvar=False": np.cov,
        "that takes the images for the variables: pass rowvar=False, too": (
            lambda x: np.cov(x, bias=True)
        ),
        "that is the correlation: do not divide by the standard deviations": (
            lambda x: np.corrcoef(x, rowvar=False)
        ),
        "subtract the mean of each column first": lambda x: x.T @ x / len(x),
        "that is the sum: divide by the number of images": lambda x: covariance_of(x) * len(x),
        "those are the variances, the diagonal alone": lambda x: x.var(axis=0),
        "subtract the mean of each column, not one mean of all numbers": (
            lambda x: (x - x.mean()).T @ (x - x.mean()) / len(x)
        ),
    },
    also=lambda x: np.cov(x, rowvar=False),  # the divisor N - 1 is as good
    praise="np.cov(x, rowvar=False, bias=True) gives the same.",
)
q3 = Question(
    components_for,
    hidden=[(0.8, _VARIANCES), (0.97, _VARIANCES)],
    hints="np.cumsum(variances) / np.sum(variances) is the share held by the first 1, 2, 3, ...",
    advice="count until the sum first reaches that share of the whole",
    mistakes={
        "one too few: places count from 0": lambda share, v: components_for(share, v) - 1,
        "one too many": lambda share, v: components_for(share, v) + 1,
        "those are the components that are left out": (
            lambda share, v: len(v) - components_for(share, v)
        ),
        "that goes by the standard deviations: sum the variances": (
            lambda share, v: components_for(share, np.sqrt(v))
        ),
        "begin with the largest": lambda share, v: components_for(share, v[::-1]),
        "that counts variances above a share of the largest; sum them": (
            lambda share, v: np.sum(v > (1 - share) * v.max())
        ),
    },
    praise="All other directions together hold the rest. Are they noise? Read on.",
)
