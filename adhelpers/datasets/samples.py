"""The sample table: which images there are, and what is known of each."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

#: The defect type of an image without a defect, after MVTec AD's folder name.
GOOD = "good"


@dataclass(frozen=True)
class Samples:
    """Images of one split, in the order of their paths.

    Parameters
    ----------
    paths : sequence of Path, length N
        The image files.
    defect_types : sequence of str, length N
        ``"good"``, or the name of the defect.
    mask_paths : sequence of Path or None, length N
        The ground-truth mask of each image, where there is one.
    split : {"train", "test"}
    """

    paths: Sequence[Path]
    defect_types: Sequence[str]
    mask_paths: Sequence[Path | None]
    split: str

    @property
    def labels(self) -> np.ndarray:
        """ndarray of int, shape (N,): 0 for a normal image, 1 for an anomalous one."""
        return np.array([kind != GOOD for kind in self.defect_types], dtype=int)

    def __len__(self) -> int:
        return len(self.paths)

    def subset(self, indices: Sequence[int]) -> "Samples":
        """Return the samples at `indices`, in that order."""
        return Samples(
            [self.paths[i] for i in indices],
            [self.defect_types[i] for i in indices],
            [self.mask_paths[i] for i in indices],
            self.split,
        )


@dataclass(frozen=True)
class Dataset:
    """One category: normal images to fit on, and a test split.

    Parameters
    ----------
    category : str
    root : Path
        The data set's folder, the one that holds the category's folder.
    train, test : Samples
        `test` may be empty, or hold normal images alone.
    notes : str
        What its folders hold that was left out or read in a way of its own, in words.
    """

    category: str
    root: Path
    train: Samples
    test: Samples
    notes: str = ""
