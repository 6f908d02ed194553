"""A printed paper label on cardboard: a logo, lines of text, a barcode and a lot code."""

from functools import lru_cache

import numpy as np
from scipy.ndimage import gaussian_filter, map_coordinates

from .geometry import box, covered, grid, mixed, moved
from .lettering import strokes
from .noise import fractal, smooth
from .scene import Flaw, Scene, only

FLAWS = {"faded": None, "smudge": None, "tear": None}

_WIDTH, _HEIGHT = 0.80, 0.66  # half the label
_PAPER = np.array([0.72, 0.71, 0.67])
_CARDBOARD = np.array([0.30, 0.185, 0.095])
_FIBRE = np.array([0.62, 0.58, 0.51])  # the inside of torn paper
_BLACK = np.array([0.030, 0.030, 0.034])
_GREEN = np.array([0.030, 0.175, 0.135])
_PLATE = 640  # side of the printing plates


def paint(size: int, rng: np.random.Generator, flaw: Flaw | None = None) -> Scene:
    """Draw the label, put on by a machine that is a little out of true; see `drawing`."""
    pixel = 2 / size
    x, y = moved(*grid(size), rng.normal(0, 0.02), *rng.normal(0, 0.02, 2))
    black = np.maximum(_printed(_black_plate(size), x, y), _lot_code(x, y, rng))
    # The green ink goes on in a second pass, never quite in register with the first.
    slip = rng.normal(0, 0.004, 2)
    green = _printed(_green_plate(size), x - slip[0], y - slip[1])
    if smudge := only(flaw, "smudge"):
        black, green = _smudged(black, green, x, y, smudge)
    density = 0.93 + 0.03 * smooth(rng, size, 0.004, 0.004)
    if faded := only(flaw, "faded"):
        density = density * (1 - _starved(x, y, faded))
    paper = _PAPER * (1 + 0.012 * fractal(rng, size, 0.5))[..., None]
    paper = mixed(paper, np.broadcast_to(_GREEN, paper.shape), green * density)
    paper = mixed(paper, np.broadcast_to(_BLACK, paper.shape), black * density)
    outline = box(x, y, _WIDTH, _HEIGHT, 0.05)
    if tear := only(flaw, "tear"):
        torn = _torn(x, y, tear)
        paper = mixed(paper, np.broadcast_to(_FIBRE, paper.shape), covered(torn - 0.045, 2 * pixel))
        outline = np.maximum(outline, -torn)
    cover = covered(outline, 1.5 * pixel)
    shadow = gaussian_filter(covered(outline - 0.01, 0.03), 0.006 * size)
    cardboard = _cardboard(size, rng) * (1 - 0.45 * shadow)[..., None]
    return Scene(mixed(cardboard, paper, cover), cover > 0.99)


@lru_cache(maxsize=2)
def _black_plate(size: int) -> np.ndarray:
    """Return the black plate: ink cover 0-1, as sharp as an image of this size can show it."""
    x, y = grid(_PLATE)
    softness = 3 / _PLATE
    lines = [
        ("GAUSS", 0.16, -0.42, 0.13, 0.016),
        ("PRESSURE VALVE SET", -0.02, -0.17, 0.062, 0.0075),
        ("PART NO. 2005-14140", -0.115, -0.05, 0.05, 0.006),
        ("LOT", -0.65, 0.50, 0.06, 0.007),
        ("9 783161 484100", 0.24, 0.50, 0.05, 0.006),
    ]
    ink = np.zeros_like(x)
    for text, across, down, height, weight in lines:
        distance = strokes(text, x - across, y - down, height) - weight
        ink = np.maximum(ink, covered(distance, softness))
    frame = np.abs(box(x, y, _WIDTH - 0.05, _HEIGHT - 0.05, 0.03)) - 0.004
    plate = np.maximum.reduce([ink, covered(frame, softness), _barcode(x, y)])
    return gaussian_filter(plate, 0.4 * _PLATE / size)


def _barcode(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the bars of the barcode."""
    widths = np.random.default_rng(13).integers(1, 4, 60)
    ends = np.cumsum(widths)
    start, width = -0.18, 0.84
    module = np.searchsorted(ends, (x - start) / width * ends[-1], side="right")
    inside = (x > start) & (x < start + width) & (np.abs(y - 0.25) < 0.17)
    return (inside & (module % 2 == 0)).astype(float)


@lru_cache(maxsize=2)
def _green_plate(size: int) -> np.ndarray:
    """Return the green plate: the logo, a rule and a mark, as sharp as in `_black_plate`."""
    x, y = grid(_PLATE)
    softness = 3 / _PLATE
    u, v = x + 0.54, y + 0.40
    # The logo: a disc, out of which a Gaussian curve is left white.
    curve = np.abs(v + 0.17 * np.exp(-0.5 * (u / 0.05) ** 2) - 0.07) - 0.013
    disc = np.maximum(np.hypot(u, v) - 0.15, -curve)
    rule = box(x, y + 0.245, 0.69, 0.012)
    block = box(x + 0.50, y - 0.25, 0.19, 0.17, 0.02)
    mark = np.maximum(block, -(strokes("B0", x + 0.50, y - 0.25, 0.2) - 0.02))
    plate = covered(np.minimum.reduce([disc, rule, mark]), softness)
    return gaussian_filter(plate, 0.4 * _PLATE / size)


def _printed(plate: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the plate's ink at the given label coordinates."""
    return map_coordinates(plate, (np.stack([y, x]) + 1) * _PLATE / 2 - 0.5, order=1)


def _lot_code(x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the ink of the lot code, which differs from label to label."""
    code = "".join(rng.choice(list("0123456789"), 4))
    dx, dy = rng.normal(0, 0.008, 2)
    distance = strokes(code, x + 0.39 - dx, y - 0.50 - dy, 0.07) - 0.008
    return covered(distance, 3 / len(x))


def _cardboard(size: int, rng: np.random.Generator) -> np.ndarray:
    """Return cardboard: fibres, and the flutes that show through the liner."""
    _, y = grid(size)
    flutes = 0.025 * np.sin(2 * np.pi * (9 * y + rng.uniform()))
    fibres = 0.06 * smooth(rng, size, 0.002, 0.012) + 0.05 * fractal(rng, size, 0.7)
    return _CARDBOARD * (1 + flutes + fibres)[..., None]


def _starved(x: np.ndarray, y: np.ndarray, faded: Flaw) -> np.ndarray:
    """Return how much ink is missing: a streaky band across the label."""
    across, _ = moved(x, y, faded.rng.choice([0, np.pi / 2]) + faded.rng.normal(0, 0.05))
    width = faded.between(0.05, 0.14)
    band = np.exp(-(((across - faded.rng.uniform(-0.45, 0.45)) / width) ** 4))
    streaks = smooth(faded.rng, len(x), 0.02, 0.02)
    return np.clip(band * faded.between(0.3, 0.95) * (1 + 0.3 * streaks), 0, 1)


def _smudged(
    black: np.ndarray, green: np.ndarray, x: np.ndarray, y: np.ndarray, smudge: Flaw
) -> tuple[np.ndarray, np.ndarray]:
    """Drag wet ink sideways in a patch of the print."""
    centre = smudge.rng.uniform((-0.5, -0.4), (0.5, 0.4))
    u, v = moved(x, y, 0.0, *centre)
    reach = smudge.between(0.15, 0.42)
    ragged = 0.15 * smooth(smudge.rng, len(x), 0.01, 0.06)
    patch = np.clip(2.5 * (1 - np.hypot(u, 1.6 * v) / reach + ragged), 0, 1)
    drag = (0.004 * len(x), smudge.between(0.013, 0.040) * len(x))
    wet = smudge.between(0.5, 0.95) * patch
    return tuple(ink + wet * (gaussian_filter(ink, drag) - ink) for ink in (black, green))


def _torn(x: np.ndarray, y: np.ndarray, tear: Flaw) -> np.ndarray:
    """Return the signed distance to a torn-off corner."""
    right, down = tear.rng.choice([-1, 1], 2)
    slant = tear.rng.uniform(0.4, 1.2)
    inwards = (_WIDTH - right * x) * np.cos(slant) + (_HEIGHT - down * y) * np.sin(slant)
    ragged = smooth(tear.rng, len(x), 0.05, 0.05) + 0.3 * smooth(tear.rng, len(x), 0.008, 0.008)
    return inwards - tear.between(0.07, 0.45) + 0.02 * ragged
