"""Patterns from formulas: grey textures, (S, S) float32 from 0 to 1, that fill a square."""

import cv2
import numpy as np


def pattern(rng: np.random.Generator, size: int) -> np.ndarray:
    """Draw a texture: one kind, or a blend of two."""
    first = _one(rng, size)
    if rng.random() < 0.35:
        share = rng.uniform(0.15, 0.85)
        second = _one(rng, size)
        first = first * second if rng.random() < 0.3 else share * first + (1 - share) * second
    return stretch(first)


def stretch(values: np.ndarray) -> np.ndarray:
    """Scale values so that 1 % of them fall below 0 and 1 % above 1, and clip."""
    low, high = np.percentile(values[::3, ::3], (1, 99))
    return np.clip((values - low) / max(high - low, 1e-6), 0, 1).astype(np.float32)


def spectral_noise(rng: np.random.Generator, size: int) -> np.ndarray:
    """Noise of the spectrum 1/f^a, perhaps stretched along a direction or cut to a band."""
    y, x = np.meshgrid(np.fft.fftfreq(size), np.fft.rfftfreq(size), indexing="ij")
    angle, ratio = rng.uniform(0, np.pi), np.exp(rng.exponential(0.7))
    u = (x * np.cos(angle) + y * np.sin(angle)) * ratio
    v = y * np.cos(angle) - x * np.sin(angle)
    f = np.hypot(u, v) + 1 / size
    amplitude = f ** -rng.uniform(0.3, 2.2)
    if rng.random() < 0.35:
        centre, width = np.exp(rng.uniform(np.log(0.02), np.log(0.3))), rng.uniform(0.1, 0.6)
        amplitude = np.exp(-0.5 * (np.log(f / centre) / width) ** 2)
    noise = rng.standard_normal((*f.shape, 2), dtype=np.float32) @ np.array([1, 1j])
    return np.fft.irfft2(noise * amplitude, (size, size)).astype(np.float32)


def smooth_noise(rng: np.random.Generator, size: int, cells: int) -> np.ndarray:
    """Noise from -1 to 1 that changes over about `size / cells` pixels."""
    grid = rng.uniform(-1, 1, (cells + 2, cells + 2)).astype(np.float32)
    return cv2.resize(grid, (size, size), interpolation=cv2.INTER_CUBIC)


def veins(rng: np.random.Generator, size: int) -> np.ndarray:
    """Ridges where noise passes through its middle."""
    noise = stretch(spectral_noise(rng, size))
    return 1 - np.abs(noise - 0.5) ** rng.uniform(0.3, 1.0)


def grating(rng: np.random.Generator, size: int) -> np.ndarray:
    """One to three bent waves, round or square."""
    y, x = np.mgrid[:size, :size].astype(np.float32)
    total = np.zeros((size, size), np.float32)
    for _ in range(rng.integers(1, 4)):
        angle = rng.uniform(0, np.pi)
        period = np.exp(rng.uniform(np.log(3), np.log(size / 2)))
        bend = rng.exponential(0.4) * smooth_noise(rng, size, rng.integers(1, 6))
        phase = 2 * np.pi * ((x * np.cos(angle) + y * np.sin(angle)) / period + bend)
        total += np.tanh(np.sin(phase + rng.uniform(0, 6)) * np.exp(rng.uniform(-1, 2)))
    return total


def cells(rng: np.random.Generator, size: int) -> np.ndarray:
    """Voronoi cells: filled, rounded, or their borders."""
    n = int(np.exp(rng.uniform(np.log(8), np.log(700))))
    seeds = np.full((size, size), 255, np.uint8)
    seeds[rng.integers(0, size, n), rng.integers(0, size, n)] = 0
    distance, labels = cv2.distanceTransformWithLabels(
        seeds, cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    grey = rng.random(labels.max() + 1, dtype=np.float32)[labels]
    kind = rng.integers(4)
    if kind == 0:
        return grey
    if kind == 1:
        return distance
    if kind == 2:
        return grey - rng.uniform(0.5, 2) * distance / distance.max()
    edge = cv2.morphologyEx(labels.astype(np.float32), cv2.MORPH_GRADIENT, np.ones((2, 2))) > 0
    return cv2.GaussianBlur(edge.astype(np.float32), (0, 0), rng.uniform(0.5, 2)) + 0.2 * grey


def lattice(rng: np.random.Generator, size: int) -> np.ndarray:
    """Round, square or crossed marks on a sheared and turned grid; bands over and under."""
    y, x = np.mgrid[:size, :size].astype(np.float32)
    angle, shear = rng.uniform(0, np.pi), rng.normal(0, 0.3)
    period = np.exp(rng.uniform(np.log(5), np.log(size / 4)))
    u = (x * np.cos(angle) + y * np.sin(angle)) / period
    v = (y * np.cos(angle) - x * np.sin(angle)) / (period * rng.uniform(0.5, 2)) + shear * u
    if rng.random() < 0.4:
        u = u + 0.5 * (np.floor(v) % 2)  # brick fashion
    a, b = np.abs(u % 1 - 0.5), np.abs(v % 1 - 0.5)
    kind = rng.integers(4)
    if kind == 0:
        distance = np.hypot(a, b)
    elif kind == 1:
        distance = np.maximum(a, b)
    elif kind == 2:
        distance = np.minimum(a, b)
    else:
        distance = np.where((np.floor(u) + np.floor(v)) % rng.integers(2, 4) == 0, a, b)
    return np.tanh((rng.uniform(0.1, 0.45) - distance) * np.exp(rng.uniform(0.5, 4)))


def strokes(rng: np.random.Generator, size: int) -> np.ndarray:
    """Many lines of like length, thickness and, perhaps, direction."""
    canvas = np.full((size, size), rng.integers(256), np.uint8)
    length = np.exp(rng.uniform(np.log(4), np.log(size)))
    n = int(min(600, rng.uniform(0.2, 3) * size * size / (length * 8)))
    start = rng.uniform(0, size, (n, 2))
    angle = rng.uniform(0, np.pi) + rng.normal(0, np.exp(rng.uniform(-3, 1)), n)
    end = start + length * np.stack([np.cos(angle), np.sin(angle)], 1)
    points = (np.stack([start, end], 1) * 16).astype(np.int32)
    thick = int(rng.integers(1, 5))
    for points_of_one, grey in zip(points, rng.integers(0, 256, n).tolist(), strict=True):
        cv2.polylines(canvas, [points_of_one], False, grey, thick, cv2.LINE_AA, 4)
    return canvas.astype(np.float32)


def grains(rng: np.random.Generator, size: int) -> np.ndarray:
    """Many ellipses of like size, flat or soft."""
    canvas = np.full((size, size), rng.integers(256), np.uint8)
    radius = np.exp(rng.uniform(np.log(1.5), np.log(size / 8)))
    n = int(min(600, rng.uniform(0.1, 2.5) * size * size / (3 * radius * radius)))
    for _ in range(n):
        axes = np.maximum(radius * rng.uniform(0.4, 1.3, 2), 1).astype(int).tolist()
        centre = rng.integers(0, size, 2).tolist()
        grey = int(rng.integers(256))
        cv2.ellipse(canvas, centre, axes, rng.uniform(0, 180), 0, 360, grey, -1, cv2.LINE_AA)
    return cv2.GaussianBlur(canvas, (0, 0), rng.uniform(0.4, 2)).astype(np.float32)


KINDS = (spectral_noise, veins, grating, cells, lattice, strokes, grains)
_SHARES = np.array([0.34, 0.1, 0.14, 0.14, 0.1, 0.09, 0.09])


def _one(rng: np.random.Generator, size: int) -> np.ndarray:
    return stretch(KINDS[rng.choice(len(KINDS), p=_SHARES)](rng, size))
