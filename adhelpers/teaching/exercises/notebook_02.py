"""Exercises of notebook 2, the features."""

import numpy as np

from ...backbones import IMAGENET_MEAN, IMAGENET_STD
from . import Question, compare


def _n_features(found, extract) -> str | None:
    return compare(found, sum(extract.levels.values()), "add the widths of all levels")


def _mirror_change(found, pooled, mirrored) -> str | None:
    last = list(pooled)[-1]
    change = np.linalg.norm(mirrored[last] - pooled[last]) / np.linalg.norm(pooled[last])
    return compare(found, float(change), f"the norm of the difference at {last} by the norm", 1e-3)


def _normalised(found, image) -> str | None:
    expected = (image / 255 - np.array(IMAGENET_MEAN)) / np.array(IMAGENET_STD)
    return compare(found, expected, "divide by 255 first; then (x - mean) / std, by channel", 1e-4)


q1 = Question(
    _n_features,
    hints="extract.levels is a dict from level names to widths.",
    answer="n_features",
    solution_code="n_features = sum(extract.levels.values())",
    praise="So many numbers describe an image, whatever its size was.",
)
q2 = Question(
    _mirror_change,
    hints="last = list(pooled)[-1] is the last level's name; np.linalg.norm gives a length.",
    answer="mirror_change",
    solution_code="""\
last = list(pooled)[-1]
difference = mirrored[last] - pooled[last]
mirror_change = np.linalg.norm(difference) / np.linalg.norm(pooled[last])""",
    praise="Pooling forgets where something is, but the filters before it know left from right.",
)
q3 = Question(
    _normalised,
    hints="NumPy applies an array of shape (3,) along the last axis, which is the channels'.",
    answer="normalised",
    solution_code="normalised = (image / 255 - np.array(mean)) / np.array(std)",
    praise="The network does this itself here: give it 0 to 255.",
)
