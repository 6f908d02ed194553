"""A multivariate Gaussian: the covariances that can be fitted, and the distance from it."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.linalg import blas, lapack

from .covariance import Covariance, Spectrum, reduced, shrinkage, shrinkage_of_traces
from .errors import UserError
from .moments import Moments, blocks

#: With two images Ledoit and Wolf's shrinkage is zero, and the covariance singular.
MIN_IMAGES = 3
_CONSTANT = 1e-12  # a standard deviation up to this part of the mean is rounding


@dataclass(frozen=True)
class Gaussian:
    """A Gaussian whose covariance is known by its main axes, and round everywhere else.

    A covariance that is shrunk towards a multiple of the identity, as Ledoit and Wolf's, has n - 1
    axes of its own at most (n the number of images); in all other directions its variance is the
    same. Keeping it so is exact, and far smaller than a D x D matrix when n is small.

    All distances have this form: the Euclidean one has no axes and a floor of 1; the standardised
    Euclidean one has the channels for axes; after a reduction the floor is infinite, as the
    directions that were dropped do not count.

    Parameters
    ----------
    mean : ndarray of float64, shape (D,)
    axes : ndarray of float64, shape (R, D)
        Orthonormal rows.
    variances : ndarray of float64, shape (R,)
        Along the axes; all above 0.
    floor : float
        The variance in every direction at right angles to all axes; infinity where these do not
        count.
    shrinkage : float
        The weight of the identity, from 0 to 1.
    """

    mean: np.ndarray
    axes: np.ndarray
    variances: np.ndarray
    floor: float
    shrinkage: float

    @property
    def dimensions(self) -> int:
        """The number of directions that count: D, or R after a reduction."""
        return len(self.axes) if np.isinf(self.floor) else len(self.mean)

    def squared_distance(self, features: np.ndarray) -> np.ndarray:
        """Return the squared distance of each row from the mean.

        Parameters
        ----------
        features : ndarray, shape (N, D)

        Returns
        -------
        squared : ndarray of float64, shape (N,)
            At least 0, as it is a sum of squares.
        """
        return _by_blocks(self._squared, features, self.mean)

    def _squared(self, centred: np.ndarray) -> np.ndarray:
        along = centred @ self.axes.T
        squared = np.sum(along**2 / self.variances, axis=1)
        if len(self.axes) < self.dimensions:
            centred -= along @ self.axes
            squared += np.sum(centred**2, axis=1) / self.floor
        return squared

    def covariance(self) -> np.ndarray:
        """Return the covariance matrix, float64, shape (D, D); 0 in directions that do not count.

        The distance is that of its inverse, or after a reduction of its pseudo-inverse.
        """
        floor = 0.0 if np.isinf(self.floor) else self.floor
        spread = (self.axes.T * (self.variances - floor)) @ self.axes
        return spread + floor * np.eye(len(self.mean))


@dataclass(frozen=True)
class DenseGaussian:
    """A Gaussian by its whole covariance matrix; to its users the same as `Gaussian`.

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
        """The number of directions that count: D."""
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

    def squared_distance(self, features: np.ndarray) -> np.ndarray:
        """Return the squared distance of each row from the mean; see `Gaussian`."""
        return _by_blocks(self._squared, features, self.mean)

    def _squared(self, centred: np.ndarray) -> np.ndarray:
        white = blas.dtrmm(1.0, self.whitening, centred.T, lower=1, overwrite_b=1)
        return np.einsum("dn,dn->n", white, white)

    def covariance(self) -> np.ndarray:
        """Return the covariance matrix, float64, shape (D, D)."""
        factor, _ = lapack.dtrtri(self.whitening, lower=1)
        return factor @ factor.T


def _by_blocks(step, features: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Return what a step gives for rows minus their mean, block by block."""
    parts = [step(block) for block in blocks(np.asarray(features), mean)]
    return np.concatenate(parts) if parts else np.empty(0)


def fit_gaussian(
    features: np.ndarray, covariance: Covariance | None = None
) -> Gaussian | DenseGaussian:
    """Fit a Gaussian to rows of features, in float64.

    Parameters
    ----------
    features : ndarray, shape (N, D)
        At least three finite rows that are not all equal.
    covariance : Covariance, optional
        How its covariance is estimated; Ledoit and Wolf's when not given.

    Returns
    -------
    gaussian : Gaussian or DenseGaussian

    Raises
    ------
    UserError
        If there are fewer than three rows, they have no spread, or the covariance is singular.

    Examples
    --------
    >>> gaussian = fit_gaussian([[0.0, 1.0], [2.0, 1.0], [1.0, 0.0], [1.0, 2.0]])
    >>> gaussian.mean
    array([1., 1.])
    >>> gaussian.covariance()
    array([[0.5, 0. ],
           [0. , 0.5]])
    """
    covariance = covariance or Covariance()
    x = np.asarray(features)
    _check_count(len(x))
    if not covariance.needs_axes:
        mean = x.mean(axis=0, dtype=np.float64)
        variances = sum(np.sum(block**2, axis=0) for block in blocks(x, mean)) / len(x)
        return _along_channels(covariance, mean, variances)
    if len(x) <= x.shape[1]:
        spectrum = Spectrum.of_rows(np.asarray(x, dtype=np.float64))
    elif covariance.reduction is None:
        return fit_moments(Moments.of(x), covariance)
    else:
        spectrum = Spectrum.of_moments(Moments.of(x))
    return _along_axes(covariance, reduced(spectrum, covariance, x))


def fit_moments(moments: Moments, covariance: Covariance | None = None) -> Gaussian | DenseGaussian:
    """Fit a Gaussian to the moments of rows, equal to `fit_gaussian` of the rows.

    Parameters
    ----------
    moments : Moments
    covariance : Covariance, optional

    Raises
    ------
    UserError
        As `fit_gaussian`; and for Ledoit and Wolf's shrinkage after a reduction, which needs the
        rows themselves.
    """
    covariance = covariance or Covariance()
    covariance.check_moments_suffice()
    _check_count(moments.count)
    if not covariance.needs_axes:
        variances = np.diag(moments.scatter) / moments.count
        return _along_channels(covariance, moments.mean, variances)
    if covariance.reduction is None:
        return _dense(covariance, moments)
    return _along_axes(covariance, reduced(Spectrum.of_moments(moments), covariance))


def _check_count(n: int) -> None:
    if n < MIN_IMAGES:
        raise UserError(
            f"a Gaussian needs at least {MIN_IMAGES} training images, not n_samples = {n}"
        )


def _check_spread(variance: float, mean: np.ndarray) -> None:
    if not variance > np.sum((_CONSTANT * mean) ** 2):
        raise UserError(
            "the training features have no spread (all images equal); give more and different "
            "normal images"
        )


def _along_channels(covariance: Covariance, mean: np.ndarray, variances: np.ndarray) -> Gaussian:
    """Return the Euclidean Gaussian, or the one of independent channels."""
    _check_spread(np.sum(variances), mean)
    if covariance.method == "identity":
        return Gaussian(mean, np.empty((0, len(mean))), np.empty(0), 1.0, 1.0)
    variances = variances + covariance.ridge * variances.mean()
    # A constant channel has no unit to measure by: it does not count.
    varied = variances > (_CONSTANT * mean) ** 2
    return Gaussian(mean, np.eye(len(mean))[varied], variances[varied], np.inf, 0.0)


def _along_axes(covariance: Covariance, spectrum: Spectrum) -> Gaussian:
    """Return the Gaussian of a spectrum, shrunk as the method says."""
    mean, axes, variances = spectrum.mean, spectrum.axes, spectrum.variances
    level = np.sum(variances) / spectrum.width
    _check_spread(np.sum(variances), mean)
    if covariance.method == "identity":
        return Gaussian(mean, axes, np.ones(len(axes)), np.inf, 1.0)
    weight = shrinkage(covariance.method, spectrum)
    floor = weight * level + covariance.ridge * level
    variances = (1 - weight) * variances + floor
    smallest = variances.min() if len(axes) == spectrum.width else floor
    if smallest <= spectrum.tolerance:
        raise _singular(spectrum.count, spectrum.width)
    return Gaussian(mean, axes, variances, np.inf if spectrum.is_reduced else floor, weight)


def _dense(covariance: Covariance, moments: Moments) -> DenseGaussian:
    """Return the Gaussian of moments, shrunk as the method says."""
    n, width = moments.count, len(moments.mean)
    matrix = moments.scatter / n
    trace, squares = float(np.trace(matrix)), float(np.vdot(matrix, matrix))
    _check_spread(trace, moments.mean)
    weight = shrinkage_of_traces(covariance.method, n, width, trace, squares, moments.fourth / n)
    floor = (weight + covariance.ridge) * trace / width
    matrix *= 1 - weight
    matrix.flat[:: width + 1] += floor
    # Symmetric, so its transpose is the same matrix, in the order that LAPACK works on in place.
    factor, failed = lapack.dpotrf(matrix.T, lower=1, clean=1, overwrite_a=1)
    if failed or np.diag(factor).min() ** 2 <= trace * max(n, width) * np.finfo(float).eps:
        raise _singular(n, width)
    whitening, _ = lapack.dtrtri(factor, lower=1, overwrite_c=1)
    return DenseGaussian(moments.mean, whitening, floor, weight)


def _singular(n: int, width: int) -> UserError:
    return UserError(
        f"the covariance of {n} images in {width} features is singular: too few images, or a "
        "channel without spread; take ledoit-wolf, a ridge, or a reduction"
    )
