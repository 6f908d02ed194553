"""Sums of feature maps by fold, so that images can be held out that were never kept."""

import math
from collections.abc import Iterator, Sequence
from functools import reduce
from operator import add

import numpy as np

from ..features import Batch, FeatureMaps, FeatureSet
from ..gaussian import MIN_IMAGES, LocalGaussian, LocalMoments, LocalVectors

Gaussians = dict[str, LocalGaussian]  # by level
Distances = dict[str, np.ndarray]

_AT_ONCE = 32  # images summed up together: one at a time would take several times as long


def fold_count(n_images: int, n_folds: int) -> int:
    """Return in how many folds to hold images out: each by itself, where too few would be left.

    Examples
    --------
    >>> fold_count(5, 2), fold_count(6, 2)
    (5, 2)
    """
    left = n_images - math.ceil(n_images / n_folds)
    return n_folds if left >= MIN_IMAGES else max(n_images, 1)


def in_folds(X: FeatureMaps, n_folds: int) -> Iterator[tuple[Batch, np.ndarray]]:
    """Yield batches with the fold of each image; see `fold_numbers`."""
    numbers: dict = {}
    for batch in X:
        yield batch, _dealt(batch.features, numbers) % n_folds


def fold_numbers(features: FeatureSet, n_folds: int) -> np.ndarray:
    """Return the fold of each image; different images are dealt to the folds in turn.

    What `FeatureSet.groups` holds together, equal files and changed copies, goes to one fold.

    Examples
    --------
    >>> x, digests = {"level_1": np.ones((6, 1))}, ["1", "", "2", "1", "", ""]
    >>> paths = ["a", "a", "b", "copy of a", "", ""]
    >>> fold_numbers(FeatureSet(x, np.zeros(6), [""] * 6, paths, digests), 3).tolist()
    [0, 0, 1, 0, 2, 0]
    """
    return _dealt(features, {}) % n_folds


def _dealt(features: FeatureSet, numbers: dict) -> np.ndarray:
    """Return the number of each different image, in their order; those seen are in `numbers`."""
    dealt = []
    for row, group in enumerate(features.groups):
        # Of an image without a file, the group is its row, which is another one in each batch.
        name = ("", len(numbers)) if group == row else group
        dealt.append(numbers.setdefault(name, len(numbers)))
    return np.array(dealt, dtype=int)


class Fold:
    """Images that are held out together: sums of their maps, and the last maps as they are.

    Of few images the maps take less memory than the sums, which are made a level at a time.
    """

    def __init__(self):
        self._sums: dict[str, LocalMoments] = {}
        self._waiting: list[dict[str, np.ndarray]] = []

    def add(self, maps: dict[str, np.ndarray]) -> None:
        """Take the maps of more images, (N, h_l, w_l, D_l) by level."""
        self._waiting.append(maps)
        if sum(len(next(iter(part.values()))) for part in self._waiting) >= _AT_ONCE:
            for name in maps:
                self._sums[name] = self.moments(name)
            self._waiting = []

    def maps(self, level: str) -> list[np.ndarray] | None:
        """Return the maps of all its images at a level, (N, h_l, w_l, D_l), unless summed up."""
        return None if self._sums else [maps[level] for maps in self._waiting]

    def moments(self, level: str) -> LocalMoments:
        """Return the moments of all its images at a level."""
        earlier = self._sums.get(level)
        if not self._waiting:
            return earlier
        moments = LocalMoments.of(np.concatenate([maps[level] for maps in self._waiting]))
        return earlier + moments if earlier else moments


def together(folds: Sequence[Fold], level: str) -> LocalMoments | LocalVectors:
    """Return what to fit to of the images of some folds at a level: their maps, or else sums."""
    maps = [fold.maps(level) for fold in folds]
    if None in maps:
        return reduce(add, (fold.moments(level) for fold in folds))
    return LocalVectors(np.concatenate([x for of_fold in maps for x in of_fold]))


def without_each(
    folds: Sequence[Fold], level: str, whole: LocalMoments | LocalVectors
) -> Iterator[LocalMoments | LocalVectors]:
    """Yield what is known of the images outside each fold; `whole` is of all of them together."""
    for i, fold in enumerate(folds):
        if isinstance(whole, LocalMoments):
            yield whole - fold.moments(level)
        else:
            yield together([*folds[:i], *folds[i + 1 :]], level)


def sums_by_fold(X: FeatureMaps, levels: list[str], n_folds: int) -> list[Fold]:
    """Sum up the maps of each fold, in one pass, and return the folds that have images."""
    sums: dict[int, Fold] = {}
    for batch, folds in in_folds(X, n_folds):
        for fold in np.unique(folds):
            maps = {name: batch.maps[name][folds == fold] for name in levels}
            sums.setdefault(fold, Fold()).add(maps)
    return [sums[fold] for fold in sorted(sums)]


def largest(distances: Distances) -> Distances:
    """Return the largest distance of each map, (N,), by level."""
    return {name: maps.max(axis=(1, 2)) for name, maps in distances.items()}


def held_out_distances(X: FeatureMaps, fits: list[Gaussians], n_folds: int) -> Distances:
    """Return the largest distances of images from Gaussians that were fitted without their fold.

    Parameters
    ----------
    X : FeatureMaps
    fits : list of dict of str to LocalGaussian
        By fold; of all images but the fold's.
    n_folds : int

    Returns
    -------
    distances : dict of str to ndarray of float64, shape (N,)
        By level, in the order of the images.
    """
    parts = []
    for batch, folds in in_folds(X, n_folds):
        part = {name: np.empty(len(folds)) for name in fits[0]}
        for fold in np.unique(folds):
            for name, gaussian in fits[fold].items():
                rows = folds == fold
                part[name][rows] = gaussian.distance(batch.maps[name][rows]).max(axis=(1, 2))
        parts.append(part)
    return {name: np.concatenate([part[name] for part in parts]) for name in fits[0]}


def distances_of_fold(X: FeatureMaps, gaussians: Gaussians, n_folds: int) -> Distances:
    """Return the largest distances of the first fold's images; copies of them do not count."""
    parts, numbers = [], {}
    for batch in X:
        seen = len(numbers)
        dealt = _dealt(batch.features, numbers)
        first = np.diff(np.maximum.accumulate([seen - 1, *dealt])) > 0
        rows = first & (dealt % n_folds == 0)
        if rows.any():
            parts.append(
                largest({n: g.distance(batch.maps[n][rows]) for n, g in gaussians.items()})
            )
    return {name: np.concatenate([part[name] for part in parts]) for name in gaussians}
