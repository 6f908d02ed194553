"""Sums of feature maps by fold, so that images can be held out that were never kept."""

import math
from collections.abc import Iterator
from functools import reduce
from operator import add

import numpy as np

from ..features import Batch, FeatureMaps, FeatureSet
from ..gaussian import MIN_IMAGES, LocalGaussian, LocalMoments

Moments = dict[str, LocalMoments]  # by level
Gaussians = dict[str, LocalGaussian]
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


def sums_by_fold(X: FeatureMaps, levels: list[str], n_folds: int) -> list[Moments]:
    """Sum up the maps of each fold, in one pass.

    Parameters
    ----------
    X : FeatureMaps
    levels : list of str
    n_folds : int

    Returns
    -------
    parts : list of dict of str to LocalMoments
        Of the folds that have images.
    """
    sums: list[Moments] = [{} for _ in range(n_folds)]
    waiting: list[list[dict[str, np.ndarray]]] = [[] for _ in range(n_folds)]

    def sum_up(fold: int) -> None:
        maps = waiting[fold]
        for name in levels:
            moments = LocalMoments.of(np.concatenate([part[name] for part in maps]))
            earlier = sums[fold].get(name)
            sums[fold][name] = earlier + moments if earlier else moments
        waiting[fold] = []

    for batch, folds in in_folds(X, n_folds):
        for fold in np.unique(folds):
            waiting[fold].append({name: batch.maps[name][folds == fold] for name in levels})
            if sum(len(part[levels[0]]) for part in waiting[fold]) >= _AT_ONCE:
                sum_up(fold)
    for fold, maps in enumerate(waiting):
        if maps:
            sum_up(fold)
    return [part for part in sums if part]


def joined_moments(parts: list[Moments]) -> Moments:
    """Return the moments of all parts together."""
    return {name: reduce(add, [part[name] for part in parts]) for name in parts[0]}


def without(whole: Moments, part: Moments) -> Moments:
    """Return the moments of all images but those of one part."""
    return {name: moments - part[name] for name, moments in whole.items()}


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
