"""A turned steel gear on a rubber mat, at any rotation."""

from functools import partial

import numpy as np
from scipy.ndimage import gaussian_filter, map_coordinates

from . import defects
from .geometry import box, covered, grid, mixed, moved
from .noise import fractal, smooth
from .relief import shadow
from .scene import Flaw, Scene, only

_TEETH = 22
_STEEL = np.array([0.40, 0.41, 0.43])
_BROKEN = np.array([0.20, 0.20, 0.21])
_MAT = np.array([0.022, 0.026, 0.032])
_RUST = (0.72, 0.48, 0.28)
_LAMP = -2.2  # the lamp's azimuth in radians: upper left

FLAWS = {
    "chip": None,
    "scratch": defects.scratch,
    "rust": partial(defects.stain, tint=_RUST),
}


def paint(size: int, rng: np.random.Generator, flaw: Flaw | None = None) -> Scene:
    """Draw the gear near the middle of the mat; see `drawing`."""
    pixel = 2 / size
    x, y = grid(size)
    turn = rng.uniform(0, 2 * np.pi)
    x, y = moved(x, y, turn, *rng.normal(0, 0.02, 2))
    lamp = _LAMP + rng.normal(0, 0.06) - turn  # seen from the gear
    radius, angle = np.hypot(x, y), np.arctan2(y, x)
    outline = _outline(x, y, radius, angle)
    if chip := only(flaw, "chip"):
        broken = _broken_off(x, y, chip)
        outline = np.maximum(outline, -broken)
    steel = _turned_steel(radius, angle - lamp, rng)
    steel = steel * _edges(outline, radius, angle - lamp, lamp + turn)
    metal = steel[..., None] * _STEEL
    if chip:  # the fracture is rough and matt where the turned face was smooth
        rough = 1 + 0.35 * smooth(chip.rng, size, 0.006, 0.006)
        metal = mixed(metal, rough[..., None] * _BROKEN, covered(broken - 0.025, 2 * pixel))
    cover = covered(outline, pixel)
    lit = 1 - 0.8 * shadow(cover, 0.013, 0.018, 0.012)
    mat = _MAT * (lit * (1 + 0.22 * fractal(rng, size, 0.6)))[..., None]
    return Scene(mixed(mat, metal, cover), cover > 0.99)


def _outline(x: np.ndarray, y: np.ndarray, radius: np.ndarray, angle: np.ndarray) -> np.ndarray:
    """Return the signed distance to the gear: teeth outside, bore with keyway and holes inside."""
    tooth = np.clip(1.9 * np.cos(_TEETH * angle), -1, 1)  # a cosine, clipped: straight flanks
    rim = (radius - 0.745 - 0.055 * tooth) * 0.8
    bore = np.minimum(radius - 0.17, box(x - 0.17, y, 0.06, 0.045))
    sixth = np.pi / 3
    spoke = angle - sixth * np.rint(angle / sixth)
    holes = np.hypot(radius * np.cos(spoke) - 0.40, radius * np.sin(spoke)) - 0.085
    return np.maximum(rim, -np.minimum(bore, holes))


def _turned_steel(
    radius: np.ndarray, from_lamp: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Return the brightness of a face turned on a lathe.

    Concentric grooves reflect towards the camera where the radius points along or against the
    lamp: a bright bow tie that stays put while the gear turns.
    """
    grooves = gaussian_filter(rng.standard_normal((48, 160)), (1.2, 0.5), mode=("wrap", "nearest"))
    row, column = from_lamp / (2 * np.pi) * 48, radius * 160 * 0.9
    groove = map_coordinates(grooves, [row, column], order=1, mode="grid-wrap")
    bow_tie = np.square(np.square(np.cos(from_lamp)))
    recess = (radius > 0.275) & (radius < 0.60)
    face = (0.55 + 0.75 * bow_tie) * (1 + 0.22 * groove)
    return np.where(recess, 0.62 * face, face) * (1 + 0.03 * smooth(rng, len(radius), 0.08, 0.08))


def _edges(
    outline: np.ndarray, radius: np.ndarray, from_lamp: np.ndarray, lamp: float
) -> np.ndarray:
    """Return the light on the chamfers: bright where they face the lamp, dark where not."""
    pixel = 2 / len(outline)
    step = np.exp(-0.5 * ((radius - 0.275) / 0.008) ** 2)
    step = step - np.exp(-0.5 * ((radius - 0.60) / 0.008) ** 2)
    down, right = np.gradient(gaussian_filter(outline, 1), pixel)
    facing = right * np.cos(lamp) + down * np.sin(lamp)
    chamfer = covered(-outline - 0.018, 2 * pixel)
    return 1 + 0.6 * facing * chamfer + 0.4 * np.cos(from_lamp) * step


def _broken_off(x: np.ndarray, y: np.ndarray, chip: Flaw) -> np.ndarray:
    """Return the signed distance to the piece that broke off a tooth."""
    angle = 2 * np.pi * (chip.rng.integers(_TEETH) + chip.rng.uniform(-0.25, 0.25)) / _TEETH
    ragged = 0.012 * smooth(chip.rng, len(x), 0.01, 0.01)
    away = np.hypot(x - 0.80 * np.cos(angle), y - 0.80 * np.sin(angle))
    return away + ragged - chip.between(0.04, 0.18)
