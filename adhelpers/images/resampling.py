"""Maps of any size laid over an image so that their mean is kept."""

import numpy as np


def resampled(
    values: np.ndarray,
    shape: tuple[int, int],
    window: tuple[float, float, float, float] | None = None,
) -> np.ndarray:
    """Lay maps over an image so that their mean is kept, whatever the sizes.

    A map stands for the function that is linear between the centres of its cells and constant
    beyond the outermost ones (what a bilinear resize samples). Each pixel gets the integral of
    that function over the pixel, in closed form; sampling it at the pixel's centre would keep the
    mean only where the sizes are multiples of each other.

    Parameters
    ----------
    values : ndarray, shape (..., h, w)
    shape : (int, int)
        Height H and width W of the image, in pixels.
    window : (float, float, float, float), optional
        Top, left, height and width of the part of the image that the map covers, in pixels;
        the whole image when not given.

    Returns
    -------
    laid : ndarray of float64, shape (..., H, W)
        Its sum over the image, divided by the window's area, is the mean of `values`. 0 outside
        the window; a pixel that it covers in part gets that part.

    Examples
    --------
    >>> resampled(np.array([[1.0, 3.0]]), (1, 4))
    array([[1. , 1.5, 2.5, 3. ]])
    """
    height, width = values.shape[-2:]
    top, left, seen_height, seen_width = window or (0, 0, *shape)
    rows = _cell_integrals(height, shape[0], top, seen_height)
    columns = _cell_integrals(width, shape[1], left, seen_width)
    return rows @ values @ columns.T


def summed_on_finest(maps: dict[str, np.ndarray]) -> np.ndarray:
    """Add maps of several sizes up, on the grid of the finest, whose own stay as they are.

    Parameters
    ----------
    maps : dict of str to ndarray, shape (N, h_l, w_l)

    Returns
    -------
    total : ndarray of float64, shape (N, h, w)
    """
    finest = max((x.shape[-2:] for x in maps.values()), key=np.prod)
    return sum(x if x.shape[-2:] == finest else resampled(x, finest) for x in maps.values())


def _cell_integrals(cells: int, pixels: int, start: float, length: float) -> np.ndarray:
    """Return the weights, (pixels, cells), that integrate a line of cells over each pixel."""
    edges = np.clip((np.arange(pixels + 1) - start) * cells / length, 0, cells)
    # One more cell on each side, equal to the outermost, makes the function constant there.
    from_centre = np.clip(edges[:, None] - 0.5 - np.arange(-1, cells + 1), -1, 1)
    primitive = from_centre + 0.5 - np.sign(from_centre) * from_centre**2 / 2  # of the hat 1 - |x|
    weights = np.diff(primitive, axis=0)
    weights[:, 1] += weights[:, 0]
    weights[:, -2] += weights[:, -1]
    return weights[:, 1:-1] * length / cells
