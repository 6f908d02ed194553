"""Exercises of notebook 6, heat maps."""

import numpy as np

from . import Question, compare


def _side(found, size, levels) -> str | None:
    height = list(levels.values())[-1].shape[1]
    return compare(found, size / height, "pixels of the image, over positions of the last level")


def _inside(found, total, mask) -> str | None:
    expected = float(total[mask].sum() / total.sum())
    return compare(found, expected, "the map's sum inside the mask, over its sum everywhere", 1e-4)


def _lazy(found, masks, scores) -> str | None:
    shape = masks.shape
    expected = np.broadcast_to(np.asarray(scores)[:, None, None], shape)
    return compare(found, expected, "a map per image, each filled with the image's score", 1e-4)


q1 = Question(
    _side,
    hints="levels holds a map per level, shape (images, height, width); take the last one.",
    answer="side",
    solution_code="side = size / list(levels.values())[-1].shape[1]",
    praise="A defect much smaller than that cannot be outlined there, only hinted at.",
)
q2 = Question(
    _inside,
    hints="An array of booleans picks pixels: heat.total[mask].",
    answer="share",
    solution_code="share = heat.total[mask].sum() / heat.total.sum()",
    praise="Compare it with the share of the image that the mask covers.",
)
q3 = Question(
    _lazy,
    hints="np.broadcast_to(scores[:, None, None], masks.shape) repeats the scores.",
    answer="lazy",
    solution_code="lazy = np.broadcast_to(scores[:, None, None], masks.shape)",
    praise="It says which image, and nothing about where.",
)
