"""A planed pine board: growth rings cut at a shallow angle, fibres and pores."""

from functools import partial

import numpy as np

from . import defects
from .geometry import grid, mixed, moved
from .noise import smooth
from .scene import Flaw, Scene

_EARLY = np.array([0.56, 0.36, 0.19])  # pale spring wood
_LATE = np.array([0.30, 0.14, 0.055])  # dark summer wood
_WET = (0.74, 0.64, 0.51)

FLAWS = {
    "hole": defects.cut_out,
    "scratch": defects.scratch,
    "liquid": partial(defects.stain, tint=_WET),
}


def paint(size: int, rng: np.random.Generator, flaw: Flaw | None = None) -> Scene:
    """Draw a board with upright grain; its flaws are pasted on the photograph; see `drawing`."""
    x, y = grid(size)
    x, y = moved(x, y, rng.normal(0, 0.03), rng.uniform(-0.5, 0.5), rng.uniform(-1, 1))
    ring = _rings(x, y, rng)
    late = np.clip((ring % 1 - 0.35) / 0.5, 0, 1) ** 2 * np.clip((1 - ring % 1) / 0.12, 0, 1)
    fibres = smooth(rng, size, 0.09, 0.0016)
    shade = 1 + 0.075 * fibres + 0.05 * smooth(rng, size, 0.3, 0.03)
    pores = np.clip(smooth(rng, size, 0.012, 0.0012) - 1.7, 0, 1)
    wood = mixed(_EARLY, _LATE, np.clip(0.75 * late + 0.06 * fibres, 0, 1))
    tone = rng.normal(1, 0.05) * (1 + rng.normal(0, 0.03) * np.array([-1, 0, 1]))
    light = wood * (shade * (1 - 0.45 * pores))[..., None] * tone
    return Scene(light, np.ones((size, size), bool))


def _rings(x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the number of the growth ring at each point.

    Rings are cones around the trunk's axis, which passes below the board and is tilted against
    it: where the plane cuts them, they show as nested arches.
    """
    size = len(x)
    depth = rng.uniform(0.5, 0.8) + rng.uniform(0.12, 0.2) * y
    radius = np.hypot(x, depth)
    wander = 0.035 * smooth(rng, size, 0.25, 0.09) + 0.004 * smooth(rng, size, 0.04, 0.012)
    years = np.cumsum(rng.uniform(0.75, 1.25, 64))
    return np.interp((radius + wander) * 11, years - years[0], np.arange(64))
