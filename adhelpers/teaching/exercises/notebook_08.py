"""Exercises of notebook 8, a detector in use."""

import numpy as np

import adhelpers as ad

from . import Question


def cusum(numbers, allowance):
    total, totals = 0.0, []
    for number in numbers:
        total = max(0.0, total + number - allowance)
        totals.append(total)
    return np.array(totals)


def at_least_one(probability, tests):
    return 1 - (1 - probability) ** tests


def found_after(new_normal, defective, rate):
    threshold = ad.detector.thresholds.conformal(new_normal, 1 - rate)
    return np.mean(defective > threshold)


_NUMBERS = np.array([0.5, -1.0, 2.0, 0.1, 0.0, -3.0, 1.5, -0.2])
_RISING = np.array([-2.0, -1.0, 0.6, 0.9, 1.4, 0.3])
_NEW = np.random.default_rng(3).permutation(40) + 80.0
_BAD = np.array([70.0, 95.5, 117.5, 118.5, 130.0, 119.5, 84.5])

q1 = Question(
    cusum,
    hidden=[(_NUMBERS, 0.25), (_RISING, 0.5), (_NUMBERS[::-1], 0.0)],
    hints="Begin with total = 0.0. For each number: add it, take the allowance away, and put the "
    "total back to 0 if it is below; keep the total of each step.",
    advice="after each number max(0, total before + number - allowance)",
    mistakes={
        "the sum may not go below 0: a good morning would hide a bad evening": (
            lambda x, a: np.cumsum(x - a)
        ),
        "put it back to 0 at each step, before the next number is added": (
            lambda x, a: np.maximum(np.cumsum(x - a), 0)
        ),
        "the allowance is missing": lambda x, a: cusum(x, 0),
        "the allowance is taken away, not added": lambda x, a: cusum(x, -a),
        "numbers below the allowance must lower the sum": (
            lambda x, a: np.cumsum(np.maximum(x - a, 0))
        ),
        "that is the last total: return one for each number": lambda x, a: cusum(x, a)[-1],
        "that is the highest total: return one for each number": lambda x, a: cusum(x, a).max(),
        "that follows numbers that fall; those that rise are asked for": lambda x, a: cusum(-x, a),
        "the total is 0 before the first number, and this begins with it": (
            lambda x, a: np.append(0, cusum(x, a)[:-1])
        ),
    },
    praise="A shift that no single number shows adds up, step by step.",
)
q2 = Question(
    at_least_one,
    hidden=[(0.05, 20), (0.001, 365), (0.3, 3)],
    hints="It is easier the other way round: how probable is it that no test of them gives one?",
    advice="1 minus the probability that none of the tests gives a false alarm",
    mistakes={
        "that is how many there will be on average, and may pass 1": lambda p, n: p * n,
        "that is the probability that all of them give one": lambda p, n: p**n,
        "that is the probability of a single test": lambda p, n: p,
        "that is the probability of exactly one": lambda p, n: n * p * (1 - p) ** (n - 1),
        "that is 1 minus the probability that all of them give one": lambda p, n: 1 - p**n,
        "one test is missing": lambda p, n: at_least_one(p, n - 1),
        "that is the share for each test, if all share the probability": lambda p, n: p / n,
    },
    praise="So choose the rate for the whole time, and divide it by the number of tests.",
)
q3 = Question(
    found_after,
    hidden=[(_NEW, _BAD, 0.05), (_NEW, _BAD, 0.1), (_NEW, _BAD, 0.25)],
    hints="ad.detector.thresholds.conformal(new_normal, 1 - rate) is the new threshold.",
    advice="the share of the defective scores above the conformal threshold of the new normal ones",
    mistakes={
        "that is the share that is missed": lambda new, bad, rate: 1 - found_after(new, bad, rate),
        "conformal takes the share of normal images below the threshold: 1 - rate": (
            lambda new, bad, rate: np.mean(bad > np.quantile(new, rate))
        ),
        "that is their number: divide by how many defective images there are": (
            lambda new, bad, rate: np.sum(bad > ad.detector.thresholds.conformal(new, 1 - rate))
        ),
        "that is the share of the new normal images above the threshold": (
            lambda new, bad, rate: np.mean(new > ad.detector.thresholds.conformal(new, 1 - rate))
        ),
        "that is the threshold: which share of the defective scores lies above it?": (
            lambda new, bad, rate: ad.detector.thresholds.conformal(new, 1 - rate)
        ),
        "that is the threshold at the mean of the new normal scores": (
            lambda new, bad, rate: np.mean(bad > new.mean())
        ),
        "the threshold comes from the normal scores, not from the defective ones": (
            lambda new, bad, rate: np.mean(bad > np.quantile(bad, 1 - rate))
        ),
        "that is each image's answer: take the mean": (
            lambda new, bad, rate: (bad > ad.detector.thresholds.conformal(new, 1 - rate)).astype(
                float
            )
        ),
    },
    praise="Measure it with the defects that you have before the new threshold goes to the line.",
)
