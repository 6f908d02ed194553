"""Exercises of notebook 1, the data set."""

import numpy as np

from . import Question


def accuracy(labels):
    return np.mean(labels)


def repaired(image):
    return image[:, :, ::-1]


def mean_share(shares):
    return np.concatenate(list(shares.values())).mean()


_COLOURS = np.random.default_rng(0).integers(0, 256, (3, 4, 3), dtype=np.uint8)

q1 = Question(
    accuracy,
    hidden=[(np.array([0, 0, 1, 0]),)],
    hints="It is right for the anomalous images and wrong for the others: the mean of the labels.",
    advice="count the anomalous images, and divide by the number of all",
    mistakes={
        "that is how many it gets right: divide by the number of all images": np.sum,
        "that is the number of images": len,
        "that are anomalous per normal image: divide by all": lambda x: x.sum() / (x == 0).sum(),
    },
    praise="It knows nothing, and its accuracy is the share of anomalies in the folder.",
)
q2 = Question(
    repaired,
    hidden=[(_COLOURS,)],
    hints="A slice can run backwards: [::-1]. The channels are the last axis.",
    advice="reverse the last axis, and leave height and width alone",
    mistakes={
        "that is the image as it was": lambda image: image,
        "that turns the image upside down: reverse the last axis": lambda image: image[::-1],
        "that mirrors the image: reverse the last axis": lambda image: image[:, ::-1],
        "that reverses all three axes: the last one alone": lambda image: image[::-1, ::-1, ::-1],
        "that moves each channel by one: red and blue change places, green stays": (
            lambda image: np.roll(image, 1, axis=-1)
        ),
    },
    praise="cv2.cvtColor(picture, cv2.COLOR_BGR2RGB) does the same.",
)
q3 = Question(
    mean_share,
    hidden=[({"hole": [0.1, 0.2, 0.3], "stain": [0.6]},)],
    hints="np.concatenate(list(shares.values())) puts the lists of all defect types together.",
    advice="put the lists together, then take the mean",
    mistakes={
        "that is the mean of the types' means: a type with few images counts as much as one with "
        "many; put the lists together first": lambda x: np.mean([np.mean(v) for v in x.values()]),
        "that is the sum: divide by the number of images": lambda x: sum(map(sum, x.values())),
        "that is the sum over the types' number: divide by the number of images": (
            lambda x: sum(map(sum, x.values())) / len(x)
        ),
        "that is the median; the mean is asked for": (
            lambda x: np.median(np.concatenate(list(x.values())))
        ),
    },
    praise="Most of an anomalous image is normal, so an average over it hides small defects.",
)
