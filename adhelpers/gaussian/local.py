"""A Gaussian per position of a feature map, its covariance shrunk towards that of all positions.

With S the covariance at a position and T that of all positions about their own means,

    C = (1 - a) S + a T        d^2 = (x - mean)^T C^-1 (x - mean) / D

at each position (regularised discriminant analysis). With few images T carries it, with many each
position has its own. All that is kept of the images is sums, so parts of them can be joined.

Where T is the identity, the axes of C are those of S. Of a position's own, the R of most variance
are kept; along the others its variance is one number, by which the mean precision is right: R D
numbers instead of D D, and distances that find defects no worse (docs/where.md).

References
----------
Friedman, "Regularized Discriminant Analysis", Journal of the American Statistical Association 84
(405), 1989. A Gaussian per position, without T and of some channels of several levels together:
Defard, Setkov, Loesch and Audigier, "PaDiM", arXiv 2011.08785.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add

import numpy as np

from ..ground import UserError, available_cores, linear_algebra_threads, ordered_map
from .fitting import MIN_IMAGES
from .local_moments import LocalMoments, LocalVectors, by_position

#: The tied covariance's weight, and how many axes of its own a position has, where nothing is said.
WEIGHT, RANK = 0.3, 16
#: The weights of the tied covariance to choose from; at 1 it stands alone.
WEIGHTS = (0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9, 1.0)

_POSITIONS = 8  # that a thread takes at once: their axes, before most are dropped, take memory


@dataclass(frozen=True)
class LocalGaussian:
    """A Gaussian per position.

    A vector minus its position's mean is whitened by the tied covariance; z is what comes out.
    Along R axes of its own the position has these variances, along all others the floor.

    Parameters
    ----------
    shape : (int, int)
        Height and width of the maps, P positions in all.
    mean : ndarray of float64, shape (P, D)
    whitening : ndarray of float64, shape (D, D)
        The inverse of the tied covariance's lower Cholesky factor.
    axes : ndarray of float64, shape (P, R, D)
        Orthonormal rows.
    variances : ndarray of float64, shape (P, R)
    floor : ndarray of float64, shape (P,)
    weight : float
        Of the tied covariance, from 0 to 1.
    """

    shape: tuple[int, int]
    mean: np.ndarray
    whitening: np.ndarray
    axes: np.ndarray
    variances: np.ndarray
    floor: np.ndarray
    weight: float

    @property
    def dimensions(self) -> int:
        """int: the number of channels, D."""
        return self.mean.shape[1]

    @property
    def map_shape(self) -> tuple[int, int, int]:
        """(int, int, int): height, width and channels of the maps."""
        return (*self.shape, self.dimensions)

    def distance(self, maps: np.ndarray) -> np.ndarray:
        """Return the distance at each position, over the root of the number of channels.

        Parameters
        ----------
        maps : ndarray, shape (N, h, w, D)

        Returns
        -------
        distances : ndarray of float64, shape (N, h, w)
            About 1 for normal images.

        Raises
        ------
        UserError
            If the maps have another size or number of channels than those fitted on.
        """
        if maps.shape[1:] != self.map_shape:
            raise UserError(
                f"the maps have shape {maps.shape[1:]}, but those fitted on had {self.map_shape}; "
                "use the same network and the same input size"
            )
        white = (by_position(maps) - self.mean[:, None]) @ self.whitening.T
        along = np.square(white @ self.axes.transpose(0, 2, 1))
        across = np.einsum("pnd,pnd->pn", white, white) - along.sum(axis=2)
        squares = np.einsum("pnr,pr->pn", along, 1 / self.variances)
        squares += np.maximum(across, 0) / self.floor[:, None]
        return np.sqrt(squares.T / self.dimensions).reshape(len(maps), *self.shape)


def fit_local(
    moments: LocalMoments | LocalVectors, weight: float = WEIGHT, rank: int | None = RANK
) -> LocalGaussian:
    """Fit a Gaussian per position.

    Parameters
    ----------
    moments : LocalMoments or LocalVectors
        Of at least three maps.
    weight : float
        Of the tied covariance, above 0 and at most 1.
    rank : int or None
        How many axes of its own a position has, up to the number of maps, as other axes have no
        variance; None for as many as there can be, which leaves nothing of its covariance out.

    Raises
    ------
    UserError
        If there are too few maps, these have no spread, or a parameter is out of range.
    """
    if moments.count < MIN_IMAGES:
        raise UserError(
            f"Gaussians per position need at least {MIN_IMAGES} training images, not "
            f"{moments.count}"
        )
    check_shrinkage(weight, rank)
    width = moments.mean.shape[1]
    kept = min(width, moments.count, width if rank is None else rank)
    white, own, axes = _spectra(moments, kept)
    rest = width - kept
    variances = (1 - weight) * own + weight
    return LocalGaussian(
        shape=moments.shape,
        mean=moments.mean,
        whitening=white,
        axes=axes,
        variances=variances[:, rest:],
        floor=1 / np.mean(1 / variances[:, :rest], axis=1) if rest else np.ones(len(variances)),
        weight=weight,
    )


def check_shrinkage(weight: float | None, rank: int | None) -> None:
    """Raise a UserError if the tied covariance's weight or the rank is out of range."""
    if weight is not None and not 0 < weight <= 1:
        raise UserError(f"the tied covariance's weight must be above 0 and at most 1, not {weight}")
    if rank is not None and rank < 0:
        raise UserError(f"the rank must be 0 or more, not {rank}")


def likeliest_weight(parts: Sequence[LocalMoments], weights: Sequence[float] = WEIGHTS) -> float:
    """Choose the weight of the tied covariance by the likelihood of normal images held out.

    Each part is held out in turn. The sums tell it all: no image is looked at again.

    Parameters
    ----------
    parts : sequence of LocalMoments
        Of disjoint sets of images, two or more.
    weights : sequence of float
        To choose from.

    Returns
    -------
    weight : float
        The likeliest.

    Raises
    ------
    UserError
        If there are fewer than two parts, or too few images outside one of them.
    """
    if len(parts) < 2:
        raise UserError("a weight is chosen by images that are held out; give two parts or more")
    total, whole = np.zeros(len(weights)), reduce(add, parts)
    for part in parts:
        own, seen = _held_out_variances(whole - part, part)
        total += [_log_likelihood(part.count, own, seen, weight) for weight in weights]
    return weights[int(np.argmax(total))]


def _spectra(
    moments: LocalMoments | LocalVectors, kept: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return what whitens T, and the variances and axes of each S where T is the identity.

    Shapes (D, D), (P, D), and (P, kept, D): the axes of the largest variances.
    """
    with linear_algebra_threads(moments.mean.shape[1]):
        white = np.linalg.inv(np.linalg.cholesky(moments.tied()))
        starts = range(0, len(moments.mean), _POSITIONS)
        some = (slice(start, start + _POSITIONS) for start in starts)
        found = ordered_map(
            lambda part: moments.spectra(part, white, kept), some, available_cores()
        )
        own, axes = zip(*found, strict=True)
    return white, np.concatenate(own), np.concatenate(axes)


def _held_out_variances(rest: LocalMoments, part: LocalMoments) -> tuple[np.ndarray, np.ndarray]:
    """Return the rest's and the part's variances along the axes of the rest's S, (P, D) each."""
    if rest.count < MIN_IMAGES:
        raise UserError(f"{rest.count} images are too few to hold others out; give at least 4")
    white, own, axes = _spectra(rest, rest.mean.shape[1])
    with linear_algebra_threads(part.mean.shape[1]):
        seen = white @ part.about(rest.mean)[0] @ white.T
        return own, np.einsum("pkd,pkd->pk", axes @ seen, axes)


def _log_likelihood(count: int, own: np.ndarray, seen: np.ndarray, weight: float) -> float:
    """Return the logarithm of a part's likelihood, up to what all weights have in common."""
    variances = (1 - weight) * own + weight
    return -0.5 * float(count * np.sum(np.log(variances)) + np.sum(seen / variances))
