"""Pictures from formulas: textures, dead leaves, objects on a ground, and a camera's faults."""

from collections.abc import Iterator

import cv2
import numpy as np

from . import patterns, shapes

_TEXTURES, _SCENES_AT_HAND = 48, 96
_RENEWAL = 0.5  # the chance that a pair has a scene drawn anew, and that scene a texture


def stream(seed, size: int) -> Iterator[np.ndarray]:
    """Yield pictures for ever: uint8, (size, size, 3), RGB.

    They come in pairs: every second one shows the scene of the one before it, with a change.
    Drawing costs more than taking pictures, so a scene is met in more than one pair, turned and
    mirrored, in different light.
    """
    cv2.setNumThreads(1)
    rng = np.random.default_rng(seed)
    bank = [patterns.pattern(rng, 2 * size) for _ in range(_TEXTURES)]
    scenes = []
    while True:
        if len(scenes) < _SCENES_AT_HAND:
            scenes.append(draw(rng, bank, size))
        elif rng.random() < _RENEWAL:
            scenes[rng.integers(len(scenes))] = draw(rng, bank, size)
        scene = np.rot90(scenes[rng.integers(len(scenes))], rng.integers(4))
        yield from pair(rng, bank, np.ascontiguousarray(scene[:: rng.choice((-1, 1))]))


def pair(rng: np.random.Generator, bank: list[np.ndarray], scene: np.ndarray):
    """Take two pictures of a scene with one camera: before and after something small has changed.

    As between the images of one category, the place, the light and the grain differ a little, too.
    """
    camera = rng.integers(1 << 62)
    for image in (scene, changed(rng, bank, scene)):
        picture = photograph(np.random.default_rng(camera), moved(rng, image))
        noise = rng.exponential(1.5) * rng.standard_normal(picture.shape, np.float32)
        lit = picture * rng.normal(1, 0.02) + rng.normal(0, 2) + noise
        yield np.clip(np.round(lit), 0, 255).astype(np.uint8)


def moved(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """Turn and shift a scene a little."""
    size = image.shape[0]
    matrix = cv2.getRotationMatrix2D((size / 2, size / 2), rng.normal(0, 1.5), 1)
    matrix[:, 2] += rng.normal(0, 0.01 * size, 2)
    return cv2.warpAffine(image, matrix, (size, size), borderMode=cv2.BORDER_REFLECT)


def changed(rng: np.random.Generator, bank: list[np.ndarray], scene: np.ndarray) -> np.ndarray:
    """Copy a scene with marks, something on it, or a spot that is blurred, swapped or lit."""
    image, size = scene.copy(), scene.shape[0]
    centre, radius = rng.uniform(0.1, 0.9, 2) * size, size * np.exp(rng.uniform(-3.5, -1.5))
    spot = shapes.place(shapes.outline(rng), centre, radius, rng.uniform(0, 6.3))
    kind = rng.integers(5)
    if kind == 0:
        marks(rng, image)
        return image
    if kind == 1:
        leaf(rng, bank, image, spot)
        return image
    if kind == 2:
        other = cv2.GaussianBlur(image, (0, 0), rng.uniform(1.5, 5))
    elif kind == 3:
        other = np.roll(image, rng.integers(size // 8, size // 2, 2), (0, 1))
    else:
        other = image * np.exp(rng.normal(0, 0.4)) + rng.normal(0, 0.1, 3).astype(np.float32)
    soft = cv2.GaussianBlur(shapes.mask(spot, size), (0, 0), rng.uniform(0.5, 3))[..., None] / 255
    return (image + soft * (other - image)).astype(np.float32)


def draw(rng: np.random.Generator, bank: list[np.ndarray], size: int) -> np.ndarray:
    """Draw a scene, (size, size, 3) float32, about 0 to 1, and perhaps renew a texture."""
    if rng.random() < _RENEWAL:
        bank[rng.integers(len(bank))] = patterns.pattern(rng, 2 * size)
    return _SCENES[rng.choice(len(_SCENES), p=_SHARES)](rng, bank, size)


def texture(rng: np.random.Generator, bank: list[np.ndarray], height: int, width: int):
    """Cut a turned and scaled piece out of a texture of the bank: float32, 0 to 1."""
    source = bank[rng.integers(len(bank))]
    side = source.shape[0]
    scale, angle = np.exp(rng.uniform(-1.0, 0.9)), rng.uniform(0, 2 * np.pi)
    c, s = scale * np.cos(angle), scale * np.sin(angle)
    matrix = np.array([[c, -s, rng.uniform(0, side)], [s, c, rng.uniform(0, side)]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(source, matrix, (width, height), flags=flags, borderMode=cv2.BORDER_WRAP)


def palette(rng: np.random.Generator) -> np.ndarray:
    """Draw a scale of colours, (256, 3) float32, 0 to 1: two to four stops, often near grey."""
    stops = rng.integers(2, 5)
    middle = rng.uniform(0.05, 0.95)
    grey = middle + rng.uniform(0.02, 0.6) * rng.uniform(-1, 1, (stops, 1))
    if rng.random() < 0.5:
        grey = np.sort(grey, axis=0)
    tint = rng.normal(0, 1, 3) * rng.exponential(0.10)
    colours = grey * (1 + tint) + rng.normal(0, 1, (stops, 3)) * rng.exponential(0.05)
    if rng.random() < 0.15:
        colours = rng.random((stops, 3))
    at = np.linspace(0, 1, 256)
    ramp = [np.interp(at, np.linspace(0, 1, stops), colour) for colour in colours.T]
    return np.clip(np.stack(ramp, 1), 0, 1).astype(np.float32)


def colour(rng: np.random.Generator, grey: np.ndarray) -> np.ndarray:
    """Give a texture colours: (H, W) to (H, W, 3), float32, 0 to 1."""
    return palette(rng)[(grey * 255).astype(np.uint8)]


def plain_texture(rng, bank, size):
    """One texture, perhaps with a second one in patches, and some faults."""
    image = colour(rng, texture(rng, bank, size, size))
    if rng.random() < 0.3:
        where = texture(rng, bank, size, size)[..., None]
        where = 1 / (1 + np.exp(-(where - rng.uniform(0.3, 0.7)) * np.exp(rng.uniform(1, 4))))
        image += where * (colour(rng, texture(rng, bank, size, size)) - image)
    if rng.random() < 0.5:
        marks(rng, image)
    return image


def dead_leaves(rng, bank, size):
    """Textured shapes over each other, of sizes by a power law."""
    image = colour(rng, texture(rng, bank, size, size))
    count = int(np.exp(rng.uniform(np.log(4), np.log(60))))
    smallest = rng.uniform(0.02, 0.15)
    same = shapes.outline(rng) if rng.random() < 0.25 else None
    radii = size * np.minimum(smallest * rng.pareto(1.5, count) + smallest, 0.6)
    for radius in radii:
        points = shapes.outline(rng) if same is None else same
        points = shapes.place(points, rng.uniform(0, size, 2), radius, rng.uniform(0, 6.3))
        leaf(rng, bank, image, points)
    return image


def leaf(rng, bank, image, points, lit=0.3):
    """Paint one textured shape; with the chance `lit`, as a raised body with a shadow."""
    size = image.shape[0]
    low = np.clip(np.floor(points.min(0)).astype(int) - 6, 0, size - 1)
    high = np.clip(np.ceil(points.max(0)).astype(int) + 7, low + 1, size)
    side = int((high - low).max())
    filled = shapes.mask(points - low, side)
    x, y = (int(v) for v in np.minimum(low, size - 1))
    window = image[y : y + side, x : x + side]
    height, width = window.shape[:2]
    grey = texture(rng, bank, side, side)
    if rng.random() < 0.3:
        grey = 0.5 + rng.uniform(0, 0.3) * (grey - 0.5)
    surface = colour(rng, grey)
    alpha = filled.astype(np.float32)[..., None] / 255
    if rng.random() < lit:
        diffuse, shine = shapes.relief(rng, filled, grey)
        surface = surface * diffuse[..., None] + shine[..., None]
        reach = rng.uniform(1, 5)
        shadow = cv2.GaussianBlur(np.roll(alpha, rng.integers(-4, 5, 2), (0, 1)), (0, 0), reach)
        window *= 1 - rng.uniform(0, 0.6) * shadow[:height, :width, None]
    window += alpha[:height, :width] * (surface[:height, :width] - window)


def objects(rng, bank, size):
    """One or a few bodies, with parts and marks, on a quiet ground."""
    ground = texture(rng, bank, size, size)
    ground = 0.5 + rng.choice((0.0, 0.05, 0.3, 1.0), p=(0.4, 0.3, 0.2, 0.1)) * (ground - 0.5)
    image = colour(rng, ground)
    count = rng.choice((1, 2, 3, 6), p=(0.6, 0.15, 0.15, 0.1))
    radius = size * rng.uniform(0.25, 0.6) / count**0.4
    body = shapes.outline(rng)
    turn = rng.uniform(0, 6.3)
    for _ in range(count):
        if rng.random() < 0.4:
            turn = rng.uniform(0, 6.3)
        centre = size * (rng.normal(0.5, 0.04, 2) if count == 1 else rng.uniform(0.1, 0.9, 2))
        points = shapes.place(body, centre, radius, turn)
        leaf(rng, bank, image, points, lit=0.75)
        parts(rng, bank, image, centre, radius, turn)
    if rng.random() < 0.4:
        marks(rng, image)
    return image


def parts(rng, bank, image, centre, radius, turn):
    """Paint details on a body: around its centre, along its axis, or over its face."""
    for _ in range(rng.integers(0, 4)):
        part = shapes.outline(rng)
        small = radius * np.exp(rng.uniform(-3, -0.7))
        count = int(rng.choice((1, 1, 4, 8, 16)))
        kind = rng.integers(3)
        angles = turn + np.linspace(0, 2 * np.pi, count, endpoint=False)
        along = np.linspace(-0.8, 0.8, count)[:, None] * (np.cos(turn), np.sin(turn))
        ring = rng.uniform(0, 0.8) * np.stack([np.cos(angles), np.sin(angles)], 1)
        offsets = (ring, along, rng.normal(0, 0.35, (count, 2)))[kind]
        flat = rng.bit_generator.state if rng.random() < 0.7 else None
        for offset, angle in zip(offsets, angles, strict=True):
            if flat is not None:
                rng.bit_generator.state = flat  # every part alike
            own = angle if kind == 0 else turn
            leaf(rng, bank, image, shapes.place(part, centre + radius * offset, small, own), 0.5)


def marks(rng, image):
    """Lines, scratches, dots and lettering, in place."""
    size = image.shape[0]
    for _ in range(rng.integers(1, 5)):
        drawn = np.zeros((size, size), np.uint8)
        (_lettering, _scratch, _line, _dots)[rng.integers(4)](rng, drawn, rng.integers(0, size, 2))
        tone = np.clip(rng.uniform(0, 1) + rng.normal(0, 0.1, 3), 0, 1)
        image += drawn[..., None] / np.float32(255) * (tone.astype(np.float32) - image)


def _thickness(rng):
    return int(rng.choice((1, 1, 2, 3)))


def _lettering(rng, drawn, at):
    text = "".join(chr(c) for c in rng.integers(33, 127, rng.integers(1, 9)))
    face, scale = int(rng.integers(8)), rng.uniform(0.25, 1.2)
    cv2.putText(drawn, text, at.tolist(), face, scale, 255, _thickness(rng), cv2.LINE_AA)


def _scratch(rng, drawn, at):
    size = drawn.shape[0]
    steps = rng.normal(0, size / 12, (rng.integers(2, 12), 2)) + rng.normal(0, size / 20, 2)
    walk = ((at + np.cumsum(steps, 0)) * 16).astype(np.int32)
    cv2.polylines(drawn, [walk], False, 255, _thickness(rng), cv2.LINE_AA, 4)


def _line(rng, drawn, at):
    end = rng.integers(0, drawn.shape[0], 2).tolist()
    cv2.line(drawn, at.tolist(), end, 255, _thickness(rng), cv2.LINE_AA)


def _dots(rng, drawn, at):
    spread = drawn.shape[0] / 10
    for centre in (at + rng.normal(0, spread, (rng.integers(1, 20), 2))).astype(int):
        cv2.circle(drawn, centre.tolist(), int(rng.integers(1, 4)), 255, -1, cv2.LINE_AA)


def photograph(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """Take a picture of a scene: light, blur, contrast, grain, and often without colour."""
    size = image.shape[0]
    if rng.random() < 0.35:
        image = np.repeat(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2)
    if rng.random() < 0.5:
        light = patterns.smooth_noise(rng, size, int(rng.integers(0, 3)))
        image = image * (1 + rng.uniform(0, 0.5) * light[..., None])
    if rng.random() < 0.5:
        image = cv2.GaussianBlur(image, (0, 0), np.exp(rng.uniform(-1, 0.9)))
    if rng.random() < 0.3:
        image = np.clip(image, 0, 1) ** np.exp(rng.normal(0, 0.4))
    contrast, middle = image.std(), image.mean()
    wanted = np.clip(contrast * np.exp(rng.normal(0, 0.25)), rng.uniform(0.03, 0.12), 0.35)
    level = np.clip(middle + rng.normal(0, 0.1), 0.12, 0.88)
    image = (image - middle) * (wanted / max(contrast, 0.01)) + level
    grain = rng.exponential(0.012)
    noise = rng.integers(-128, 128, (size, size, 3), dtype=np.int8)
    image = image * 255 + (grain * 3.5) * noise
    return np.clip(image, 0, 255).astype(np.uint8)


_SCENES = (plain_texture, dead_leaves, objects)
_SHARES = (0.28, 0.3, 0.42)
