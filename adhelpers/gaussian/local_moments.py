"""Feature maps by position: their first four moments, which join, or, of few maps, themselves."""

from dataclasses import dataclass

import numpy as np

from ..ground import UserError
from .covariance import Traces, ledoit_wolf

_NO_SPREAD = 1e-12  # of the squared mean: what sums minus sums leave of equal maps


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
        vectors = by_position(np.asarray(maps))
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

    def __sub__(self, other: "LocalMoments") -> "LocalMoments":
        """Return the moments of these maps without some of them."""
        n = self.count - other.count
        mean = self.mean - (other.mean - self.mean) * (other.count / n)
        left = self.about(mean), other.about(mean)
        scatter, third, fourth = (a - b for a, b in zip(*left, strict=True))
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

        Raises
        ------
        UserError
            If all maps are equal.
        """
        return _tied(self.count, self.mean, self.scatter.sum(axis=0), self.fourth.sum())

    def spectra(
        self, positions: slice, white: np.ndarray, kept: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the variances and axes of the covariance at some positions, once whitened.

        Parameters
        ----------
        positions : slice
            p of the P.
        white : ndarray of float64, shape (D, D)
            What the vectors are multiplied by first.
        kept : int
            How many axes to return, those of the largest variances; at most N.

        Returns
        -------
        variances : ndarray of float64, shape (p, D)
            Rising.
        axes : ndarray of float64, shape (p, kept, D)
            Orthonormal rows, in the order of the last variances.
        """
        return _of_covariances(white @ (self.scatter[positions] / self.count) @ white.T, kept)


class LocalVectors:
    """What Gaussians per position need to know of N feature maps: the maps themselves.

    Few of them are less than sums are, and quicker to fit to. Of fewer than channels above all: a
    covariance has no more than N axes then, which follow from the N by N products of vectors (they
    are the right singular vectors of the centred maps).

    Parameters
    ----------
    maps : ndarray, shape (N, h, w, D)

    Attributes
    ----------
    shape, count, mean
        As of `LocalMoments`.
    centred : ndarray of float64, shape (P, N, D)

    Examples
    --------
    >>> maps = np.random.default_rng(0).normal(size=(4, 2, 2, 9))
    >>> np.allclose(LocalVectors(maps).tied(), LocalMoments.of(maps).tied())
    True
    """

    def __init__(self, maps: np.ndarray):
        self.shape, self.count = maps.shape[1:3], len(maps)
        vectors = by_position(np.asarray(maps))
        self.mean = vectors.mean(axis=1)
        self.centred = vectors - self.mean[:, None]

    def tied(self) -> np.ndarray:
        """Return the covariance of all positions; see `LocalMoments.tied`."""
        rows = self.centred.reshape(-1, self.mean.shape[1])
        fourth = np.sum(np.einsum("nd,nd->n", rows, rows) ** 2)
        return _tied(self.count, self.mean, rows.T @ rows, fourth)

    def spectra(
        self, positions: slice, white: np.ndarray, kept: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the variances and axes at some positions; see `LocalMoments.spectra`."""
        whitened = self.centred[positions] @ white.T / np.sqrt(self.count)
        if self.count >= len(white):
            return _of_covariances(whitened.transpose(0, 2, 1) @ whitened, kept)
        own, weights = np.linalg.eigh(whitened @ whitened.transpose(0, 2, 1))
        variances = np.zeros((len(own), len(white)))
        variances[:, -self.count :] = np.maximum(own, 0)
        # The largest first: of those without a variance, QR makes axes across the others.
        largest = weights[:, :, : -kept - 1 : -1]
        axes = np.linalg.qr(whitened.transpose(0, 2, 1) @ largest)[0]
        return variances, axes[:, :, ::-1].transpose(0, 2, 1).copy()


def _of_covariances(covariances: np.ndarray, kept: int) -> tuple[np.ndarray, np.ndarray]:
    """Return what `LocalMoments.spectra` does, of covariances, shape (p, D, D)."""
    variances, axes = np.linalg.eigh(covariances)
    rest = covariances.shape[1] - kept
    return np.maximum(variances, 0), axes[:, :, rest:].transpose(0, 2, 1).copy()


def _tied(count: int, mean: np.ndarray, scatter: np.ndarray, fourth: float) -> np.ndarray:
    """Return the shrunken covariance, from the sums of `LocalMoments` over all positions."""
    rows, width = count * len(mean), mean.shape[1]
    matrix = scatter / rows
    trace, squares = float(np.trace(matrix)), float(np.vdot(matrix, matrix))
    if not trace > _NO_SPREAD * float(np.vdot(mean, mean)) / len(mean):
        raise UserError(
            "the training maps have no spread (all images equal); give more and different "
            "normal images"
        )
    weight = ledoit_wolf(Traces(rows, width, trace, squares, fourth / rows))
    return (1 - weight) * matrix + weight * trace / width * np.eye(width)


def by_position(maps: np.ndarray) -> np.ndarray:
    """Return maps, (N, h, w, D), as vectors by position, float64, (P, N, D)."""
    count, height, width, channels = maps.shape
    vectors = maps.reshape(count, height * width, channels).transpose(1, 0, 2)
    return np.ascontiguousarray(vectors, np.float64)


def _size(moments: LocalMoments) -> str:
    height, width = moments.shape
    return f"{height} x {width} positions and {moments.mean.shape[1]} channels"
