"""Features of images that come one by one."""

from pathlib import Path

import numpy as np
from tqdm import tqdm

from ..datasets import Samples
from ..ground import UserError
from ..images import Picture
from .feature_set import FeatureSet
from .origin import Origin, differing_fields

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
        """Fill in the row of one image, or raise a UserError if a feature is not finite."""
        for name, features in row.items():
            if not np.isfinite(features).all():
                raise UserError(
                    f"{self.samples.paths[picture.index]}: {name} has NaN or infinite features; "
                    "look at this image, at the weights, and at Keras' settings"
                )
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


def known_rows(path: Path | None, origin: Origin, levels: dict[str, int]) -> dict[str, Row]:
    """Return the rows of a features file by image digest, if the file is of this origin.

    Parameters
    ----------
    path : Path or None
    origin : Origin
    levels : dict of str to int
        The number of features per level.
    """
    if path is None or not path.exists():
        return {}
    try:
        features = FeatureSet.load(path)
    except UserError as error:
        tqdm.write(f"{error}: all its images are extracted again")
        return {}
    if differing := differing_fields(features.origin, origin):
        tqdm.write(f"{path} differs in {', '.join(differing)}: its images are extracted again")
        return {}
    if features.widths != levels:
        tqdm.write(f"{path}: {features.widths} features by level, not {levels}: extracted again")
        return {}
    finite = np.flatnonzero(features.finite)
    if bad := len(features) - len(finite):
        tqdm.write(f"{path}: {bad} images have features that are no numbers; extracted again")
    return {
        features.digests[i]: {name: x[i] for name, x in features.levels.items()} for i in finite
    }
