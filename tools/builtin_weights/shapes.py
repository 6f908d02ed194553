"""Outlines from formulas, and the light on them."""

from itertools import pairwise

import cv2
import numpy as np


def outline(rng: np.random.Generator) -> np.ndarray:
    """Draw the outline of a shape around the origin, (N, 2), within a circle of radius 1."""
    kinds = (_polygon, _blob, _superformula, _box, _turned)
    points = kinds[rng.choice(len(kinds), p=(0.2, 0.2, 0.15, 0.2, 0.25))](rng)
    return points / np.hypot(*points.T).max()


def mask(points: np.ndarray, size: int) -> np.ndarray:
    """Fill an outline in pixels: uint8, (size, size), 0 to 255, with soft edges."""
    canvas = np.zeros((size, size), np.uint8)
    cv2.fillPoly(canvas, [np.round(points * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
    return canvas


def place(points: np.ndarray, centre, radius: float, angle: float) -> np.ndarray:
    """Turn an outline, scale it, and move it."""
    c, s = np.cos(angle), np.sin(angle)
    return radius * points @ np.array([[c, s], [-s, c]]) + centre


def relief(rng: np.random.Generator, filled: np.ndarray, bumps: np.ndarray) -> np.ndarray:
    """Light a shape as a raised body.

    Parameters
    ----------
    rng : numpy.random.Generator
    filled : ndarray of uint8, shape (S, S)
        The shape.
    bumps : ndarray of float32, shape (S, S)
        The roughness of its surface, 0 to 1.

    Returns
    -------
    diffuse, highlight : ndarray of float32, shape (S, S)
    """
    depth = cv2.distanceTransform((filled > 127).astype(np.uint8), cv2.DIST_L2, 3)
    rim = rng.uniform(0.05, 1.0) * max(float(depth.max()), 1)
    height = rim * np.sqrt(np.clip(1 - (1 - np.minimum(depth / rim, 1)) ** 2, 0, 1))
    height = cv2.GaussianBlur(height + rng.exponential(1.0) * bumps, (0, 0), 0.8)
    dx, dy = cv2.Sobel(height, -1, 1, 0, scale=1 / 8), cv2.Sobel(height, -1, 0, 1, scale=1 / 8)
    light = rng.normal((0, 0, 1.5))
    light /= np.linalg.norm(light)
    norm = 1 / np.sqrt(dx * dx + dy * dy + 1)
    lambert = np.clip((light[2] - dx * light[0] - dy * light[1]) * norm, 0, 1)
    ambient = rng.uniform(0.15, 0.7)
    shine = lambert ** np.exp(rng.uniform(1, 4)) * rng.uniform(0, 1)
    return ambient + (1 - ambient) * lambert, shine.astype(np.float32)


def _polygon(rng):
    n = rng.integers(3, 9)
    angles = np.sort(rng.uniform(0, 2 * np.pi, n)) if rng.random() < 0.5 else _turn(n)
    radii = rng.uniform(0.4, 1, n) if rng.random() < 0.5 else np.ones(n)
    return np.stack([np.cos(angles), np.sin(angles)], 1) * radii[:, None]


def _blob(rng):
    angles = _turn(72)
    radius = np.ones(72)
    for order in range(2, 8):
        radius += rng.normal(0, 0.5 / order) * np.cos(order * angles + rng.uniform(0, 6))
    points = np.stack([np.cos(angles), np.sin(angles)], 1) * np.maximum(radius, 0.15)[:, None]
    return points * (1, rng.uniform(0.25, 1))


def _superformula(rng):
    """J. Gielis, "A generic geometric transformation ...", American Journal of Botany, 2003."""
    angles = _turn(120)
    m, power = rng.integers(2, 25), rng.uniform(0.5, 3)
    waves = np.abs(np.cos(m * angles / 4)) ** rng.uniform(1, 8)
    waves = waves + np.abs(np.sin(m * angles / 4)) ** rng.uniform(1, 8)
    radius = np.clip(waves ** (-1 / power), 0.3, 1.5)
    return np.stack([np.cos(angles), np.sin(angles)], 1) * radius[:, None]


def _box(rng):
    angles = _turn(64)
    power = rng.uniform(0.1, 1)
    corner = np.stack([np.cos(angles), np.sin(angles)], 1)
    return np.sign(corner) * np.abs(corner) ** power * (1, np.exp(rng.uniform(-3, 0)))


def _turned(rng):
    """A body of revolution from the side: widths along an axis, in steps, some of them ribbed."""
    t = np.linspace(-1, 1, 160)
    width = np.zeros_like(t)
    cuts = np.sort(np.r_[-1, rng.uniform(-1, 1, rng.integers(0, 5)), 1.001])
    widest = np.exp(rng.uniform(-2.5, -0.4))
    for start, end in pairwise(cuts):
        part = (t >= start) & (t < end)
        width[part] = widest * (rng.uniform(0.3, 1) + rng.normal(0, 0.15) * (t[part] - start))
        if rng.random() < 0.35:
            ribs = rng.uniform(8, 40) * t[part]
            wave = np.abs(ribs % 1 - 0.5) * 2 if rng.random() < 0.5 else ribs % 1 > 0.5
            width[part] *= 1 - rng.uniform(0.1, 0.5) * wave
    width = np.maximum(width, 0.01)
    lean = rng.normal(0, 0.15) if rng.random() < 0.3 else 0.0
    return np.r_[np.stack([t, width + lean * t**2], 1), np.stack([t, lean * t**2 - width], 1)[::-1]]


def _turn(n):
    return np.linspace(0, 2 * np.pi, n, endpoint=False)
