"""Defects to paste on any RGB photograph, each with the mask of the pixels that it changed.

All take an image, a random generator, a strength from 0 (barely visible) to 1 (plain), and where
on the image they may lie. They work on any size from 32 pixels, and on dark and light images.
"""

import numpy as np
from scipy.ndimage import binary_closing, gaussian_filter

from .noise import fractal

#: A pixel has visibly changed if one of its channels moved by this many grey values of 255.
VISIBLE = 6


def cut_out(
    image: np.ndarray, rng: np.random.Generator, strength: float, where: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Cut a hole: an opening with a rough edge, dark, or light where the image is dark.

    Parameters
    ----------
    image : ndarray of uint8, shape (H, W, 3)
        RGB.
    rng : numpy.random.Generator
    strength : float
        0 (barely visible) to 1 (plain).
    where : ndarray of bool, shape (H, W), optional
        Where the image may change; everywhere by default.

    Returns
    -------
    image : ndarray of uint8, shape (H, W, 3)
        A new image; the given one is unchanged.
    mask : ndarray of bool, shape (H, W)
        The pixels that visibly changed.
    """
    radius = 0.010 + 0.04 * strength * rng.uniform(0.7, 1)
    level = _blob(image, rng, radius, 0.12, where)
    cover = np.clip((1.1 - level) / 0.2, 0, 1) * (0.8 + 0.15 * strength)
    return _blended(image, cover, _contrasting(image, cover), where)


def scratch(
    image: np.ndarray, rng: np.random.Generator, strength: float, where: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Draw a scratch: a thin bent line, one flank lighter and the other darker.

    Parameters and returns are those of `cut_out`.
    """
    along, across = _line(image, rng, where)
    length = 0.08 + 0.3 * strength * rng.uniform(0.6, 1)
    width = max(0.0025 + 0.0025 * strength, 0.5 / max(image.shape[:2]))
    across = across - rng.normal(0, 0.25) * (along**2 - length**2 / 3)
    # The pressure ebbs and swells along the scratch, and fades at both ends.
    pressure = np.clip(4 * (1 - np.abs(along) / length), 0, 1)
    pressure = pressure * (0.75 + 0.25 * np.sin(rng.uniform(15, 40) * along))
    core = np.exp(-0.5 * (across / width) ** 2)
    flank = np.exp(-0.5 * ((across - 2.2 * width) / width) ** 2)
    change = (28 + 90 * strength) * pressure * (core - 0.6 * flank)
    towards_light = 1 if _brightness(image, core * pressure) < 110 else -1
    return _changed(image, image + towards_light * change[..., None], where)


def stain(
    image: np.ndarray,
    rng: np.random.Generator,
    strength: float,
    where: np.ndarray | None = None,
    tint: tuple[float, float, float] = (0.62, 0.5, 0.34),
) -> tuple[np.ndarray, np.ndarray]:
    """Stain the surface: its texture stays, its colour changes, most of all along the rim.

    Parameters and returns are those of `cut_out`, with one more.

    Parameters
    ----------
    tint : tuple of float
        The part of red, green and blue that the strongest stain lets through, 0-1. On a dark
        image the stain is lighter than its surroundings instead.
    """
    level = _blob(image, rng, 0.035 + 0.11 * strength * rng.uniform(0.6, 1), 0.3, where)
    rim = np.exp(-0.5 * ((level - 0.95) / 0.1) ** 2)
    cover = np.clip((1.1 - level) / 0.2, 0, 1) * (0.6 + 0.4 * rim) * (0.3 + 0.7 * strength)
    deposit = np.array(tint) * (image if _brightness(image, cover) > 50 else image + 90.0)
    return _blended(image, cover, deposit, where)


#: The defects that can be pasted into any image, by name.
PASTES = {"cut_out": cut_out, "scratch": scratch, "stain": stain}


def visibly_changed(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Return where two RGB images differ by `VISIBLE` grey values or more, small gaps closed.

    Parameters
    ----------
    before, after : ndarray of uint8, shape (H, W, 3)

    Returns
    -------
    mask : ndarray of bool, shape (H, W)
    """
    change = np.abs(after.astype(int) - before).max(axis=2)
    padded = np.pad(change >= VISIBLE, 2)
    return binary_closing(padded, np.ones((3, 3)))[2:-2, 2:-2]


def _blob(
    image: np.ndarray,
    rng: np.random.Generator,
    radius: float,
    roughness: float,
    where: np.ndarray | None,
) -> np.ndarray:
    """Return a field that is below 1 inside an irregular blob, and grows outwards."""
    along, across = _line(image, rng, where)
    squeeze = rng.uniform(0.7, 1.0)
    size = max(image.shape[:2])
    ragged = fractal(rng, size, 1.8)[: image.shape[0], : image.shape[1]]
    return np.hypot(along * squeeze, across / squeeze) / radius + roughness * ragged


def _line(
    image: np.ndarray, rng: np.random.Generator, where: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return coordinates along and across a random line, in units of the longer side."""
    height, width = image.shape[:2]
    # Well inside the image where that can be, so that no defect falls outside for the most part.
    inner = np.zeros((height, width), bool)
    inner[height // 8 : -(height // 8), width // 8 : -(width // 8)] = True
    if where is not None:
        inner = inner & where if (inner & where).any() else where
    spots = np.argwhere(inner)
    row, column = spots[rng.integers(len(spots))]
    angle = rng.uniform(0, 2 * np.pi)
    y = (np.arange(height)[:, None] - row) / max(height, width)
    x = (np.arange(width) - column) / max(height, width)
    return np.cos(angle) * x + np.sin(angle) * y, np.cos(angle) * y - np.sin(angle) * x


def _brightness(image: np.ndarray, weight: np.ndarray) -> float:
    """Return the mean grey value of the image under `weight`."""
    return float((image.mean(axis=2) * weight).sum() / max(weight.sum(), 1e-9))


def _contrasting(image: np.ndarray, cover: np.ndarray) -> np.ndarray:
    """Return the look of a hole: dark (light in a dark image), with the photograph's own noise."""
    grey = 22.0 if _brightness(image, cover) > 60 else 130.0
    pixels = image.astype(float)
    return grey + 0.5 * (pixels - gaussian_filter(pixels, (1, 1, 0)))


def _blended(
    image: np.ndarray, cover: np.ndarray, above: np.ndarray, where: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Lay `above` over the image where `cover` is 1; return image and mask."""
    return _changed(image, image + cover[..., None] * (above - image), where)


def _changed(
    image: np.ndarray, values: np.ndarray, where: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Round `values` to an image, but leave it as it is outside `where`; return it and the mask."""
    changed = np.rint(np.clip(values, 0, 255)).astype(np.uint8)
    if where is not None:
        changed = np.where(where[..., None], changed, image)
    return changed, visibly_changed(image, changed)
