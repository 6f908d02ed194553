"""Published results on MVTec AD, to stand beside one's own: never one's own."""

from dataclasses import dataclass

import numpy as np

from ..datasets import Dataset


@dataclass(frozen=True)
class Published:
    """An image AUROC that somebody published.

    Parameters
    ----------
    area : float
        From 0 to 1.
    sem : float or None
        The standard error of the mean over the categories.
    source : str
        Whose it is, and by which protocol.
    """

    area: float
    sem: float | None
    source: str


#: Image AUROC in %, EfficientNet-B4, sum of the levels.
_PYTORCH = {
    "bottle": 100.0,
    "cable": 94.2,
    "capsule": 92.3,
    "carpet": 98.1,
    "grid": 94.6,
    "hazelnut": 98.6,
    "leather": 100.0,
    "metal_nut": 94.3,
    "pill": 83.4,
    "screw": 78.1,
    "tile": 98.6,
    "toothbrush": 96.7,
    "transistor": 96.1,
    "wood": 98.5,
    "zipper": 97.7,
}
_PYTORCH_SOURCE = "MahalanobisAD-pytorch (crop of 224, fitted once)"
_PAPER_SOURCE = "arXiv 2005.14140 (square of 380, 5-fold; standard error over categories)"


#: How many images MVTec AD has for training and for testing, by category: 3,629 and 1,725 in all.
COUNTS = {
    "bottle": (209, 83),
    "cable": (224, 150),
    "capsule": (219, 132),
    "carpet": (280, 117),
    "grid": (264, 78),
    "hazelnut": (391, 110),
    "leather": (245, 124),
    "metal_nut": (220, 115),
    "pill": (267, 167),
    "screw": (320, 160),
    "tile": (230, 117),
    "toothbrush": (60, 42),
    "transistor": (213, 100),
    "wood": (247, 79),
    "zipper": (240, 151),
}


def is_mvtec(dataset: Dataset) -> bool:
    """Tell by the numbers of its images whether a category is that of MVTec AD.

    Examples
    --------
    >>> from adhelpers.datasets import Samples
    >>> train = Samples(["000.png"] * 320, ["good"] * 320, [None] * 320, "train")
    >>> is_mvtec(Dataset("screw", "data", train, train.subset(range(160))))
    True
    >>> is_mvtec(Dataset("screw", "data", train, train))
    False
    """
    return COUNTS.get(dataset.category) == (len(dataset.train), len(dataset.test))


def find(backbone: str, weights: str, protocol: str, categories: list[str]) -> Published | None:
    """Return the published figure for the Mahalanobis distance, summed over the levels.

    Parameters
    ----------
    backbone, weights, protocol : str
        As in a FeatureSet's origin.
    categories : list of str
        One category, or those that a mean is over.

    Returns
    -------
    published : Published or None
        None where nothing comparable was published: other networks than EfficientNet-B4 with
        ImageNet weights, a mean over other categories than MVTec AD's fifteen. For the protocol
        "square" there are no figures per category, so that those of the crop stand there; the
        source says so.

    Examples
    --------
    >>> find("efficientnet-b4", "imagenet", "crop", ["screw"]).area
    0.781
    """
    if backbone != "efficientnet-b4" or weights != "imagenet":
        return None
    if len(categories) == 1 and categories[0] in _PYTORCH:
        return Published(round(_PYTORCH[categories[0]] / 100, 4), None, _PYTORCH_SOURCE)
    if set(categories) != set(_PYTORCH):
        return None
    if protocol == "square":
        return Published(0.958, 0.012, _PAPER_SOURCE)
    return Published(float(np.mean(list(_PYTORCH.values())) / 100), None, _PYTORCH_SOURCE)
