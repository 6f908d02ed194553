"""A multivariate Gaussian and the Mahalanobis distance from it."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.linalg import blas, lapack

from .moments import blocks


class Gaussian(ABC):
    """A multivariate Gaussian in D dimensions; `fit_gaussian` makes one of rows.

    Attributes
    ----------
    mean : ndarray of float64, shape (D,)
    axes : ndarray of float64, shape (R, D)
        Main axes of the covariance, orthonormal rows; R is D, or fewer where the variance is the
        same in all other directions, or these do not count.
    variances : ndarray of float64, shape (R,)
        Along the axes; all above 0.
    floor : float
        The variance in every direction at right angles to all axes; infinity where these do not
        count.
    shrinkage : float
        The weight of the identity in the covariance, from 0 to 1.
    """

    @property
    @abstractmethod
    def dimensions(self) -> int:
        """The number of directions that count: D, or R after a reduction."""

    @abstractmethod
    def covariance(self) -> np.ndarray:
        """Return the covariance matrix, float64, shape (D, D); 0 in directions that do not count.

        The distance is that of its inverse, or after a reduction of its pseudo-inverse.
        """

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
        parts = [self._squared(block) for block in blocks(np.asarray(features), self.mean)]
        return np.concatenate(parts) if parts else np.empty(0)

    def distance(self, features: np.ndarray) -> np.ndarray:
        """Return the Mahalanobis distance of each row, shape (N,); see `squared_distance`."""
        return np.sqrt(self.squared_distance(features))

    @abstractmethod
    def _squared(self, centred: np.ndarray) -> np.ndarray:
        """Return the squared lengths of a block of centred rows, which may be written over."""


@dataclass(frozen=True)
class AxisGaussian(Gaussian):
    """A Gaussian whose covariance is known by its main axes, and round everywhere else.

    A covariance that is shrunk towards a multiple of the identity, as Ledoit and Wolf's, has n - 1
    axes of its own at most (n the number of images); in all other directions its variance is the
    same. Keeping it so is exact, and far smaller than a D x D matrix when n is small.

    All distances have this form: the Euclidean one has no axes and a floor of 1; the standardised
    Euclidean one has the channels for axes; after a reduction the floor is infinite, as the
    directions that were dropped do not count.

    Its parameters are the attributes of `Gaussian`.
    """

    mean: np.ndarray
    axes: np.ndarray
    variances: np.ndarray
    floor: float
    shrinkage: float

    @property
    def dimensions(self) -> int:
        return len(self.axes) if np.isinf(self.floor) else len(self.mean)

    def _squared(self, centred: np.ndarray) -> np.ndarray:
        along = centred @ self.axes.T
        squared = np.sum(along**2 / self.variances, axis=1)
        if len(self.axes) < self.dimensions:
            centred -= along @ self.axes
            squared += np.sum(centred**2, axis=1) / self.floor
        return squared

    def covariance(self) -> np.ndarray:
        floor = 0.0 if np.isinf(self.floor) else self.floor
        spread = (self.axes.T * (self.variances - floor)) @ self.axes
        return spread + floor * np.eye(len(self.mean))


@dataclass(frozen=True)
class DenseGaussian(Gaussian):
    """A Gaussian by its whole covariance matrix.

    For more images than dimensions, where every direction has an axis of its own: a distance by
    Cholesky's factor takes half the operations of one by the axes, which are found when they are
    first asked for.

    Parameters
    ----------
    mean : ndarray of float64, shape (D,)
    whitening : ndarray of float64, shape (D, D)
        The inverse of Cholesky's lower factor of the covariance matrix, lower triangular: it makes
        a centred vector one whose covariance is the identity.
    floor : float
        The part of every variance that the shrinkage or a ridge added.
    shrinkage : float
        The weight of the identity, from 0 to 1.
    """

    mean: np.ndarray
    whitening: np.ndarray
    floor: float
    shrinkage: float

    @property
    def dimensions(self) -> int:
        return len(self.mean)

    @property
    def axes(self) -> np.ndarray:
        """ndarray of float64, shape (D, D): the main axes, orthonormal rows."""
        return self._spectrum[1]

    @property
    def variances(self) -> np.ndarray:
        """ndarray of float64, shape (D,): the variances along the axes."""
        return self._spectrum[0]

    @cached_property
    def _spectrum(self) -> tuple[np.ndarray, np.ndarray]:
        variances, columns = np.linalg.eigh(self.covariance())
        return variances, np.ascontiguousarray(columns.T)

    def _squared(self, centred: np.ndarray) -> np.ndarray:
        white = blas.dtrmm(1.0, self.whitening, centred.T, lower=1, overwrite_b=1)
        return np.einsum("dn,dn->n", white, white)

    def covariance(self) -> np.ndarray:
        factor, _ = lapack.dtrtri(self.whitening, lower=1)
        return factor @ factor.T
