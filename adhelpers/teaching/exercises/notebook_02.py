"""Exercises of notebook 2, the features."""

import numpy as np

from . import Question


def shortened(shapes):
    before = sum(height * width * channels for height, width, channels in shapes)
    after = sum(channels for height, width, channels in shapes)
    return before / after


def relative_change(x, changed):
    return np.linalg.norm(changed - x) / np.linalg.norm(x)


def normalised(image, mean, std):
    return (image / 255 - np.array(mean)) / np.array(std)


_IMAGE = np.array([[[0, 255, 128], [10, 20, 30]]], dtype=np.uint8)

q1 = Question(
    shortened,
    hidden=[([(4, 2, 10), (1, 1, 30)],)],
    hints="Count the numbers of all maps, then those of all vectors, and divide.",
    advice="all numbers of all maps, divided by all numbers of all vectors",
    mistakes={
        "that is the mean of the levels' factors: a level with many channels counts for more": (
            lambda shapes: np.mean([h * w for h, w, _ in shapes])
        ),
        "that is how many numbers the maps hold: divide by those of the vectors": (
            lambda shapes: sum(h * w * c for h, w, c in shapes)
        ),
        "that is the length of the vectors: how many numbers were there before?": (
            lambda shapes: sum(c for _, _, c in shapes)
        ),
        "that is how many positions there are": lambda shapes: sum(h * w for h, w, _ in shapes),
    },
    praise="A larger image has larger maps, and vectors of the same length.",
)
q2 = Question(
    relative_change,
    hidden=[(np.array([3.0, 4.0]), np.array([3.0, 2.0])), (np.ones(4), -np.ones(4))],
    hints="np.linalg.norm gives the length of a vector.",
    advice="the length of the difference, divided by the length of x",
    mistakes={
        "that is the length of the difference: divide by that of x": (
            lambda x, y: np.linalg.norm(y - x)
        ),
        "that is the difference of the lengths; take the length of the difference": (
            lambda x, y: abs(np.linalg.norm(y) - np.linalg.norm(x)) / np.linalg.norm(x)
        ),
        "divide by the length of x, not of the changed vector": (
            lambda x, y: np.linalg.norm(y - x) / np.linalg.norm(y)
        ),
        "that is the mean of the features' own changes; one length over the other": (
            lambda x, y: np.mean(np.abs(y - x) / np.abs(x))
        ),
    },
    tolerance=1e-3,
    praise="Pooling forgets where something is, but the filters before it know left from right.",
)
q3 = Question(
    normalised,
    hidden=[(_IMAGE, (0.5, 0.4, 0.3), (0.2, 0.25, 0.5))],
    hints="NumPy applies an array of shape (3,) along the last axis, which is the channels'.",
    advice="divide by 255 first; then (x - mean) / std, by channel",
    mistakes={
        "divide by 255 first: the means are of values from 0 to 1": (
            lambda image, mean, std: (image - np.array(mean)) / np.array(std)
        ),
        "the mean is subtracted, and the division by the standard deviation is missing": (
            lambda image, mean, std: image / 255 - np.array(mean)
        ),
        "that goes from 0 to 1: now subtract the mean and divide by the standard deviation": (
            lambda image, mean, std: image / 255
        ),
        "red and blue are exchanged: image, mean and std have the same order already": (
            lambda image, mean, std: (image[..., ::-1] / 255 - np.array(mean)) / np.array(std)
        ),
        "subtract the mean first, then divide": (
            lambda image, mean, std: image / 255 / np.array(std) - np.array(mean)
        ),
        "that is the image's own mean and spread; take those that are given": (
            lambda image, mean, std: (image - image.mean(axis=(0, 1))) / image.std(axis=(0, 1))
        ),
    },
    tolerance=1e-4,
    praise="The network does this itself here: give it 0 to 255.",
)
