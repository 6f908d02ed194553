"""Exercises of notebook 12, the case study."""

import numpy as np

from . import Question


def shift(train, test):
    return (test.mean() - train.mean()) / train.std()


def relit(image, brightness):
    moved = image + (brightness - image.mean())
    return np.clip(np.rint(moved), 0, 255)


def found_at(normal, odd, rate):
    allowed = int(rate * len(normal) + 1e-9)
    threshold = np.sort(normal)[len(normal) - 1 - allowed]
    return np.mean(odd > threshold)


_RNG = np.random.default_rng(0)
_DARK, _LIGHT = _RNG.normal(120, 4, 30), _RNG.normal(135, 9, 20)
_IMAGE = np.array([[[0, 40, 90], [250, 255, 30]], [[130, 10, 200], [60, 70, 80]]], np.uint8)
_NORMAL, _ODD = _RNG.permutation(40) / 10, _RNG.permutation(30) / 7 + 1.501

q1 = Question(
    shift,
    hidden=[(_DARK, _LIGHT), (_LIGHT, _DARK)],
    hints="The difference of the means, in units of train.std().",
    advice="by how many standard deviations of the training images the mean has moved",
    mistakes={
        "that is in grey values: divide by how much training images differ": (
            lambda train, test: test.mean() - train.mean()
        ),
        "the unit is the spread of the training images, not of the test images": (
            lambda train, test: (test.mean() - train.mean()) / test.std()
        ),
        "that is a variance below: take the standard deviation": (
            lambda train, test: (test.mean() - train.mean()) / train.var()
        ),
        "that divides by the error of the mean, which says how sure the shift is, not how large": (
            lambda train, test: (test.mean() - train.mean()) / train.std() * len(train) ** 0.5
        ),
        "the training images are what to compare with: test minus training": (
            lambda train, test: (train.mean() - test.mean()) / train.std()
        ),
        "that is a ratio of means; a difference is asked for": (
            lambda train, test: test.mean() / train.mean()
        ),
        "that takes medians: means are asked for": (
            lambda train, test: (np.median(test) - np.median(train)) / train.std()
        ),
    },
    also=lambda train, test: (test.mean() - train.mean()) / train.std(ddof=1),
    praise="Below -2, hardly any training image is as dark as they are on average.",
)
q2 = Question(
    relit,
    hidden=[(_IMAGE, 140.0), (255 - _IMAGE, 60.0)],
    hints="Add the same number to each value: what the mean lacks. np.clip keeps 0 to 255.",
    advice="add what the mean lacks to every value, round, and keep 0 to 255",
    mistakes={
        "values must stay between 0 and 255: clip them": (
            lambda image, b: np.rint(image + (b - image.mean()))
        ),
        "values above 255 came out dark: clip before you make them uint8": (
            lambda image, b: np.rint(image + (b - image.mean())).astype(np.int64) % 256
        ),
        "that is a gain, which changes contrast: add, do not multiply": (
            lambda image, b: np.clip(np.rint(image * (b / image.mean())), 0, 255)
        ),
        "that goes the other way: add what the mean lacks": (
            lambda image, b: np.clip(np.rint(image - (b - image.mean())), 0, 255)
        ),
        "that adds the brightness itself, and not what the mean lacks": (
            lambda image, b: np.clip(np.rint(image + b), 0, 255)
        ),
        "each channel was moved by itself: that takes the colour away": (
            lambda image, b: np.clip(np.rint(image + (b - image.mean(axis=(0, 1)))), 0, 255)
        ),
        "that is an even grey: keep what is on the image": (
            lambda image, b: np.full(image.shape, np.rint(b))
        ),
        "that is the image as it was": lambda image, b: image,
    },
    tolerance=1 / 255,
    praise="Nothing on the part changes, only the light.",
)
q3 = Question(
    found_at,
    hidden=[(_NORMAL, _ODD, 0.1), (_NORMAL[:25], _ODD, 0.05), (_NORMAL, _ODD[:11], 0.25)],
    hints="np.sort(normal)[-1 - k], with k = int(rate * len(normal)), is the score above which k "
    "normal images lie.",
    advice="the share of the anomalous scores above the threshold that so many normal ones pass",
    mistakes={
        "that takes the highest normal score: a few false alarms are allowed": (
            lambda normal, odd, rate: np.mean(odd > normal.max())
        ),
        "a quantile lies between two scores, and may let one image more pass than is allowed": (
            lambda normal, odd, rate: np.mean(odd > np.quantile(normal, 1 - rate))
        ),
        "that sets the threshold by the anomalous images: it comes from the normal ones": (
            lambda normal, odd, rate: np.mean(odd > np.quantile(odd, 1 - rate))
        ),
        "that leaves the share `rate` of the normal images below it, not above": (
            lambda normal, odd, rate: np.mean(odd > np.quantile(normal, rate))
        ),
        "that is how many are found: divide by how many there are": (
            lambda normal, odd, rate: found_at(normal, odd, rate) * len(odd)
        ),
        "that is the share of all images, normal ones among them": (
            lambda normal, odd, rate: (
                found_at(normal, odd, rate) * len(odd) / (len(odd) + len(normal))
            )
        ),
        "that is the share missed": lambda normal, odd, rate: 1 - found_at(normal, odd, rate),
        "one place too low: one more normal image passes than is allowed": (
            lambda normal, odd, rate: np.mean(
                odd > np.sort(normal)[len(normal) - 2 - int(rate * len(normal) + 1e-9)]
            )
        ),
    },
    praise="At the same false alarms, detectors can be compared whatever their thresholds.",
)
