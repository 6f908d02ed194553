"""How a covariance is estimated: shrinkage towards the identity, and reductions by variance."""

from dataclasses import dataclass, replace

import numpy as np

from .checks import check_choice, check_probability
from .errors import UserError
from .moments import Moments, blocks

METHODS = ("ledoit-wolf", "oas", "empirical", "diagonal", "identity")
REDUCTIONS = ("pca", "npca")


@dataclass(frozen=True)
class Covariance:
    """The choice of a distance.

    Parameters
    ----------
    method : {"ledoit-wolf", "oas", "empirical", "diagonal", "identity"}
        The first three give Mahalanobis distances: with Ledoit and Wolf's shrinkage, with the
        oracle approximating one of Chen et al., or without any. "diagonal" gives the standardised
        Euclidean distance (SED; channels without spread do not count), "identity" the Euclidean
        one (L2).
    ridge : float
        Added to every variance, as a share of their mean; for "empirical" and "diagonal".
    reduction : {"pca", "npca"}, optional
        Keep the components of most variance, or those of least ("negated" PCA). The covariance is
        that of what is kept.
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
        check_choice("covariance", self.method, METHODS)
        check_choice("reduction", self.reduction, (*REDUCTIONS, None))
        check_probability(self.variance_share, "variance_share")
        if not 0 <= self.ridge < np.inf:
            raise UserError(f"ridge must be 0 or more, not {self.ridge}")
        if self.ridge and self.method not in ("empirical", "diagonal"):
            raise UserError(
                f"ridge belongs to the covariances empirical and diagonal, not to {self.method}"
            )

    @property
    def needs_axes(self) -> bool:
        """Whether the principal axes are needed, which cost the most."""
        return self.reduction is not None or self.method not in ("diagonal", "identity")

    @property
    def is_mahalanobis(self) -> bool:
        """Whether the distance is a Mahalanobis distance, for which a chi-square law may hold."""
        return self.method not in ("diagonal", "identity")

    def check_moments_suffice(self) -> None:
        """Raise a UserError if the rows themselves are needed, and not their moments alone."""
        if self.reduction is not None and self.method == "ledoit-wolf":
            raise UserError(
                "a reduction with ledoit-wolf needs all images at once; fit on them together, or "
                "take the covariance oas or empirical"
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
    kept = slice(last + 1) if covariance.reduction == "pca" else slice(max(last - 1, 0), None)
    axes = spectrum.axes[varied][kept]
    fourth = None
    if x is not None:
        squares = (np.sum((b @ axes.T) ** 2, axis=1) for b in blocks(x, spectrum.mean))
        fourth = sum(float(square @ square) for square in squares) / len(x)
    return replace(spectrum, width=len(axes), axes=axes, variances=variances[kept], fourth=fourth)


def shrinkage(method: str, spectrum: Spectrum) -> float:
    """Return the weight of the identity, from 0 to 1.

    Equal to `sklearn.covariance`'s `ledoit_wolf_shrinkage` and `oas`, from the spectrum alone: no
    further product of D x D matrices.
    """
    trace, squares = np.sum(spectrum.variances), np.sum(spectrum.variances**2)
    return shrinkage_of_traces(
        method, spectrum.count, spectrum.width, trace, squares, spectrum.fourth
    )


def shrinkage_of_traces(
    method: str, n: int, width: int, trace: float, squares: float, fourth: float | None
) -> float:
    """Return the weight of the identity.

    Parameters
    ----------
    method : str
        See `Covariance`.
    n, width : int
        Rows and dimensions.
    trace, squares : float
        The traces of the empirical covariance and of its square.
    fourth : float
        The mean of \\|y\\|^4 over the centred rows; for "ledoit-wolf".
    """
    spread = squares - trace**2 / width  # of the variances about their mean; 0 for a round cloud
    if width == 1:
        return 0.0
    if method == "oas":
        square = (trace / width) ** 2
        divisor = (n + 1) * spread / width**2
        return 1.0 if divisor <= 0 else float(min((squares / width**2 + square) / divisor, 1.0))
    if method != "ledoit-wolf":
        return 0.0
    noise = min((fourth - squares) / n, spread)
    return float(noise / spread) if noise > 0 else 0.0
