"""Exercises of notebook 5, evaluation."""

import numpy as np

from . import Question


def area_by_pairs(normal, anomalous):
    return np.mean(anomalous[:, None] > normal[None, :])


def rates(labels, scores, threshold):
    above = scores > threshold
    return [above[labels == 0].mean(), above[labels == 1].mean()]


def precision(defective, true_positives, false_positives):
    real = defective * true_positives
    false = (1 - defective) * false_positives
    return real / (real + false)


def _confused(labels, scores, threshold) -> list[float]:
    """Return the share of the alarms that is false, and the share of the anomalies found."""
    above = scores > threshold
    return [np.mean(labels[above] == 0), above[labels == 1].mean()]


_LABELS = np.array([0, 0, 0, 0, 0, 1, 1, 1])
_SCORES = np.array([1.0, 2.0, 5.0, 3.0, 4.0, 3.5, 7.0, 6.0])

q1 = Question(
    area_by_pairs,
    hidden=[(_SCORES[:5], _SCORES[5:]), (np.array([1.0, 9.0]), np.array([8.0, 2.0, 10.0]))],
    hints="anomalous[:, None] > normal[None, :] compares every pair at once.",
    advice="the share of pairs in which the anomalous image scores higher",
    mistakes={
        "that is the share of pairs in the wrong order": (
            lambda normal, odd: np.mean(odd[:, None] < normal[None, :])
        ),
        "that is the number of pairs: divide by how many there are": (
            lambda normal, odd: np.sum(odd[:, None] > normal[None, :])
        ),
        "that compares with the mean of the normal images; take every pair": (
            lambda normal, odd: np.mean(odd > normal.mean())
        ),
        "that compares with the median of the normal images; take every pair": (
            lambda normal, odd: np.mean(odd > np.median(normal))
        ),
        "that compares with the highest normal image; take every pair": (
            lambda normal, odd: np.mean(odd > normal.max())
        ),
        "that is each pair's answer: take the mean": (
            lambda normal, odd: (odd[:, None] > normal[None, :]).astype(float)
        ),
    },
    praise="The area is a probability: that of ranking such a pair rightly.",
)
q2 = Question(
    rates,
    hidden=[(_LABELS, _SCORES, 1.5), (_LABELS, _SCORES, 6.5)],
    hints="above = scores > threshold is a mask; its mean over a group is a rate.",
    advice="first the share of the normal, then that of the anomalous images above the threshold",
    mistakes={
        "the two are in the other order": lambda *x: rates(*x)[::-1],
        "the first is the share of the alarms that is false; the share of the normal images that "
        "give an alarm is asked for": _confused,
        "both are divided by all images: divide by those of the group": (
            lambda labels, s, t: [np.mean((labels == k) & (s > t)) for k in (0, 1)]
        ),
        "those are numbers of images: divide by those of the group": (
            lambda labels, s, t: [np.sum(s[labels == k] > t) for k in (0, 1)]
        ),
        "those are the shares below the threshold": lambda *x: [1 - rate for rate in rates(*x)],
        "those are in percent; a rate goes from 0 to 1": lambda *x: [100 * r for r in rates(*x)],
        "the first is the share of normal images without an alarm": (
            lambda *x: [1 - rates(*x)[0], rates(*x)[1]]
        ),
    },
    praise="These two numbers are one point of the ROC curve.",
)
q3 = Question(
    precision,
    hidden=[(0.2, 0.9, 0.1), (0.01, 0.45, 0.3)],
    hints="Of 1,000,000 parts, how many bad ones give an alarm, and how many good ones?",
    advice="the alarms of bad parts, divided by all alarms",
    mistakes={
        "good parts are 1 - defective of all": lambda d, t, f: d * t / (d * t + f),
        "that weighs as many good as bad parts": lambda d, t, f: t / (t + f),
        "that is the share of all parts that are bad and found: divide by all alarms": (
            lambda d, t, f: d * t
        ),
        "that is the share of all parts that give an alarm": (lambda d, t, f: d * t + (1 - d) * f),
        "divide by all alarms, the real ones among them": lambda d, t, f: d * t / ((1 - d) * f),
        "that is the true positive rate: a share of the bad parts, not of the alarms": (
            lambda d, t, f: t
        ),
    },
    praise="Where defects are rare, most alarms are false, even those of a good detector.",
)
