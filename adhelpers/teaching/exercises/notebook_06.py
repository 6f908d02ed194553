"""Exercises of notebook 6, heat maps."""

import numpy as np

from . import Question, compare


def _inside(found, total, mask) -> str | None:
    expected = float(total[mask].sum() / total.sum())
    return compare(found, expected, "the map's sum inside the mask, over its sum everywhere", 1e-4)


def _lazy(found, masks, scores) -> str | None:
    shape = masks.shape
    expected = np.broadcast_to(np.asarray(scores)[:, None, None], shape)
    return compare(found, expected, "a map per image, each filled with the image's score", 1e-4)


def _distance(found, deviation, covariance) -> str | None:
    squared = float(deviation @ np.linalg.solve(covariance, deviation))
    expected = np.sqrt(squared / len(deviation))
    advice = "the squared distance over the number of channels, and the root of that"
    if compare(found, np.sqrt(squared), "", 1e-4) is None:
        advice = "divide the squared distance by the number of channels before the root"
    elif compare(found, expected**2, "", 1e-4) is None:
        advice = "that is the square; take its root"
    return compare(found, expected, advice, 1e-4)


def _rank(found, maps) -> str | None:
    expected = min(len(maps) - 1, maps.shape[-1])
    return compare(found, expected, "so many vectors, minus one, as they are taken from their mean")


q1 = Question(
    _inside,
    hints="An array of booleans picks pixels: heat.total[mask].",
    answer="share",
    solution_code="share = heat.total[mask].sum() / heat.total.sum()",
    praise="Compare it with the share of the image that the mask covers.",
)
q2 = Question(
    _lazy,
    hints="np.broadcast_to(scores[:, None, None], masks.shape) repeats the scores.",
    answer="lazy",
    solution_code="lazy = np.broadcast_to(scores[:, None, None], masks.shape)",
    praise="It says which image, and nothing about where.",
)
q3 = Question(
    _distance,
    hints="np.linalg.solve(C, deviation) is the inverse of C times the deviation. Notebook 3 has "
    "the rest; here the squared distance is divided by len(deviation).",
    answer="distance",
    solution_code=(
        "distance = np.sqrt(deviation @ np.linalg.solve(C, deviation) / len(deviation))"
    ),
    praise="A normal image has about 1 there.",
)
q4 = Question(
    _rank,
    hints="Two points lie on a line through their mean: one direction. Three lie in a plane.",
    answer="rank",
    solution_code="rank = min(len(few) - 1, few.shape[-1])",
    praise="In all other directions S has no spread at all, and no inverse.",
)
