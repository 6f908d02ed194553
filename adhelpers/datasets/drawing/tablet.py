"""A pressed tablet with a score line and an imprint, on a blue tray."""

from itertools import pairwise

import numpy as np
from scipy.ndimage import gaussian_filter

from . import defects
from .geometry import covered, grid, mixed, moved, segment
from .lettering import strokes
from .noise import fractal, smooth
from .relief import diffuse, shadow
from .scene import Flaw, Scene, only

FLAWS = {"crack": None, "chip": None, "contamination": defects.stain}

_RADIUS = 0.72
_POWDER = np.array([0.66, 0.60, 0.55])
_GRANULE = np.array([0.42, 0.26, 0.22])
_TRAY = np.array([0.035, 0.075, 0.125])


def paint(size: int, rng: np.random.Generator, flaw: Flaw | None = None) -> Scene:
    """Draw the tablet near the middle of the tray, at any rotation; see `drawing`."""
    pixel = 2 / size
    centre, turn = rng.normal(0, 0.025, 2), rng.uniform(0, 2 * np.pi)
    x, y = moved(*grid(size), turn, *centre)
    outline = np.hypot(x, y) - _RADIUS
    lamp = np.array([-0.55, -0.65, 1.0]) + rng.normal(0, 0.03, 3)
    height = _pressed(x, y, rng)
    if crack := only(flaw, "crack"):
        height = height - _crack(x, y, crack)
    if chip := only(flaw, "chip"):
        depth, gone = _chip(x, y, chip)
        height = height - depth
        outline = np.maximum(outline, gone)
    shade = 0.25 + 0.75 * diffuse(height, lamp)
    tablet = shade[..., None] * _powder(size, rng)
    cover = covered(outline, 1.5 * pixel)
    brushed = 1 + 0.10 * fractal(rng, size, 0.5) + 0.05 * smooth(rng, size, 0.002, 0.2)
    tray = _TRAY * (brushed * (1 - 0.75 * shadow(cover, 0.026, 0.03, 0.02)))[..., None]
    return Scene(mixed(tray, tablet, cover), cover > 0.99)


def _pressed(x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the height of the tablet: a dome with a bevel, a score line and an imprint."""
    radius = np.hypot(x, y)
    dome = -0.16 * radius**2 - 0.55 * np.maximum(radius - 0.60, 0)
    score = np.maximum(0.06 - 0.9 * np.abs(y), 0) * covered(radius - 0.62, 0.05)
    imprint = np.minimum(strokes("G", x, y + 0.30, 0.24), strokes("25", x, y - 0.30, 0.24))
    pressed = 0.035 * covered(imprint - 0.022, 0.03)
    grain = 0.0016 * smooth(rng, len(x), 0.005, 0.005)
    return gaussian_filter(dome - score - pressed, len(x) / 300) + grain


def _powder(size: int, rng: np.random.Generator) -> np.ndarray:
    """Return the colour of the pressed powder, with darker granules of the active substance."""
    granules = np.clip(smooth(rng, size, 0.0045, 0.0045) - 1.9, 0, 1)
    return mixed(_POWDER * (1 + 0.02 * fractal(rng, size, 1.0))[..., None], _GRANULE, granules)


def _crack(x: np.ndarray, y: np.ndarray, crack: Flaw) -> np.ndarray:
    """Return the depth of a jagged crack that runs inwards from the rim."""
    angle = crack.rng.uniform(0, 2 * np.pi)
    steps = 7
    radii = np.linspace(_RADIUS - 0.02, _RADIUS - crack.between(0.2, 0.75), steps)
    angles = angle + np.cumsum(crack.rng.normal(0, 0.09, steps))
    points = list(zip(radii * np.cos(angles), radii * np.sin(angles), strict=True))
    distance = np.min([segment(x, y, *ends) for ends in pairwise(points)], axis=0)
    width = crack.between(0.008, 0.016)
    return crack.between(0.010, 0.05) * np.exp(-0.5 * (distance / width) ** 2)


def _chip(x: np.ndarray, y: np.ndarray, chip: Flaw) -> tuple[np.ndarray, np.ndarray]:
    """Break a piece off the rim, steep at its border, then a rough slope.

    Returns the depth of the fracture, and how far inside the part that is quite gone a point is.
    """
    angle = chip.rng.uniform(0, 2 * np.pi)
    rough = 0.02 * smooth(chip.rng, len(x), 0.02, 0.02)
    away = np.hypot(x - _RADIUS * np.cos(angle), y - _RADIUS * np.sin(angle)) + rough
    reach = chip.between(0.06, 0.22)
    inside = np.maximum(reach - away, 0)
    fracture = 1 + 0.15 * smooth(chip.rng, len(x), 0.008, 0.008)
    return (np.minimum(1.5 * inside, 0.05) + 0.4 * inside) * fracture, inside - 0.6 * reach
