"""Coordinates and signed distances: the image spans -1 to 1 in x and in y.

A signed distance is negative inside a shape, zero on its edge and positive outside.
"""

import numpy as np


def grid(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return x and y of the pixel centres, each float64 of shape (size, size)."""
    centres = (2 * np.arange(size) + 1) / size - 1
    return np.broadcast_to(centres, (size, size)), np.broadcast_to(centres[:, None], (size, size))


def moved(
    x: np.ndarray, y: np.ndarray, angle: float, dx: float = 0.0, dy: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """Return the coordinates in a frame centred on (dx, dy) and turned by `angle` radians."""
    c, s = np.cos(angle), np.sin(angle)
    x, y = x - dx, y - dy
    return c * x + s * y, c * y - s * x


def box(
    x: np.ndarray, y: np.ndarray, half_width: float, half_height: float, radius: float = 0.0
) -> np.ndarray:
    """Return the signed distance to an upright box with rounded corners, centred on (0, 0)."""
    qx, qy = np.abs(x) - half_width + radius, np.abs(y) - half_height + radius
    outside = np.hypot(np.maximum(qx, 0), np.maximum(qy, 0))
    return outside + np.minimum(np.maximum(qx, qy), 0) - radius


def segment(
    x: np.ndarray, y: np.ndarray, start: tuple[float, float], end: tuple[float, float]
) -> np.ndarray:
    """Return the distance to the line from `start` to `end`."""
    ex, ey = end[0] - start[0], end[1] - start[1]
    px, py = x - start[0], y - start[1]
    along = np.clip((px * ex + py * ey) / (ex * ex + ey * ey), 0, 1)
    return np.hypot(px - along * ex, py - along * ey)


def covered(distance: np.ndarray, softness: float) -> np.ndarray:
    """Return how much of each pixel a shape covers, 0 to 1.

    Parameters
    ----------
    distance : ndarray of float64
        Signed distance to the shape.
    softness : float
        Width of the transition: a pixel's width (``2 / size``) for a crisp, anti-aliased edge.
    """
    return np.clip(0.5 - distance / softness, 0, 1)


def mixed(below: np.ndarray, above: np.ndarray, cover: np.ndarray) -> np.ndarray:
    """Lay `above` over `below` (both (..., 3)) where `cover` (...) is 1, blending in between."""
    return below + cover[..., None] * (above - below)
