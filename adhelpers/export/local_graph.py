"""Gaussians per position, appended to a network's model as float32 operators.

With c a position's vector minus its mean, W the tied whitening and z = W c, the Gaussian has
variances v along the axes A, (R, D), and a floor f along all others. Then

    D d^2 = |A z / sqrt(v)|^2 + (|z|^2 - |A z|^2) / f = (|z|^2 - |B z|^2) / f,   B = sqrt(1 - f/v) A

so that one product with B does for each position, and no axis needs a weight of its own. What the
subtraction loses in float32 is 1e-7 times v / f, a few hundred at most. Without a floor (R = D) it
is D d^2 = |B z|^2 with B = A / sqrt(v).

Whitening is a 1 x 1 convolution. B differs from position to position: all of them are one
convolution over a single position with as many groups as the map has positions. Of what was tried
(EfficientNet-B0, rank 16, ms for the whole tail on one x86 thread, with the kernels of XNNPACK and
without) it is the fastest: 0.49 and 1.27; as a batch of matrix products 0.66 and 1.58 (2.0 where
the vectors come second), as products of single numbers that are then added up 0.77 and 1.4. Without
any axes the tail takes 0.23. B in float16 would halve its 5 MB in no less time; but the subtraction
turns its rounding into 0.8 % of the distance where an image differs along one axis alone.
"""

import numpy as np

from ..detector import LocalDetector
from ..gaussian import LocalGaussian
from ..ground import UserError
from ..images import resampled
from .tail import Tail


def append_local(tail: Tail, levels: dict[str, int], detector: LocalDetector) -> tuple[int, int]:
    """Append a detector's distances, and where they come from.

    Parameters
    ----------
    tail : Tail
    levels : dict of str to int
        The network's vectors by level: see `Graph.outputs`.
    detector : LocalDetector
        Fitted to maps of this very network.

    Returns
    -------
    distances : int
        By level, (1, L).
    heat_map : int
        (1, h, w), on the finest level's grid: `LocalDetector.heat_maps`.

    Raises
    ------
    UserError
        If the network lacks a level, or its map there has another size.
    """
    maps = {
        name: _distance_map(tail, name, _features(tail, levels, name, gaussian), gaussian)
        for name, gaussian in detector.gaussians_.items()
    }
    largest = [tail.largest(distance, f"{name}/largest") for name, distance in maps.items()]
    return tail.concatenate(largest, "local/distances"), _summed_on_finest(
        tail, list(maps.values())
    )


def _features(tail: Tail, levels: dict[str, int], name: str, gaussian: LocalGaussian) -> int:
    """Return the map of a level, (1, h, w, D), as float32."""
    if name not in levels:
        raise UserError(f"the network has no {name}; it has: {', '.join(levels)}")
    features = tail.as_float(tail.map_before(levels[name]))
    found, expected = tail.shape(features)[1:], gaussian.map_shape
    if found != expected:
        raise UserError(
            f"the network's {name} has maps of {_words(found)}, but the detector was fitted on "
            f"{_words(expected)}; use the same backbone and input size for both"
        )
    return features


def _distance_map(tail: Tail, name: str, features: int, gaussian: LocalGaussian) -> int:
    """Append the distance at each position, (1, h, w, 1), of a map, (1, h, w, D)."""
    (height, width), channels = gaussian.shape, gaussian.dimensions
    mean = gaussian.mean.reshape(1, height, width, channels)
    centred = tail.subtract(features, tail.constant(mean, f"{name}/means"))
    whitening = gaussian.whitening.reshape(channels, 1, 1, channels)
    white = tail.convolve(centred, tail.constant(whitening, f"{name}/whitening"))
    if gaussian.axes.shape[1] == channels:
        scale = gaussian.variances**-0.5
        squares, unit = _squares_along(tail, name, white, gaussian, scale), np.ones(len(scale))
    else:
        floor = gaussian.floor[:, None]
        scale = np.sqrt(np.maximum(1 - floor / gaussian.variances, 0))  # -1e-16 where equal
        squares, unit = _squares(tail, f"{name}/white", white), gaussian.floor
        if scale.any():
            along = _squares_along(tail, name, white, gaussian, scale)
            squares = tail.subtract(squares, along, at_least_zero=True)
    per_channel = 1 / (unit * channels).reshape(1, height, width, 1)
    squares = tail.multiply(squares, tail.constant(per_channel, f"{name}/per_channel"))
    return tail.sqrt(squares, f"{name}/distance")


def _squares_along(
    tail: Tail, name: str, white: int, gaussian: LocalGaussian, scale: np.ndarray
) -> int:
    """Append the sum of the squares along each position's axes times `scale`, (P, R)."""
    (height, width), (positions, rank, channels) = gaussian.shape, gaussian.axes.shape
    scaled = (gaussian.axes * scale[..., None]).reshape(positions * rank, 1, 1, channels)
    in_groups = tail.reshape(white, (1, 1, 1, positions * channels))
    along = tail.convolve(in_groups, tail.constant(scaled, f"{name}/axes"))
    along = tail.reshape(along, (1, height, width, rank))
    return _squares(tail, f"{name}/along", along)


def _squares(tail: Tail, name: str, a: int) -> int:
    return tail.total_of_channels(tail.multiply(a, a), f"{name}/squared")


def _summed_on_finest(tail: Tail, maps: list[int]) -> int:
    """Append the sum of maps, (1, h_l, w_l, 1), as `adhelpers.images.summed_on_finest` does."""
    height, width = max((tail.shape(x)[1:3] for x in maps), key=np.prod)
    total, *others = (_laid(tail, x, height, width) for x in maps)
    for other in others:
        total = tail.add(total, other)
    return tail.reshape(total, (1, height, width), "heat_map")


def _laid(tail: Tail, a: int, height: int, width: int) -> int:
    """Append a map, (1, h, w, 1), on another grid, (height, width), as `resampled` lays it.

    That is a product with two matrices. The operator for a bilinear resize would sample the map
    at the centres of the new cells, which is the same for some pairs of grids alone.
    """
    shape = tail.shape(a)[1:3]
    if shape == (height, width):
        return tail.reshape(a, shape)
    rows, columns = (
        tail.constant(_interpolation(cells, pixels), f"interpolation/{cells}/{pixels}")
        for cells, pixels in zip(shape, (height, width), strict=True)
    )
    return tail.matmul(rows, tail.matmul(tail.reshape(a, shape), columns, transposed=True))


def _interpolation(cells: int, pixels: int) -> np.ndarray:
    """Return the matrix, (pixels, cells), that lays a line of cells over a line of pixels."""
    each = np.eye(cells)[..., None]
    return resampled(each, (pixels, 1))[..., 0].T


def _words(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
