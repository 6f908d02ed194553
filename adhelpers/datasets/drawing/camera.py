"""From light to a photograph: lamp, lens, sensor and tone curve."""

import numpy as np
from scipy.ndimage import gaussian_filter

from .geometry import grid

#: The side at which lengths in pixels below hold; other sizes scale with it.
REFERENCE_SIZE = 288


def photograph(light: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Photograph a scene under a lamp and a camera that both vary a little.

    Parameters
    ----------
    light : ndarray of float64, shape (S, S, 3)
        Linear RGB light, 0-1.
    rng : numpy.random.Generator

    Returns
    -------
    image : ndarray of uint8, shape (S, S, 3)
        RGB.
    """
    size = len(light)
    sigma = rng.uniform(0.55, 0.8) * size / REFERENCE_SIZE
    lit = light * _lamp(size, rng)[..., None] * rng.normal(1, 0.008, 3)
    sharp = gaussian_filter(lit, (sigma, sigma, 0))
    return _developed(sharp + _sensor_noise(sharp, rng))


def _lamp(size: int, rng: np.random.Generator) -> np.ndarray:
    """Return the illumination: exposure, a gradient across the field, and vignetting."""
    x, y = grid(size)
    exposure = rng.normal(1, 0.04)
    towards = rng.normal(0, 0.05, 2)
    vignette = rng.uniform(0.08, 0.14)
    return exposure * (1 + towards[0] * x + towards[1] * y) * (1 - vignette * (x * x + y * y))


def _sensor_noise(light: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return read noise, and shot noise whose variance grows with the light."""
    variance = 0.0015**2 + 0.00012 * np.maximum(light, 0)
    return np.sqrt(variance) * rng.standard_normal(light.shape)


def _developed(light: np.ndarray) -> np.ndarray:
    """Apply the tone curve (a display gamma of 2.2) and round once, to uint8."""
    return np.rint(255 * np.clip(light, 0, 1) ** (1 / 2.2)).astype(np.uint8)
