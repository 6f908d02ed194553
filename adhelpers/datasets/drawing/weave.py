"""A woven cloth: a 2/2 twill of blue warp and pale weft threads."""

import numpy as np

from . import defects
from .geometry import grid, moved
from .noise import smooth
from .scene import Flaw, Scene, only

FLAWS = {"hole": None, "thread_pull": None, "stain": defects.stain}

_THREADS = 27  # across the image
_CRIMP = 0.45  # how far a thread rises and dives, in threads
_WARP = np.array([0.10, 0.17, 0.30])
_WEFT = np.array([0.46, 0.45, 0.41])
_TABLE = np.array([0.012, 0.012, 0.014])  # what shows through a hole


def paint(size: int, rng: np.random.Generator, flaw: Flaw | None = None) -> Scene:
    """Draw the cloth, slightly turned and pulled out of true; see `drawing`."""
    x, y = grid(size)
    u, v = moved(x, y, rng.normal(0, 0.035))
    u = (u + 0.008 * smooth(rng, size, 0.15, 0.1)) * _THREADS / 2 + rng.uniform(64, 68)
    v = (v + 0.008 * smooth(rng, size, 0.1, 0.15)) * _THREADS / 2 + rng.uniform(64, 68)
    spot = _spot(u, v, flaw.rng) if flaw else (0.0, 0.0)
    if pull := only(flaw, "thread_pull"):
        u = u + _pucker(u - spot[0], v - spot[1], pull)
    warp = _threads(u, v, v - np.floor(u) - 1, rng)
    weft = _threads(v, u, u - np.floor(v) - 2, rng)
    if pull:
        warp[0][_floating(u, v, spot, pull)] += 0.9
    if hole := only(flaw, "hole"):
        warp[0][_cut(u - spot[0], v - spot[1], spot[0], hole)] = -np.inf
        weft[0][_cut(v - spot[1], u - spot[0], spot[1], hole)] = -np.inf
    cloth = np.where(
        (warp[0] > weft[0])[..., None], warp[1][..., None] * _WARP, weft[1][..., None] * _WEFT
    )
    gone = np.isneginf(warp[0]) & np.isneginf(weft[0])
    light = np.where(gone[..., None], _TABLE, cloth)
    tint = 1 + 0.04 * smooth(rng, size, 0.1, 0.1)
    return Scene(light * tint[..., None], np.ones((size, size), bool))


def _threads(
    across: np.ndarray, along: np.ndarray, phase: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return height and brightness of one set of threads.

    A thread is a cylinder (`across` its axis) whose axis is a wave: in a 2/2 twill it goes over
    two threads and under two, so its period along `phase` is four.
    """
    number = np.floor(across).astype(int)
    offset = 2 * (across - number) - 1  # -1 to 1 over the thread
    thickness = rng.normal(1, 0.06, 256)[number % 256]
    wave = np.cos(np.pi / 2 * phase)
    height = thickness * np.sqrt(np.maximum(1 - 0.85 * offset**2, 0)) + _CRIMP * wave
    slope = np.sin(np.pi / 2 * phase)
    dye = rng.normal(1, 0.07, 256)[number % 256]
    # Fibres twist around the thread: stripes that run obliquely, unevenly from place to place.
    twist = np.sin(2 * np.pi * (1.1 * along + 0.9 * offset) + 2 * dye * along)
    fibres = 1 + 0.10 * twist + 0.10 * rng.standard_normal(across.shape)
    shade = (0.45 + 0.5 * height) * (1 + 0.12 * offset - 0.10 * slope)
    return height, np.maximum(shade, 0.1) * dye * fibres


def _spot(u: np.ndarray, v: np.ndarray, rng: np.random.Generator) -> tuple[float, float]:
    """Pick the middle of a crossing, away from the border."""
    row, column = rng.integers(len(u) // 5, len(u) * 4 // 5, 2)
    return float(np.floor(u[row, column]) + 0.5), float(np.floor(v[row, column]) + 0.5)


def _pucker(du: np.ndarray, dv: np.ndarray, pull: Flaw) -> np.ndarray:
    """Return how far the threads beside a pulled one are drawn towards it."""
    reach, length = pull.between(1.2, 3.0), pull.between(1.5, 7)
    # A bump that ends: threads further away do not move at all.
    bump = np.maximum(1 - (du / reach) ** 2, 0) ** 2 * np.maximum(1 - (dv / length) ** 2, 0) ** 2
    return pull.between(0.2, 0.7) * du * bump


def _floating(u: np.ndarray, v: np.ndarray, spot: tuple[float, float], pull: Flaw) -> np.ndarray:
    """Return where the pulled thread lies on top of the cloth instead of in it."""
    return (np.floor(u) == np.floor(spot[0])) & (np.abs(v - spot[1]) < pull.between(1, 5.5))


def _cut(across: np.ndarray, along: np.ndarray, centre: float, hole: Flaw) -> np.ndarray:
    """Return where threads are cut away: each ends at its own place around the hole."""
    number = np.floor(across + centre).astype(int)
    middle = number + 0.5 - centre
    radius = hole.between(0.6, 2.8)
    chord = np.sqrt(np.maximum(radius**2 - middle**2, 0))
    frayed = hole.rng.uniform(0.6, 1.3, (2, 256))[:, number % 256]
    fibres = 0.3 * smooth(hole.rng, len(across), 0.004, 0.004)
    return (along > fibres - chord * frayed[0]) & (along < fibres + chord * frayed[1])
