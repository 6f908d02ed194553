"""Counts, means and scatter of features: enough to fit a Gaussian, and mergeable.

Two parts of the images can be summed up in different processes, or one after the other when they
do not fit into memory, and joined; the order makes no difference beyond rounding.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ..ground import UserError

_BLOCK_ROWS = 1024  # in float64 this many rows are far smaller than the features themselves


def blocks(
    features: np.ndarray, mean: np.ndarray, rows: np.ndarray | None = None
) -> Iterator[np.ndarray]:
    """Yield rows minus their mean in blocks of float64, shape (n, D): no copy of them all.

    Parameters
    ----------
    features : ndarray, shape (N, D)
    mean : ndarray of float64, shape (D,)
    rows : ndarray of int, optional
        Which rows; all when not given.
    """
    for chosen in _chunks(features, rows):
        yield np.subtract(features[chosen], mean, dtype=np.float64)


def _chunks(features: np.ndarray, rows: np.ndarray | None) -> Iterator[slice | np.ndarray]:
    for start in range(0, len(features) if rows is None else len(rows), _BLOCK_ROWS):
        chunk = slice(start, start + _BLOCK_ROWS)
        yield chunk if rows is None else rows[chunk]


@dataclass(frozen=True)
class Moments:
    """What a Gaussian, and Ledoit and Wolf's shrinkage, need to know of N rows.

    Writing y for a row minus the mean, and sums being over the rows:

    Parameters
    ----------
    count : int
        N.
    mean : ndarray of float64, shape (D,)
    scatter : ndarray of float64, shape (D, D)
        The sum of y y^T: N times the empirical covariance.
    third : ndarray of float64, shape (D,)
        The sum of \\|y\\|^2 y, which moves `fourth` to another mean.
    fourth : float
        The sum of \\|y\\|^4, which the shrinkage needs.

    Examples
    --------
    >>> rows = np.random.default_rng(0).normal(size=(9, 3))
    >>> joined = Moments.of(rows[:4]) + Moments.of(rows[4:])
    >>> np.allclose(joined.scatter / 9, np.cov(rows.T, bias=True))
    True
    """

    count: int
    mean: np.ndarray
    scatter: np.ndarray
    third: np.ndarray
    fourth: float

    @classmethod
    def of(cls, features: np.ndarray, rows: np.ndarray | None = None) -> "Moments":
        """Sum up rows of features, shape (N, D), all or some, in two passes over blocks of them."""
        features = np.asarray(features)
        n, width = len(features) if rows is None else len(rows), features.shape[1]
        sums = (features[c].sum(axis=0, dtype=np.float64) for c in _chunks(features, rows))
        mean = np.sum(list(sums), axis=0) / n
        scatter, third, fourth = np.zeros((width, width)), np.zeros(width), 0.0
        for centred in blocks(features, mean, rows):
            length = np.einsum("nd,nd->n", centred, centred)
            scatter += centred.T @ centred
            third += length @ centred
            fourth += float(length @ length)
        return cls(n, mean, scatter, third, fourth)

    def __add__(self, other: "Moments") -> "Moments":
        """Return the moments of both sets of rows together.

        Raises
        ------
        UserError
            If they have another number of features.
        """
        if len(self.mean) != len(other.mean):
            raise UserError(
                f"cannot join moments of {len(self.mean)} and of {len(other.mean)} features; "
                "use the same backbone for both"
            )
        n = self.count + other.count
        step = other.mean - self.mean
        mean = self.mean + step * (other.count / n)
        scatter = np.outer(step * (self.count * other.count / n), step)
        scatter += self.scatter
        scatter += other.scatter
        third_a, fourth_a = self._higher_about(mean)
        third_b, fourth_b = other._higher_about(mean)
        return Moments(n, mean, scatter, third_a + third_b, fourth_a + fourth_b)

    def _higher_about(self, centre: np.ndarray) -> tuple[np.ndarray, float]:
        """Return `third` and `fourth` about another point.

        With d the mean minus that point, rows become y + d. The sums of \\|y + d\\|^2 (y + d) and
        of \\|y + d\\|^4 = (\\|y\\|^2 + 2 y.d + \\|d\\|^2)^2, multiplied out; the sum of y is zero.
        """
        d = self.mean - centre
        square, trace, turned = d @ d, np.trace(self.scatter), self.scatter @ d
        third = self.third + trace * d + 2 * turned + self.count * square * d
        fourth = (
            self.fourth
            + 4 * self.third @ d
            + 2 * trace * square
            + 4 * d @ turned
            + self.count * square**2
        )
        return third, float(fourth)
