"""Light on a surface given by its height, and the shadow of a part."""

import numpy as np
from scipy.ndimage import gaussian_filter


def normals(height: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the unit normals (nx, ny, nz) of a height map.

    Parameters
    ----------
    height : ndarray of float64, shape (S, S)
        In the units of the coordinates (the image is 2 wide).
    """
    step = 2 / len(height)
    slope_y, slope_x = np.gradient(height, step)
    length = np.sqrt(1 + slope_x**2 + slope_y**2)
    return -slope_x / length, -slope_y / length, 1 / length


def diffuse(height: np.ndarray, lamp: np.ndarray) -> np.ndarray:
    """Return Lambert's cosine law: the part of the lamp's light that each point receives.

    Parameters
    ----------
    height : ndarray of float64, shape (S, S)
    lamp : ndarray of float64, shape (3,)
        Direction to the lamp; z points to the camera.

    Returns
    -------
    shade : ndarray of float64, shape (S, S)
        0 (turned away) to 1 (facing the lamp).
    """
    lamp = lamp / np.linalg.norm(lamp)
    nx, ny, nz = normals(height)
    return np.maximum(nx * lamp[0] + ny * lamp[1] + nz * lamp[2], 0)


def shadow(cover: np.ndarray, right: float, down: float, softness: float) -> np.ndarray:
    """Return the soft shadow that a part casts on what it lies on, 0 to 1.

    Parameters
    ----------
    cover : ndarray of float64, shape (S, S)
        Where the part is, 0 to 1; clear of the border by the shadow's reach.
    right, down : float
        How far the shadow is thrown, in units of the side.
    softness : float
        Standard deviation of its blur, in units of the side.

    Returns
    -------
    shadow : ndarray of float64, shape (S, S)
    """
    size = len(cover)
    thrown = np.roll(cover, (round(down * size), round(right * size)), (0, 1))
    return gaussian_filter(thrown, softness * size, truncate=3)
