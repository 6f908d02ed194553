"""A Gaussian per position of a feature map, its covariance shrunk towards that of all positions.

With S the covariance at a position and T that of all positions about their own means,

    C = (1 - a) S + a T        d^2 = (x - mean)^T C^-1 (x - mean) / D

at each position (regularised discriminant analysis). With few images T carries it, with many each
position has its own. All that is kept of the images is sums, so parts of them can be joined.

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

from ..ground import UserError, linear_algebra_threads
from .covariance import Traces, ledoit_wolf
from .fitting import MIN_IMAGES

#: The weights of the tied covariance to choose from; at 1 it stands alone.
WEIGHTS = (0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9, 1.0)


@dataclass(frozen=True)
class LocalMoments:
    """What Gaussians per position need to know of N feature maps of P positions.

    Writing y for a vector minus its position's mean, and sums being over the maps:

    Parameters
    ----------
    shape : (int, int)
        Height and width of the maps, P in all.
    count : int
        N.
    mean : ndarray of float64, shape (P, D)
    scatter : ndarray of float64, shape (P, D, D)
        The sum of y y^T.
    third : ndarray of float64, shape (P, D)
        The sum of \\|y\\|^2 y, which moves `fourth` to another mean.
    fourth : ndarray of float64, shape (P,)
        The sum of \\|y\\|^4, which Ledoit and Wolf's shrinkage needs.

    Examples
    --------
    >>> maps = np.random.default_rng(0).normal(size=(9, 2, 2, 3))
    >>> joined = LocalMoments.of(maps[:4]) + LocalMoments.of(maps[4:])
    >>> np.allclose(joined.scatter[3] / 9, np.cov(maps[:, 1, 1].T, bias=True))
    True
    """

    shape: tuple[int, int]
    count: int
    mean: np.ndarray
    scatter: np.ndarray
    third: np.ndarray
    fourth: np.ndarray

    @classmethod
    def of(cls, maps: np.ndarray) -> "LocalMoments":
        """Sum up feature maps, shape (N, h, w, D), N at least 1."""
        vectors = _by_position(np.asarray(maps))
        mean = vectors.mean(axis=1)
        centred = vectors - mean[:, None]
        length = np.einsum("pnd,pnd->pn", centred, centred)
        return cls(
            maps.shape[1:3],
            len(maps),
            mean,
            centred.transpose(0, 2, 1) @ centred,
            np.einsum("pn,pnd->pd", length, centred),
            np.sum(length**2, axis=1),
        )

    def __add__(self, other: "LocalMoments") -> "LocalMoments":
        """Return the moments of both sets of maps together.

        Raises
        ------
        UserError
            If the maps have another size or another number of channels.
        """
        if (self.shape, self.mean.shape) != (other.shape, other.mean.shape):
            raise UserError(
                f"cannot join maps of {_size(self)} and of {_size(other)}; use the same network, "
                "and images of the same size, for both"
            )
        n = self.count + other.count
        step = other.mean - self.mean
        mean = self.mean + step * (other.count / n)
        joined = self.about(mean), other.about(mean)
        scatter, third, fourth = (a + b for a, b in zip(*joined, strict=True))
        return LocalMoments(self.shape, n, mean, scatter, third, fourth)

    def about(self, centre: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return `scatter`, `third` and `fourth` about other points, shape (P, D).

        With d the means minus these points, vectors become y + d; see `Moments`.
        """
        d = self.mean - centre
        square = np.einsum("pd,pd->p", d, d)
        trace = np.trace(self.scatter, axis1=1, axis2=2)
        turned = np.einsum("pde,pe->pd", self.scatter, d)
        scatter = self.scatter + self.count * d[:, :, None] * d[:, None, :]
        third = self.third + (trace + self.count * square)[:, None] * d + 2 * turned
        fourth = (
            self.fourth
            + 4 * np.einsum("pd,pd->p", self.third, d)
            + 2 * trace * square
            + 4 * np.einsum("pd,pd->p", d, turned)
            + self.count * square**2
        )
        return scatter, third, fourth

    def tied(self) -> np.ndarray:
        """Return the covariance of all positions about their own means, shape (D, D).

        It is shrunk towards the identity as Ledoit and Wolf do with N P rows, so that it has an
        inverse whatever the number of images.
        """
        rows, width = self.count * len(self.mean), self.mean.shape[1]
        matrix = self.scatter.sum(axis=0) / rows
        trace, squares = float(np.trace(matrix)), float(np.vdot(matrix, matrix))
        if not trace > 0:
            raise UserError(
                "the training maps have no spread (all images equal); give more and different "
                "normal images"
            )
        weight = ledoit_wolf(Traces(rows, width, trace, squares, self.fourth.sum() / rows))
        return (1 - weight) * matrix + weight * trace / width * np.eye(width)


@dataclass(frozen=True)
class LocalGaussian:
    """A Gaussian per position.

    Parameters
    ----------
    shape : (int, int)
        Height and width of the maps, P positions in all.
    mean : ndarray of float64, shape (P, D)
    whitening : ndarray of float64, shape (P, D, D)
        The inverses of the lower Cholesky factors of the covariances.
    weight : float
        Of the tied covariance, from 0 to 1.
    """

    shape: tuple[int, int]
    mean: np.ndarray
    whitening: np.ndarray
    weight: float

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
        height, width = self.shape
        channels = self.mean.shape[1]
        if maps.shape[1:] != (height, width, channels):
            raise UserError(
                f"the maps have shape {maps.shape[1:]}, but those fitted on had "
                f"{(height, width, channels)}; use the same network and the same input size"
            )
        centred = _by_position(maps) - self.mean[:, None]
        white = centred @ self.whitening.transpose(0, 2, 1)
        squares = np.einsum("pnd,pnd->np", white, white) / channels
        return np.sqrt(squares).reshape(len(maps), height, width)


def fit_local(moments: LocalMoments, weight: float) -> LocalGaussian:
    """Fit a Gaussian per position.

    Parameters
    ----------
    moments : LocalMoments
        Of at least three maps.
    weight : float
        Of the tied covariance, above 0 and at most 1.

    Raises
    ------
    UserError
        If there are too few maps, these have no spread, or the weight is out of range.
    """
    if moments.count < MIN_IMAGES:
        raise UserError(
            f"Gaussians per position need at least {MIN_IMAGES} training images, not "
            f"{moments.count}"
        )
    if not 0 < weight <= 1:
        raise UserError(f"the tied covariance's weight must be above 0 and at most 1, not {weight}")
    covariance = (1 - weight) * moments.scatter / moments.count + weight * moments.tied()
    with linear_algebra_threads(covariance.shape[-1]):
        whitening = np.linalg.inv(np.linalg.cholesky(covariance))
    return LocalGaussian(moments.shape, moments.mean, whitening, weight)


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
    total = np.zeros(len(weights))
    for i, part in enumerate(parts):
        rest = reduce(add, [*parts[:i], *parts[i + 1 :]])
        with linear_algebra_threads(part.mean.shape[1]):
            own, seen = _spectra(rest, part)
        total += [_log_likelihood(part.count, own, seen, weight) for weight in weights]
    return weights[int(np.argmax(total))]


def _spectra(rest: LocalMoments, part: LocalMoments) -> tuple[np.ndarray, np.ndarray]:
    """Return, along the axes in which every C is diagonal, the rest's and the part's variances.

    The axes of a position are those of S where T is the identity: (P, D) each.
    """
    if rest.count < MIN_IMAGES:
        raise UserError(f"{rest.count} images are too few to hold any out; give at least 4")
    white = np.linalg.inv(np.linalg.cholesky(rest.tied()))
    own, axes = np.linalg.eigh(white @ (rest.scatter / rest.count) @ white.T)
    seen = white @ part.about(rest.mean)[0] @ white.T
    return np.maximum(own, 0), np.einsum("pdk,pdk->pk", axes, seen @ axes)


def _log_likelihood(count: int, own: np.ndarray, seen: np.ndarray, weight: float) -> float:
    """Return the logarithm of a part's likelihood, up to what all weights have in common."""
    variances = (1 - weight) * own + weight
    return -0.5 * float(count * np.sum(np.log(variances)) + np.sum(seen / variances))


def _by_position(maps: np.ndarray) -> np.ndarray:
    """Return maps, (N, h, w, D), as vectors by position, float64, (P, N, D)."""
    count, height, width, channels = maps.shape
    vectors = maps.reshape(count, height * width, channels).transpose(1, 0, 2)
    return np.ascontiguousarray(vectors, np.float64)


def _size(moments: LocalMoments) -> str:
    height, width = moments.shape
    return f"{height} x {width} positions and {moments.mean.shape[1]} channels"
