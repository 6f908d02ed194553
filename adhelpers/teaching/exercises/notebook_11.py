"""Exercises of notebook 11, other methods."""

import numpy as np

from . import Question


def nearest(x, bank):
    steps = x[:, None, :] - bank[None, :, :]
    return np.sqrt((steps**2).sum(axis=-1)).min(axis=1)


def bank_megabytes(n_images, shape, share):
    height, width, channels = shape
    return 4e-6 * share * n_images * height * width * channels


def largest_step(n_normal, n_anomalous):
    return 1 / min(n_normal, n_anomalous)


def _steps(x, bank) -> np.ndarray:
    return x[:, None, :] - bank[None, :, :]


_RNG = np.random.default_rng(0)
_X, _BANK = _RNG.normal(size=(6, 3)), _RNG.normal(1.0, 2.0, size=(9, 3))

q1 = Question(
    nearest,
    hidden=[(_X, _BANK), (_BANK, _X)],
    hints="x[:, None, :] - bank[None, :, :] holds the step from every row of x to every row of "
    "the bank.",
    advice="for each row of x, the length of the shortest step to a row of the bank",
    mistakes={
        "those are squared lengths: take the root": lambda x, bank: nearest(x, bank) ** 2,
        "that is the farthest row of the bank": (
            lambda x, bank: np.sqrt((_steps(x, bank) ** 2).sum(axis=-1)).max(axis=1)
        ),
        "that is the mean over the bank: the nearest row is asked for": (
            lambda x, bank: np.sqrt((_steps(x, bank) ** 2).sum(axis=-1)).mean(axis=1)
        ),
        "that is the distance from the bank's mean, and not from its nearest row": (
            lambda x, bank: np.linalg.norm(x - bank.mean(axis=0), axis=1)
        ),
        "that is the place of the nearest row: its distance is asked for": (
            lambda x, bank: np.sqrt((_steps(x, bank) ** 2).sum(axis=-1)).argmin(axis=1)
        ),
        "that is, for each row of the bank, the nearest row of x": (
            lambda x, bank: nearest(bank, x)
        ),
        "that adds up magnitudes: a length is the root of the sum of squares": (
            lambda x, bank: np.abs(_steps(x, bank)).sum(axis=-1).min(axis=1)
        ),
        "that is the mean over the channels: take their sum": (
            lambda x, bank: np.sqrt((_steps(x, bank) ** 2).mean(axis=-1)).min(axis=1)
        ),
    },
    praise="No mean, no covariance: what was seen is kept, and what is new is compared with it.",
)
q2 = Question(
    bank_megabytes,
    hidden=[(60, (28, 28, 176), 0.1), (1000, (14, 14, 112), 0.01), (320, (28, 20, 96), 0.25)],
    hints="Each image adds height x width vectors of so many channels, of which a share is kept.",
    advice="numbers kept: share x images x positions x channels; 4 bytes each, 10^6 to a megabyte",
    mistakes={
        "a number takes 4 bytes": lambda n, s, share: bank_megabytes(n, s, share) / 4,
        "those are 8 bytes a number; 32 bits are 4": lambda n, s, share: (
            2 * bank_megabytes(n, s, share)
        ),
        "that keeps all vectors: only a share of them": lambda n, s, share: bank_megabytes(n, s, 1),
        "that is one image: all of them are in the bank": lambda n, s, share: bank_megabytes(
            1, s, share
        ),
        "each position has a vector of its own: height times width of them": lambda n, s, share: (
            4e-6 * share * n * s[0] * s[2]
        ),
        "a vector has as many numbers as there are channels": lambda n, s, share: (
            4e-6 * share * n * s[0] * s[1]
        ),
        "that is in bytes: divide by a million": lambda n, s, share: (
            1e6 * bank_megabytes(n, s, share)
        ),
        "that is what is thrown away: the share is what is kept": lambda n, s, share: (
            bank_megabytes(n, s, 1 - share)
        ),
    },
    praise="It grows with the images; Gaussians do not.",
)
q3 = Question(
    largest_step,
    hidden=[(41, 119), (30, 8), (5, 20), (50, 16)],
    hints="The area is the share of pairs in the right order. One normal image is in n_anomalous "
    "of the n_normal x n_anomalous pairs; one anomalous image, in n_normal of them.",
    advice="the largest share of all pairs that one image can be in",
    mistakes={
        "that is one pair; an image is in many": lambda n, a: 1 / (n * a),
        "that is one image among all; count pairs": lambda n, a: 1 / (n + a),
        "an image of the smaller group is in more pairs": lambda n, a: 1 / max(n, a),
        "that is the average over all images: the largest is asked for": (lambda n, a: 2 / (n + a)),
        "that is both groups' largest step together: one image belongs to one": (
            lambda n, a: 1 / n + 1 / a
        ),
        "that is a number of pairs: divide by how many there are": lambda n, a: max(n, a),
        "that is half of it: the image may move past all the others": (
            lambda n, a: 0.5 / min(n, a)
        ),
    },
    praise="One image, past all the others, moves the area by so much.",
)
