"""Features of images that come one by one."""

import numpy as np

from ..datasets import Samples
from ..images import Picture
from .feature_set import FeatureSet
from .origin import Origin

Row = dict[str, np.ndarray]  # the vector of one image at each level


class Table:
    """Features by image, filled in any order.

    Parameters
    ----------
    samples : Samples
    levels : dict of str to int
        The number of features per level.
    origin : Origin
    """

    def __init__(self, samples: Samples, levels: dict[str, int], origin: Origin):
        self.samples = samples
        self.origin = origin
        self.levels = {
            name: np.empty((len(samples), width), np.float32) for name, width in levels.items()
        }
        self.digests = np.full(len(samples), "", dtype="U32")
        self.filled = np.zeros(len(samples), dtype=bool)

    def put(self, picture: Picture, row: Row) -> None:
        """Fill in the row of one image."""
        for name, array in self.levels.items():
            array[picture.index] = row[name]
        self.digests[picture.index] = picture.digest
        self.filled[picture.index] = True

    def done(self) -> FeatureSet:
        """Return the images that were put in so far."""
        samples = self.samples
        paths = [str(path) for path in samples.paths]
        whole = FeatureSet(
            self.levels,
            samples.labels,
            samples.defect_types,
            paths,
            self.digests.tolist(),
            self.origin,
        )
        return whole.rows(self.filled)
