"""How a covariance is estimated: shrinkage towards the identity, and reductions by variance."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from ..ground import UserError, check_choice, check_probability, chosen
from .moments import Moments, blocks


class Traces(NamedTuple):
    """What the shrinkages know of N rows in D dimensions.

    Parameters
    ----------
    count, width : int
        N and D.
    trace, squares : float
        The traces of the empirical covariance (divisor N) and of its square.
    fourth : float or None
        The mean of \\|y\\|^4 over the rows, y being a row minus the mean; None if unknown.
    """

    count: int
    width: int
    trace: float
    squares: float
    fourth: float | None

    @property
    def spread(self) -> float:
        """Of the variances about their mean: 0 for a round cloud."""
        return self.squares - self.trace**2 / self.width


def unshrunk(traces: Traces) -> float:
    """Return 0: the empirical covariance as it is."""
    return 0.0


def ledoit_wolf(traces: Traces) -> float:
    """Return Ledoit and Wolf's weight of the identity, as `sklearn.covariance` computes it."""
    if traces.width == 1:
        return 0.0
    noise = min((traces.fourth - traces.squares) / traces.count, traces.spread)
    return float(noise / traces.spread) if noise > 0 else 0.0


def oas(traces: Traces) -> float:
    """Return the oracle approximating weight of the identity, as `sklearn.covariance` does."""
    if traces.width == 1:
        return 0.0
    mean_square, square = traces.squares / traces.width**2, (traces.trace / traces.width) ** 2
    divisor = (traces.count + 1) * traces.spread / traces.width**2
    return 1.0 if divisor <= 0 else float(min((mean_square + square) / divisor, 1.0))


class Method(NamedTuple):
    """A way to estimate a covariance.

    Parameters
    ----------
    words : str
        For help texts.
    shrinkage : callable
        Takes `Traces` and returns the weight of the identity, from 0 to 1.
    shape : {"full", "channels", "round"}
        Of the covariance: as the rows have it, without what goes on between channels, or the
        same in all directions. The distances are Mahalanobis', the standardised Euclidean one
        (SED), and the Euclidean one (L2).
    takes_ridge : bool
    needs_fourth : bool
        Whether the shrinkage needs `Traces.fourth`.
    """

    words: str
    shrinkage: Callable[[Traces], float]
    shape: str = "full"
    takes_ridge: bool = False
    needs_fourth: bool = False


#: The covariances by name.
METHODS = {
    "ledoit-wolf": Method("shrunk as Ledoit and Wolf do", ledoit_wolf, needs_fourth=True),
    "oas": Method("shrunk by the oracle approximating weight", oas),
    "empirical": Method("as the images have it", unshrunk, takes_ridge=True),
    "diagonal": Method("variances alone (SED)", unshrunk, shape="channels", takes_ridge=True),
    "identity": Method("none, the Euclidean distance (L2)", unshrunk, shape="round"),
}


def most_variance(last: int) -> slice:
    """Return the components up to the one with which they hold enough variance."""
    return slice(last + 1)


def least_variance(last: int) -> slice:
    """Return the components after those, and, as the paper's code does, two more before them."""
    return slice(max(last - 1, 0), None)


#: The reductions by name: which components are kept, given the last one that PCA keeps.
REDUCTIONS = {"pca": most_variance, "npca": least_variance}


@dataclass(frozen=True)
class Covariance:
    """The choice of a distance.

    Parameters
    ----------
    method : str
        A key of `METHODS`. "ledoit-wolf", "oas" and "empirical" give Mahalanobis distances: with
        Ledoit and Wolf's shrinkage, with the oracle approximating one of Chen et al., or without.
        "diagonal" gives the standardised Euclidean distance (SED; channels without spread do not
        count), "identity" the Euclidean one (L2).
    ridge : float
        Added to every variance, as a share of their mean; for "empirical" and "diagonal".
    reduction : str, optional
        A key of `REDUCTIONS`: keep the components of most variance, or those of least
        ("negated" PCA). The covariance is that of what is kept.
    variance_share : float
        In (0, 1). PCA keeps the first components that hold more than this share of the variance;
        NPCA those after them, and, as the paper's code does, the last two of them as well.

    Raises
    ------
    UserError
        If a name is unknown or a number out of range.

    References
    ----------
    Rippel, Mertens and Merhof, arXiv 2005.14140, section III. Ledoit and Wolf, Journal of
    Multivariate Analysis 88 (2), 2004. Chen, Wiesel, Eldar and Hero, IEEE Transactions on Signal
    Processing 58 (10), 2010.
    """

    method: str = "ledoit-wolf"
    ridge: float = 0.0
    reduction: str | None = None
    variance_share: float = 0.99

    def __post_init__(self):
        method = chosen("covariance", self.method, METHODS)
        check_choice("reduction", self.reduction, (*REDUCTIONS, None))
        check_probability(self.variance_share, "variance_share")
        if not 0 <= self.ridge < np.inf:
            raise UserError(f"ridge must be 0 or more, not {self.ridge}")
        if self.ridge and not method.takes_ridge:
            takers = " and ".join(name for name, one in METHODS.items() if one.takes_ridge)
            raise UserError(f"ridge belongs to the covariances {takers}, not to {self.method}")

    def __str__(self) -> str:
        """Return the choice in words, as "ledoit-wolf" or "empirical, ridge 0.01, pca 0.99"."""
        ridge = f", ridge {self.ridge:g}" if self.ridge else ""
        reduction = f", {self.reduction} {self.variance_share:g}" if self.reduction else ""
        return f"{self.method}{ridge}{reduction}"

    @property
    def shape(self) -> str:
        """The shape of the covariance: see `Method`."""
        return METHODS[self.method].shape

    def weight(self, traces: Traces) -> float:
        """Return the weight of the identity, from 0 to 1."""
        return METHODS[self.method].shrinkage(traces)

    @property
    def is_mahalanobis(self) -> bool:
        """Whether the distance is a Mahalanobis distance, for which a chi-square law may hold."""
        return self.shape == "full"

    @property
    def needs_axes(self) -> bool:
        """Whether the principal axes are needed, which cost the most."""
        return self.reduction is not None or self.is_mahalanobis

    def check_moments_suffice(self) -> None:
        """Raise a UserError if the rows themselves are needed, and not their moments alone."""
        if self.reduction is not None and METHODS[self.method].needs_fourth:
            raise UserError(
                f"a reduction with {self.method} needs all images at once; fit on them together, "
                "or take the covariance oas or empirical"
            )


@dataclass(frozen=True)
class Spectrum:
    """The empirical covariance by its principal axes, the largest variance first.

    Parameters
    ----------
    count : int
        The number of rows, N.
    width : int
        The number of dimensions: D, or after a reduction that of the components kept.
    mean : ndarray of float64, shape (D,)
    axes : ndarray of float64, shape (R, D)
    variances : ndarray of float64, shape (R,)
        With divisor N; none outside the axes.
    fourth : float or None
        The mean of \\|y\\|^4 over the rows, y being a row minus the mean; None if unknown.
    tolerance : float
        A variance up to this is rounding.
    """

    count: int
    width: int
    mean: np.ndarray
    axes: np.ndarray
    variances: np.ndarray
    fourth: float | None
    tolerance: float

    @property
    def is_reduced(self) -> bool:
        return self.width < len(self.mean)

    @property
    def traces(self) -> Traces:
        """What the shrinkages need."""
        trace, squares = float(np.sum(self.variances)), float(np.sum(self.variances**2))
        return Traces(self.count, self.width, trace, squares, self.fourth)

    @classmethod
    def of_rows(cls, x: np.ndarray) -> "Spectrum":
        """Return the spectrum of rows, shape (N, D), by their products, N x N: for N up to D.

        Several times faster than by their singular values. Variances far below the largest are
        less exact, by rounding errors of 1e-16 of the largest, as they are in `of_moments`.
        """
        n, width = x.shape
        mean = x.mean(axis=0)
        centred = x - mean
        products = centred @ centred.T
        rising, columns = np.linalg.eigh(products)
        variances = np.maximum(rising[::-1], 0) / n
        tolerance = _tolerance(variances, n, width)
        variances = variances[variances > tolerance]
        lengths = np.sqrt(n * variances)
        axes = centred.T @ (columns[:, ::-1][:, : len(lengths)] / lengths)
        axes = np.linalg.qr(axes).Q.T  # those of small variances are not quite at right angles
        fourth = float(np.mean(np.diag(products) ** 2))
        return cls(n, width, mean, axes, variances, fourth, tolerance)

    @classmethod
    def of_moments(cls, moments: Moments) -> "Spectrum":
        """Return the spectrum of moments: for N above D."""
        n, width = moments.count, len(moments.mean)
        rising, columns = np.linalg.eigh(moments.scatter / n)
        variances = np.maximum(rising[::-1], 0)
        axes = np.ascontiguousarray(columns[:, ::-1].T)
        fourth = moments.fourth / n
        tolerance = _tolerance(variances, n, width)
        return cls(n, width, moments.mean, axes, variances, fourth, tolerance)


def _tolerance(variances: np.ndarray, n: int, width: int) -> float:
    return float(variances[0] * max(n, width) * np.finfo(float).eps)


def reduced(spectrum: Spectrum, covariance: Covariance, x: np.ndarray | None = None) -> Spectrum:
    """Keep the components that the reduction asks for.

    Parameters
    ----------
    spectrum : Spectrum
    covariance : Covariance
    x : ndarray, shape (N, D), optional
        The rows, which Ledoit and Wolf's shrinkage of the components needs.

    Returns
    -------
    spectrum : Spectrum
        Components without spread are never kept.
    """
    if covariance.reduction is None or not np.any(spectrum.variances > 0):
        return spectrum
    varied = spectrum.variances > spectrum.tolerance
    variances = spectrum.variances[varied]
    cumulated = np.cumsum(variances) / np.sum(variances)
    last = int(np.argmax(cumulated > covariance.variance_share))
    kept = REDUCTIONS[covariance.reduction](last)
    axes = spectrum.axes[varied][kept]
    fourth = None
    if x is not None:
        squares = (np.sum((b @ axes.T) ** 2, axis=1) for b in blocks(x, spectrum.mean))
        fourth = sum(float(square @ square) for square in squares) / len(x)
    return replace(spectrum, width=len(axes), axes=axes, variances=variances[kept], fourth=fourth)
