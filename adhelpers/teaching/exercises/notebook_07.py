"""Exercises of notebook 7, the reader's own images."""

import numpy as np

from . import Question


def copies(digests):
    return len(digests) - len(set(digests))


def conformal_threshold(scores, rate):
    place = np.ceil((len(scores) + 1) * (1 - rate) - 1e-9)
    return np.sort(scores)[int(place) - 1]


def needed(rate):
    return np.ceil(1 / rate - 1 - 1e-9)


def _repeated(digests) -> list:
    return [digest for digest in digests if list(digests).count(digest) > 1]


_SCORES = np.random.default_rng(0).permutation(40) ** 1.5

q1 = Question(
    copies,
    hidden=[(["a", "b", "a", "c", "a", "c"],), (["a", "b", "c", "d", "a"],)],
    hints="set(digests) holds each digest once; equal files have equal digests.",
    advice="all files, less the files that differ",
    mistakes={
        "that is how many pictures occur more than once; one may have several copies": (
            lambda digests: len(set(_repeated(digests)))
        ),
        "that counts the first of each, too": lambda digests: len(_repeated(digests)),
        "that is how many different files there are": lambda digests: len(set(digests)),
        "that is how many files there are": len,
        "those are the files that have no copy": (
            lambda digests: len(digests) - len(_repeated(digests))
        ),
        "that is a share: their number is asked for": (
            lambda digests: copies(digests) / len(digests)
        ),
    },
    praise="A copy on both sides of the split would make the detector look better than it is.",
)
q2 = Question(
    conformal_threshold,
    hidden=[(_SCORES, 0.1), (_SCORES[:19], 0.05), (_SCORES, 0.25), (_SCORES[:23], 0.3)],
    hints="np.sort(scores)[k - 1] is the k-th smallest. With k = ceil((N + 1)(1 - rate)), a new "
    "score is equally likely to take any of N + 1 places, and at most the share `rate` of them "
    "lie above.",
    advice="the k-th smallest score, with k = (N + 1)(1 - rate), rounded up",
    mistakes={
        "that is the plain quantile of N scores; the new one makes N + 1 places": (
            lambda scores, rate: np.quantile(scores, 1 - rate)
        ),
        "one place too high: Python counts from 0": (
            lambda scores, rate: np.sort(scores)[int(np.ceil((len(scores) + 1) * (1 - rate)))]
        ),
        "the scores are not sorted": (
            lambda s, rate: s[int(np.ceil((len(s) + 1) * (1 - rate) - 1e-9)) - 1]
        ),
        "that counts N places; there are N + 1": (
            lambda s, rate: np.sort(s)[int(np.ceil(len(s) * (1 - rate) - 1e-9)) - 1]
        ),
        "round up: one place lower promises too much": (
            lambda s, rate: np.sort(s)[int((len(s) + 1) * (1 - rate) + 1e-9) - 1]
        ),
        "that is the place of the score: take the score there": (
            lambda s, rate: np.ceil((len(s) + 1) * (1 - rate) - 1e-9)
        ),
        "that leaves the share `rate` below, not above": (
            lambda scores, rate: conformal_threshold(scores, 1 - rate)
        ),
        "that is the mean and some standard deviations, which holds for Gaussian scores alone": (
            lambda scores, rate: scores.mean() + 1.645 * scores.std()
        ),
        "that is the highest score, which fewer pass than may": lambda s, rate: np.max(s),
    },
    praise="New good parts pass it with that probability at most, averaged over such sets.",
)
q3 = Question(
    needed,
    hidden=[(0.05,), (0.1,), (0.03,)],
    hints="Solve 1 / (N + 1) = rate for N; if that is no whole number, the next one above.",
    advice="the best rank is 1 / (N + 1): when is that small enough?",
    mistakes={
        "one too many: the new photograph counts, too": lambda rate: np.ceil(1 / rate - 1e-9),
        "round up: with one fewer, the share is larger": lambda rate: np.floor(1 / rate - 1),
        "one too few": lambda rate: needed(rate) - 1,
        "that is a share; a number of photographs is asked for": lambda rate: 1 / (1 + 1 / rate),
        "rate is a share, not percent": lambda rate: np.ceil(100 / rate - 1),
        "a number of photographs is whole: round up": lambda rate: 1 / rate - 1,
    },
    praise="With fewer, no threshold can promise so few false alarms.",
)
