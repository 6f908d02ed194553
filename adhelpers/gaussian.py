"""A multivariate Gaussian: fitted with a shrunk covariance, and the distance from it."""

from dataclasses import dataclass

import numpy as np
from sklearn.covariance import ledoit_wolf_shrinkage

from .errors import UserError

#: With two images Ledoit and Wolf's shrinkage is zero, and the covariance singular.
MIN_IMAGES = 3


@dataclass(frozen=True)
class Gaussian:
    """A Gaussian whose covariance is known by its main axes, and round everywhere else.

    A covariance that is shrunk towards a multiple of the identity, as Ledoit and Wolf's, has n - 1
    axes of its own at most (n the number of images); in all other directions its variance is the
    same. Keeping it so is exact, and far smaller than a D x D matrix when n is small.

    Parameters
    ----------
    mean : ndarray of float64, shape (D,)
    axes : ndarray of float64, shape (R, D)
        Orthonormal rows.
    variances : ndarray of float64, shape (R,)
        Along the axes.
    floor : float
        The variance in every direction at right angles to all axes.
    shrinkage : float
        The weight of the identity, from 0 to 1.
    """

    mean: np.ndarray
    axes: np.ndarray
    variances: np.ndarray
    floor: float
    shrinkage: float

    def squared_distance(self, features: np.ndarray) -> np.ndarray:
        """Return the squared Mahalanobis distance of each row from the mean.

        Parameters
        ----------
        features : ndarray, shape (N, D)

        Returns
        -------
        squared : ndarray of float64, shape (N,)
            At least 0, as it is a sum of squares.
        """
        centred = np.asarray(features, dtype=np.float64) - self.mean
        along = centred @ self.axes.T
        squared = np.sum(along**2 / self.variances, axis=1)
        if len(self.axes) < len(self.mean):
            rest = centred - along @ self.axes
            squared += np.sum(rest**2, axis=1) / self.floor
        return squared

    def covariance(self) -> np.ndarray:
        """Return the covariance matrix, float64, shape (D, D)."""
        spread = (self.axes.T * (self.variances - self.floor)) @ self.axes
        return spread + self.floor * np.eye(len(self.mean))


def fit_gaussian(features: np.ndarray) -> Gaussian:
    """Fit a Gaussian with Ledoit and Wolf's shrunk covariance, in float64.

    Parameters
    ----------
    features : ndarray, shape (N, D)
        At least three rows that are not all equal.

    Returns
    -------
    gaussian : Gaussian

    Raises
    ------
    UserError
        If there are fewer than three rows, or all are equal.

    References
    ----------
    Ledoit and Wolf, "A Well-Conditioned Estimator for Large-Dimensional Covariance Matrices",
    Journal of Multivariate Analysis 88 (2), 2004.

    Examples
    --------
    >>> gaussian = fit_gaussian([[0.0, 1.0], [2.0, 1.0], [1.0, 0.0], [1.0, 2.0]])
    >>> gaussian.mean
    array([1., 1.])
    >>> gaussian.covariance()
    array([[0.5, 0. ],
           [0. , 0.5]])
    """
    x = np.asarray(features, dtype=np.float64)
    if len(x) < MIN_IMAGES:
        raise UserError(
            f"a Gaussian needs at least {MIN_IMAGES} training images, not n_samples = {len(x)}"
        )
    mean = x.mean(axis=0)
    centred = x - mean
    shrinkage = float(ledoit_wolf_shrinkage(centred, assume_centered=True))
    axes, variances = _principal_axes(centred)
    floor = shrinkage * np.sum(centred**2) / centred.size
    variances = (1 - shrinkage) * variances + floor
    if not floor > 0 and (len(axes) < len(mean) or not variances.min() > 0):
        raise UserError(
            "the training features have no spread (all images equal, or a channel constant while "
            "no shrinkage is left); give more and different normal images"
        )
    return Gaussian(mean, axes, variances, floor, shrinkage)


def _principal_axes(centred: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the axes, (R, D), and variances, (R,), of centred rows: by the smaller way round."""
    n, width = centred.shape
    if n <= width:
        _, singular, axes = np.linalg.svd(centred, full_matrices=False)
        return axes, singular**2 / n
    variances, columns = np.linalg.eigh(centred.T @ centred / n)
    return columns.T, np.maximum(variances, 0)
