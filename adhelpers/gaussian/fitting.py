"""Fitting a Gaussian to rows of features, or to their moments."""

import numpy as np
from scipy.linalg import lapack

from ..ground import UserError
from .covariance import Covariance, Spectrum, Traces, reduced
from .distance import AxisGaussian, DenseGaussian, Gaussian
from .moments import Moments, blocks

#: With two images Ledoit and Wolf's shrinkage is zero, and the covariance singular.
MIN_IMAGES = 3
_CONSTANT = 1e-12  # a standard deviation up to this part of the mean is rounding


def fit_gaussian(features: np.ndarray, covariance: Covariance | None = None) -> Gaussian:
    """Fit a Gaussian to rows of features, in float64.

    Parameters
    ----------
    features : ndarray, shape (N, D)
        At least three finite rows that are not all equal.
    covariance : Covariance, optional
        How its covariance is estimated; Ledoit and Wolf's when not given.

    Returns
    -------
    gaussian : Gaussian

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


def fit_moments(moments: Moments, covariance: Covariance | None = None) -> Gaussian:
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
    if covariance.shape == "round":
        return AxisGaussian(mean, np.empty((0, len(mean))), np.empty(0), 1.0, 1.0)
    variances = variances + covariance.ridge * variances.mean()
    # A constant channel has no unit to measure by: it does not count.
    varied = variances > (_CONSTANT * mean) ** 2
    return AxisGaussian(mean, np.eye(len(mean))[varied], variances[varied], np.inf, 0.0)


def _along_axes(covariance: Covariance, spectrum: Spectrum) -> Gaussian:
    """Return the Gaussian of a spectrum, shrunk as the method says."""
    mean, axes, variances = spectrum.mean, spectrum.axes, spectrum.variances
    level = np.sum(variances) / spectrum.width
    _check_spread(np.sum(variances), mean)
    if covariance.shape == "round":
        return AxisGaussian(mean, axes, np.ones(len(axes)), np.inf, 1.0)
    weight = covariance.weight(spectrum.traces)
    floor = weight * level + covariance.ridge * level
    variances = (1 - weight) * variances + floor
    smallest = variances.min() if len(axes) == spectrum.width else floor
    if smallest <= spectrum.tolerance:
        raise _singular(spectrum.count, spectrum.width)
    return AxisGaussian(mean, axes, variances, np.inf if spectrum.is_reduced else floor, weight)


def _dense(covariance: Covariance, moments: Moments) -> DenseGaussian:
    """Return the Gaussian of moments, shrunk as the method says."""
    n, width = moments.count, len(moments.mean)
    matrix = moments.scatter / n
    trace, squares = float(np.trace(matrix)), float(np.vdot(matrix, matrix))
    _check_spread(trace, moments.mean)
    weight = covariance.weight(Traces(n, width, trace, squares, moments.fourth / n))
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
