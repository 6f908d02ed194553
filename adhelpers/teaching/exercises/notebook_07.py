"""Exercises of notebook 7, the reader's own images."""

import numpy as np

from ...detector.thresholds import conformal_count
from . import Question, compare


def _copies(found, digests) -> str | None:
    expected = len(digests) - len(set(digests))
    return compare(found, expected, "all files, less the files that differ")


def _alarm_rate(found, scores, threshold) -> str | None:
    expected = float(np.mean(np.asarray(scores) > threshold))
    return compare(found, expected, "the mean of the comparison: scores above the threshold")


def _needed(found, share) -> str | None:
    expected = conformal_count(1 - share)
    return compare(found, expected, "the best rank is 1 / (N + 1): when is that small enough?")


q1 = Question(
    _copies,
    hints="set(found.digests) holds each digest once; equal files have equal digests.",
    answer="copies",
    solution_code="copies = len(found.digests) - len(set(found.digests))",
    praise="A copy on both sides of the split would make the detector look better than it is.",
)
q2 = Question(
    _alarm_rate,
    hints="held_scores > detector.threshold_ is an array of booleans; its mean is a share.",
    answer="alarm_rate",
    solution_code="alarm_rate = np.mean(held_scores > detector.threshold_)",
    praise="Compare it with the 0.05 that the threshold was set for.",
)
q3 = Question(
    _needed,
    hints="Solve 1 / (N + 1) = 0.01 for N.",
    answer="needed",
    solution_code="needed = round(1 / 0.01 - 1)",
    praise="With fewer, no threshold can promise so few false alarms.",
)
