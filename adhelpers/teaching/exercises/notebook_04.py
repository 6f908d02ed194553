"""Exercises of notebook 4, TFLite and int8."""

import numpy as np

from . import Question, compare


def _scales(found, weights) -> str | None:
    expected = np.abs(weights).max(axis=(1, 2, 3)) / 127
    return compare(found, expected, "the largest magnitude of each output channel, over 127")


def _repaired(found, detector, train, test) -> str | None:
    expected = detector.__class__().fit(train).anomaly_score(test)
    advice = "fit a detector to the int8 features of the training images, then score those of test"
    return compare(found, expected, advice, 1e-3)


def _megabytes(found, network) -> str | None:
    return compare(found, network.count_params() / 1e6, "a byte for each parameter", 1e-3)


q1 = Question(
    _scales,
    hints="The first axis of w is the output channel: take the maximum over the three others.",
    answer="scales",
    solution_code="scales = np.abs(w).max(axis=(1, 2, 3)) / 127",
    praise="Now each channel uses all steps, and the file holds one more number per channel.",
)
q2 = Question(
    _repaired,
    hints='ad.MahalanobisDetector().fit(...) takes train["int8"]; score test["int8"] with it.',
    answer="repaired",
    solution_code="""\
own = ad.MahalanobisDetector().fit(train["int8"])
repaired = own.anomaly_score(test["int8"])""",
    praise="Both sides now come from the network that is deployed.",
)
q3 = Question(
    _megabytes,
    hints="network.count_params() counts the numbers; a megabyte is a million bytes.",
    answer="megabytes",
    solution_code="megabytes = network.count_params() / 1e6",
    praise="Compare it with the sizes above: the rest is the graph, scales, and what stays float.",
)
