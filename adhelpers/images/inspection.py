"""What to know of photographs before any network sees them: light, sharpness, copies, odd ones."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import cv2
import numpy as np

from ..ground import UserError, available_cores, ordered_map
from .protocols import resize
from .reading import decode
from .statistics import light_and_sharpness

_SIDE = 256  # pixels; brightness and sharpness do not depend on the camera's resolution then
_THUMBNAIL = 64
_SAME = 1.0  # grey values, on average; noise of the camera stays below
_FAR = 5.0  # robust standard deviations
_LEAST_GREY_VALUES = 15.0  # what the light of one photograph may differ without a word
_CLIPPED = 0.5  # share of the pixels
_DARK, _BRIGHT = 5, 250


@dataclass(frozen=True)
class Survey:
    """Facts on N photographs, in order; NaN, 0 or False where one cannot be read.

    Parameters
    ----------
    paths : sequence of Path, length N
    readable : ndarray of bool, shape (N,)
    shapes : ndarray of int, shape (N, 2)
        Height and width, in pixels.
    coloured : ndarray of bool, shape (N,)
    brightness : ndarray of float, shape (N,)
        The mean grey value, 0-255.
    sharpness : ndarray of float, shape (N,)
        The standard deviation of the Laplacian, in grey values, at a width of 256 pixels.
    dark, bright : ndarray of float, shape (N,)
        The share of the pixels that are black, or white, 0-1.
    digests : sequence of str, length N
        A hash of each file's bytes.
    thumbnails : ndarray of float, shape (N, 64, 64)
        Grey values.
    """

    paths: Sequence[Path]
    readable: np.ndarray
    shapes: np.ndarray
    coloured: np.ndarray
    brightness: np.ndarray
    sharpness: np.ndarray
    dark: np.ndarray
    bright: np.ndarray
    digests: Sequence[str]
    thumbnails: np.ndarray


def survey(paths: Sequence[Path]) -> Survey:
    """Look at photographs: read each once, on all cores."""
    facts = list(ordered_map(_look, paths, available_cores()))
    columns = [np.array(column) for column in zip(*facts, strict=True)]
    digests = columns.pop(7).tolist()
    return Survey(list(paths), *columns[:7], digests, columns[7])


def _look(path: Path) -> tuple:
    data = Path(path).read_bytes()
    digest = blake2b(data, digest_size=16).hexdigest()
    try:
        image = decode(data, path)
    except UserError:
        nothing = np.full((_THUMBNAIL, _THUMBNAIL), np.nan)
        return False, (0, 0), False, np.nan, np.nan, np.nan, np.nan, digest, nothing
    height, width = image.shape[:2]
    small = resize(image, max(1, round(_SIDE * height / width)), _SIDE)
    grey = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY).astype(np.float64)
    return (
        True,
        (height, width),
        bool(np.ptp(small.astype(int), axis=2).mean() > 2),
        *light_and_sharpness(small).values(),
        np.mean(grey <= _DARK),
        np.mean(grey >= _BRIGHT),
        digest,
        cv2.resize(grey, (_THUMBNAIL, _THUMBNAIL), interpolation=cv2.INTER_AREA),
    )


def findings(found: Survey) -> dict[str, np.ndarray]:
    """Return which photographs are doubtful, by the trouble.

    Parameters
    ----------
    found : Survey

    Returns
    -------
    doubtful : dict of str to ndarray of int
        Places in the survey, in order; troubles that nothing has are left out. Of photographs that
        are copies of each other, the first is not doubtful. An odd one differs from the others by
        more than five robust standard deviations.
    """
    readable = found.readable
    copies = _seen_before(found.digests) & readable
    troubles = {
        "cannot be read": ~readable,
        "exact copy of an earlier one": copies,
        "nearly the same as an earlier one": _nearly_seen_before(found.thumbnails) & ~copies,
        "another shape than most": readable & _unusual(list(map(tuple, found.shapes)), readable),
        "grey among coloured, or coloured among grey": readable
        & _unusual(found.coloured.tolist(), readable),
        "much darker or brighter than most": _odd(found.brightness, _LEAST_GREY_VALUES),
        "much blurrier or sharper than most": _odd(np.log(found.sharpness + 1e-9), np.log(1.5)),
        "more than half black or white": (found.dark > _CLIPPED) | (found.bright > _CLIPPED),
    }
    return {name: np.flatnonzero(where) for name, where in troubles.items() if where.any()}


def _seen_before(items: Sequence) -> np.ndarray:
    firsts = {item: i for i, item in reversed(list(enumerate(items)))}
    return np.array([firsts[item] < i for i, item in enumerate(items)])


def _nearly_seen_before(thumbnails: np.ndarray) -> np.ndarray:
    again = np.zeros(len(thumbnails), dtype=bool)
    for i in range(1, len(thumbnails)):
        earlier = thumbnails[:i][~again[:i]]
        differences = np.abs(earlier - thumbnails[i]).mean(axis=(1, 2))
        again[i] = bool(np.any(differences < _SAME))  # False where NaN, one that cannot be read
    return again


def _unusual(items: Sequence, among: np.ndarray) -> np.ndarray:
    counts = Counter(item for item, counted in zip(items, among, strict=True) if counted)
    usual = counts.most_common(1)[0][0] if counts else None
    return np.array([item != usual for item in items])


def _odd(values: np.ndarray, least: float) -> np.ndarray:
    """Return which values are far from the median, and by more than `least`."""
    if not np.isfinite(values).any():
        return np.zeros(len(values), dtype=bool)
    away = np.abs(values - np.nanmedian(values))
    return away > max(least, _FAR * 1.4826 * np.nanmedian(away))
