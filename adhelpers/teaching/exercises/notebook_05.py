"""Exercises of notebook 5, evaluation."""

import numpy as np

from ...evaluation import roc_auc
from . import Question, compare


def _area(found, labels, scores) -> str | None:
    expected = roc_auc(labels, scores)
    advice = "the share of pairs in which the anomalous image scores higher"
    if compare(found, 1 - expected, "") is None and abs(expected - 0.5) > 1e-6:
        advice = "that is the share of pairs in the wrong order"
    elif compare(found, 100 * expected, "") is None:
        advice = "a share from 0 to 1, not percent"
    return compare(found, expected, advice)


def _rates(found, labels, scores, threshold) -> str | None:
    alarms = np.asarray(scores) > threshold
    labels = np.asarray(labels)
    expected = np.array([alarms[labels == 0].mean(), alarms[labels == 1].mean()])
    return compare(found, expected, "first the share of normal, then of anomalous images above it")


def _precision(found, found_rate, false_rate, defective) -> str | None:
    real, false = defective * found_rate, (1 - defective) * false_rate
    expected = real / (real + false)
    return compare(found, expected, "the alarms of bad parts, divided by all alarms")


q1 = Question(
    _area,
    hints="anomalous[:, None] > normal[None, :] compares every pair at once.",
    answer="area_by_pairs",
    solution_code="""\
anomalous, normal = scores[labels == 1], scores[labels == 0]
area_by_pairs = np.mean(anomalous[:, None] > normal[None, :])""",
    praise="The area is a probability: that of ranking such a pair rightly.",
)
q2 = Question(
    _rates,
    hints="alarms = scores > threshold is a mask; its mean over a group is a rate.",
    answer="rates",
    solution_code="""\
alarms = scores > threshold
rates = [alarms[labels == 0].mean(), alarms[labels == 1].mean()]""",
    praise="These two numbers are one point of the ROC curve.",
)
q3 = Question(
    _precision,
    hints="Of 1,000,000 parts, how many bad ones give an alarm, and how many good ones?",
    answer="precision",
    solution_code="""\
real = defective * found_rate
false = (1 - defective) * false_rate
precision = real / (real + false)""",
    praise="Where defects are rare, most alarms are false, even those of a good detector.",
)
