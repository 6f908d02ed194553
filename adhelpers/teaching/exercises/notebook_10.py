"""Exercises of notebook 10, many machines."""

import numpy as np

from . import Question


def joined_mean(counts, means):
    return counts @ means / counts.sum()


def joined_scatter(n_a, mean_a, scatter_a, n_b, mean_b, scatter_b):
    step = mean_b - mean_a
    between = n_a * n_b / (n_a + n_b) * np.outer(step, step)
    return scatter_a + scatter_b + between


def workers(images_a_day, milliseconds, share):
    seconds = images_a_day * milliseconds / 1000
    return int(np.ceil(seconds / (86_400 * share)))


def _between(n_a, mean_a, n_b, mean_b, factor):
    step = mean_b - mean_a
    return factor(n_a, n_b) * np.outer(step, step)


_MEANS = np.array([[1.0, 2.0], [3.0, -1.0], [0.5, 4.0]])
_A, _B = np.array([[2.0, 0.5], [0.5, 1.0]]), np.array([[1.0, -0.2], [-0.2, 3.0]])

q1 = Question(
    joined_mean,
    hidden=[(np.array([10, 1, 5]), _MEANS), (np.array([3, 9]), _MEANS[:2])],
    hints="Each part adds its sum, which is its count times its mean.",
    advice="the sum over all images, divided by how many there are",
    mistakes={
        "that gives each part the same weight; a large part counts for more": (
            lambda counts, means: means.mean(axis=0)
        ),
        "that is the sum over all images: divide by how many there are": (
            lambda counts, means: counts @ means
        ),
        "divide by the number of images, not of parts": (
            lambda counts, means: counts @ means / len(counts)
        ),
        "that is the sum of the means, without their counts": (
            lambda counts, means: means.sum(axis=0)
        ),
        "that is the median of the parts": lambda counts, means: np.median(means, axis=0),
        "that is one number: keep the features apart": (
            lambda counts, means: np.sum(counts @ means) / counts.sum()
        ),
        "that is the mean of the largest part alone": (
            lambda counts, means: means[np.argmax(counts)]
        ),
    },
    praise="A count and a mean of each part are enough: no image has to travel.",
)
q2 = Question(
    joined_scatter,
    hidden=[
        (4, _MEANS[0], _A, 9, _MEANS[1], _B),
        (20, _MEANS[1], 3 * _B, 5, _MEANS[2], _A),
    ],
    hints="About the common mean, part a has its own scatter, and n_a times the outer product of "
    "mean_a - mean with itself. Part b the same.",
    advice="the scatter about the common mean, which is neither part's own",
    mistakes={
        "the parts have means of their own: their distance is spread, too": (
            lambda n_a, a, s_a, n_b, b, s_b: s_a + s_b
        ),
        "each part is only a piece of the step from the common mean: that counts it too often": (
            lambda n_a, a, s_a, n_b, b, s_b: (
                s_a + s_b + _between(n_a, a, n_b, b, lambda n, m: n + m)
            )
        ),
        "the step between the means is weighed by how many images lie on either side": (
            lambda n_a, a, s_a, n_b, b, s_b: s_a + s_b + _between(n_a, a, n_b, b, lambda n, m: 1)
        ),
        "the spread between the parts is added, not taken away": (
            lambda n_a, a, s_a, n_b, b, s_b: (
                s_a + s_b - _between(n_a, a, n_b, b, lambda n, m: n * m / (n + m))
            )
        ),
        "that is a covariance: the scatter is not divided by the number of images": (
            lambda n_a, a, s_a, n_b, b, s_b: joined_scatter(n_a, a, s_a, n_b, b, s_b) / (n_a + n_b)
        ),
        "np.outer(step, step) is a matrix; step @ step is a number": (
            lambda n_a, a, s_a, n_b, b, s_b: (
                s_a + s_b + n_a * n_b / (n_a + n_b) * ((b - a) @ (b - a))
            )
        ),
        "scatters are sums: they are added, not averaged": (
            lambda n_a, a, s_a, n_b, b, s_b: (n_a * s_a + n_b * s_b) / (n_a + n_b)
        ),
    },
    praise="With it Gaussians are fitted on machines that never see each other's images.",
)
q3 = Question(
    workers,
    hidden=[
        (2_000_000, 50, 0.5),
        (40_000_000, 16, 0.8),
        (86_400, 1000, 0.6),
        (864_000, 50, 0.5),  # one worker exactly
    ],
    hints="How many seconds of work are there a day, and how many does one worker do?",
    advice="the day's seconds of work, divided by the seconds that a worker is at work",
    mistakes={
        "a worker is at work for a part of the day only: divide by that share": (
            lambda n, ms, share: np.ceil(n * ms / 1000 / 86_400)
        ),
        "the share makes it more workers, not fewer": (
            lambda n, ms, share: np.ceil(n * ms / 1000 / 86_400 * share)
        ),
        "with one worker fewer, images would pile up: round up": (
            lambda n, ms, share: workers(n, ms, share) - 1
        ),
        "workers are whole: round up": lambda n, ms, share: n * ms / 1000 / (86_400 * share),
        "those are milliseconds, not seconds": lambda n, ms, share: workers(1000 * n, ms, share),
        "a day has 86,400 seconds; that is an hour's 3,600": (
            lambda n, ms, share: workers(24 * n, ms, share)
        ),
        "that is one more than needed": lambda n, ms, share: workers(n, ms, share) + 1,
    },
    praise="Measure the milliseconds on your own machines, from storage to score.",
)
