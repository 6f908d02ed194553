"""Technical lettering: characters as strokes on a grid 4 wide and 6 high."""

from itertools import pairwise

import numpy as np

from .geometry import segment

#: Per character its strokes, each a run of points "xy", x to the right and y down.
_STROKES = {
    "A": "062046 1434",
    "B": "00063645443303 0030414233",
    "D": "00063645413000",
    "E": "40000646 0333",
    "F": "400006 0333",
    "G": "41301001051636454323",
    "I": "2026",
    "L": "000646",
    "M": "0600244046",
    "N": "06004640",
    "O": "103041453616050110",
    "P": "06003041423303",
    "R": "06003041423303 2346",
    "S": "413010010213334445361605",
    "T": "0040 2026",
    "U": "000516364540",
    "V": "002640",
    "X": "0046 4006",
    "Y": "002340 2326",
    "0": "103041453616050110",
    "1": "112026",
    "2": "01103041420646",
    "3": "0110304142334445361605 1333",
    "4": "36300444",
    "5": "400003334445361605",
    "6": "41301001051636454433 0333",
    "7": "004016",
    "8": "1030414233130405163645443313020110",
    "9": "051636454130100102133342",
    "-": "1333",
    ".": "2526",
    "/": "0640",
    " ": "",
}
_ADVANCE = 5.6  # from one character to the next


def strokes(text: str, x: np.ndarray, y: np.ndarray, height: float) -> np.ndarray:
    """Return the distance to the nearest stroke of a line of text centred on (0, 0).

    Parameters
    ----------
    text : str
        Capital letters, figures, and ``-./``.
    x, y : ndarray of float64, shape (S, S)
        Coordinates, y downwards.
    height : float
        Height of the capitals, in the units of `x` and `y`.

    Returns
    -------
    distance : ndarray of float64, shape (S, S)
        Exact up to a quarter of `height` beyond each character's frame, infinite further away.
    """
    unit = height / 6
    distance = np.full(x.shape, np.inf)
    left = -((len(text) - 1) * _ADVANCE + 4) / 2
    for character in text:
        near = (np.abs(x / unit - left - 2) < 3.5) & (np.abs(y / unit) < 4.5)
        px, py = x[near] / unit - left, y[near] / unit + 3
        for start, end in _segments(character):
            distance[near] = np.minimum(distance[near], segment(px, py, start, end) * unit)
        left += _ADVANCE
    return distance


def _segments(character: str) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Return the straight lines that make up a character, as pairs of grid points."""
    runs = [
        [(int(x), int(y)) for x, y in zip(run[::2], run[1::2], strict=True)]
        for run in _STROKES[character].split()
    ]
    return [pair for run in runs for pair in pairwise(run)]
