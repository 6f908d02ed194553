"""Exercises of notebook 9, what an alarm costs."""

import numpy as np

from . import Question


def expected_cost(false_positives, true_positives, defective, miss, look):
    missed = defective * (1 - true_positives)
    alarms = defective * true_positives + (1 - defective) * false_positives
    return missed * miss + alarms * look


def precision_at(labels, scores, k):
    highest = np.argsort(-scores)[:k]
    return labels[highest].mean()


def chance_of_more(n, rate):
    return (1 - rate) ** n


def _rates_as_counts(false_positives, true_positives, miss, look) -> float:
    return (1 - true_positives) * miss + (true_positives + false_positives) * look


_LABELS = np.array([0, 1, 0, 1, 0, 0, 1, 0, 0, 0])
_SCORES = np.array([3.0, 9.0, 1.0, 4.0, 7.0, 2.0, 8.0, 2.5, 6.0, 0.5])

q1 = Question(
    expected_cost,
    hidden=[(0.1, 0.8, 0.02, 300, 4), (0.3, 0.95, 0.2, 10, 2), (0.05, 0.5, 0.001, 5000, 20)],
    hints="Of 1,000 parts: how many are defective and missed? How many alarms are there, those of "
    "defective parts among them?",
    advice="the share of parts that are missed times `miss`, plus the share of parts with an alarm "
    "times `look`",
    mistakes={
        "an alarm of a defective part is looked at, too": (
            lambda f, t, d, miss, look: d * (1 - t) * miss + (1 - d) * f * look
        ),
        "defective parts are rare: weigh each rate with the share of its parts": (
            lambda f, t, d, miss, look: _rates_as_counts(f, t, miss, look)
        ),
        "1 - true_positives is missed; true_positives is found": (
            lambda f, t, d, miss, look: d * t * miss + (d * t + (1 - d) * f) * look
        ),
        "the two costs are exchanged": (
            lambda f, t, d, miss, look: expected_cost(f, t, d, look, miss)
        ),
        "good parts are 1 - defective of all": (
            lambda f, t, d, miss, look: d * (1 - t) * miss + (d * t + f) * look
        ),
        "that is the cost of the misses alone": lambda f, t, d, miss, look: d * (1 - t) * miss,
        "that is the cost of the alarms alone": (
            lambda f, t, d, miss, look: (d * t + (1 - d) * f) * look
        ),
        "that is the cost of 1,000 parts: that of one is asked for": (
            lambda *x: 1000 * expected_cost(*x)
        ),
    },
    praise="It is the mean over many parts, and says nothing of the bad luck of one day.",
)
q2 = Question(
    precision_at,
    hidden=[(_LABELS, _SCORES, 3), (_LABELS, _SCORES, 5), (_LABELS, -_SCORES, 6)],
    hints="np.argsort(-scores) lists the parts, the highest score first.",
    advice="the share of defective parts among the k with the highest scores",
    mistakes={
        "those are the k lowest scores": lambda y, s, k: y[np.argsort(s)[:k]].mean(),
        "that is the share of the defective parts that is among the k": (
            lambda y, s, k: y[np.argsort(-s)[:k]].sum() / y.sum()
        ),
        "that is their number: divide by k": lambda y, s, k: y[np.argsort(-s)[:k]].sum(),
        "those are the first k parts, in no order of scores": lambda y, s, k: y[:k].mean(),
        "that is divided by all parts: divide by k": (
            lambda y, s, k: y[np.argsort(-s)[:k]].sum() / len(y)
        ),
        "that is the share of defective parts of the day": lambda y, s, k: y.mean(),
        "that is one part too many": lambda y, s, k: y[np.argsort(-s)[: k + 1]].mean(),
    },
    praise="No threshold is in it: the list is as long as somebody has time.",
)
q3 = Question(
    chance_of_more,
    hidden=[(20, 0.05), (59, 0.05), (10, 0.2)],
    hints="More than `rate` of good parts pass the highest of n scores if none of the n is among "
    "the share `rate` that is highest.",
    advice="the probability that each of n scores is below the highest `rate` of all",
    mistakes={
        "that is the rate on average": lambda n, rate: 1 / (n + 1),
        "that is the probability that all n are among the highest": lambda n, rate: rate**n,
        "that is close, but n scores set the threshold, not n + 1": (
            lambda n, rate: (1 - rate) ** (n + 1)
        ),
        "that is close, but one score is missing": lambda n, rate: (1 - rate) ** (n - 1),
        "that is for one score, and there are n": lambda n, rate: 1 - rate,
        "that is how many of n are among the highest on average": lambda n, rate: n * rate,
        "that is the probability that exactly one is among the highest": (
            lambda n, rate: n * rate * (1 - rate) ** (n - 1)
        ),
        "that is close for small rates, but not it": lambda n, rate: np.exp(-n * rate),
    },
    praise="It holds for any law of the scores: nothing but their order is in it.",
)
