"""Exercises of notebook 6, heat maps."""

import numpy as np

from . import Question


def share_inside(heat, mask):
    return heat[mask].sum() / heat.sum()


def lazy_maps(scores, shape):
    return np.broadcast_to(scores[:, None, None], shape)


def distance_at(deviation, C):
    return np.sqrt(deviation @ np.linalg.solve(C, deviation) / len(deviation))


def highest_rank(n_images, n_channels):
    return min(n_images - 1, n_channels)


_HEAT = np.array([[6.0, -2.0, 1.0], [3.0, 1.0, -4.0]])
_MASK = np.array([[True, True, False], [False, True, False]])
_C = np.array([[2.0, 0.5, 0.0], [0.5, 1.0, 0.2], [0.0, 0.2, 4.0]])

q1 = Question(
    share_inside,
    hidden=[(_HEAT, _MASK), (np.abs(_HEAT), ~_MASK)],
    hints="An array of booleans picks pixels: heat[mask].",
    advice="the map's sum inside the mask, over its sum everywhere",
    mistakes={
        "that is the mask's share of the image, and not of the score": lambda h, m: m.mean(),
        "that compares the means: sums are asked for": lambda h, m: h[m].mean() / h.mean(),
        "that is the sum inside: divide by the sum everywhere": lambda h, m: h[m].sum(),
        "divide by the sum everywhere, not by that outside": (
            lambda h, m: h[m].sum() / h[~m].sum()
        ),
        "that leaves out what is below zero, which is a part of the score": (
            lambda h, m: np.maximum(h, 0)[m].sum() / np.maximum(h, 0).sum()
        ),
        "that takes magnitudes: what is below zero lowers the score": (
            lambda h, m: np.abs(h)[m].sum() / np.abs(h).sum()
        ),
    },
    tolerance=1e-4,
    praise="Compare it with the share of the image that the mask covers.",
)
q2 = Question(
    lazy_maps,
    hidden=[(np.array([3.0, 5.0]), (2, 4, 4)), (np.array([1.0, 2.0, 3.0]), (3, 3, 3))],
    hints="np.broadcast_to(scores[:, None, None], shape) repeats the scores.",
    advice="a map per image, each filled with the image's score",
    mistakes={
        "the scores lie along the columns: the first axis is that of the images": (
            lambda scores, shape: np.broadcast_to(np.resize(scores, shape[2]), shape)
        ),
        "that is one map; one per image is asked for": (
            lambda scores, shape: np.full(shape[1:], scores.mean())
        ),
        "all images have the same map: each has its own score": (
            lambda scores, shape: np.full(shape, scores.mean())
        ),
        "that fills each map with its share of the score: fill it with the score": (
            lambda scores, shape: lazy_maps(scores, shape) / (shape[1] * shape[2])
        ),
        "those are the scores: make a map of each": lambda scores, shape: scores,
        "those maps are empty": lambda scores, shape: np.zeros(shape),
    },
    tolerance=1e-4,
    praise="It says which image, and nothing about where.",
)
q3 = Question(
    distance_at,
    hidden=[(np.array([2.0, 4.0, 6.0]), _C)],
    hints="np.linalg.solve(C, deviation) is the inverse of C times the deviation. Notebook 3 has "
    "the rest; here the squared distance is divided by len(deviation).",
    advice="the squared distance over the number of channels, and the root of that",
    mistakes={
        "divide the squared distance by the number of channels before the root": (
            lambda d, C: distance_at(d, C) * np.sqrt(len(d))
        ),
        "that is the square; take its root": lambda d, C: distance_at(d, C) ** 2,
        "that is the squared distance of notebook 3: divide, then take the root": (
            lambda d, C: distance_at(d, C) ** 2 * len(d)
        ),
        "the division comes before the root": lambda d, C: distance_at(d, C) / np.sqrt(len(d)),
        "that knows no covariance": lambda d, C: np.sqrt(d @ d / len(d)),
        "that uses the variances alone, and not how channels go together": (
            lambda d, C: np.sqrt(np.mean(d**2 / np.diag(C)))
        ),
        "that multiplies by C: its inverse is needed": lambda d, C: np.sqrt(d @ C @ d / len(d)),
    },
    tolerance=1e-4,
    praise="A normal image has about 1 there.",
)
q4 = Question(
    highest_rank,
    hidden=[(48, 40), (100, 24), (5, 5)],
    hints="Two points lie on a line through their mean: one direction. Three lie in a plane.",
    advice="so many vectors, minus one, as they are taken from their mean; and never more than "
    "there are channels",
    mistakes={
        "one too many: the vectors are taken from their own mean": lambda n, c: min(n, c),
        "there cannot be more directions than channels": lambda n, c: n - 1,
        "there cannot be more directions than channels, and not as many as images": (
            lambda n, c: n
        ),
        "that is how many channels there are: do so few images span them?": lambda n, c: c,
        "the mean is of the images, and costs a direction of theirs; channels stay": (
            lambda n, c: min(n, c) - 1
        ),
    },
    praise="In all other directions S has no spread at all, and no inverse.",
)
