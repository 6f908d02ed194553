"""Fitting a detector to more normal images, when of the earlier ones there are sums alone."""

from collections.abc import Sequence
from copy import deepcopy
from functools import reduce
from typing import TypeVar

import numpy as np
from sklearn.base import clone

from ..features import FeatureMaps, FeatureSet
from ..gaussian import FEWEST
from ..ground import UserError
from .base import Detector
from .combination import COMBINATIONS, level_scales

AnyDetector = TypeVar("AnyDetector", bound=Detector)


def check_refittable(detector: Detector) -> None:
    """Raise a UserError if a detector with these parameters cannot be fitted to more images."""
    detector.check_in_parts()
    if detector._holding_out == "for good" and COMBINATIONS[detector.combination].needs_scales:
        raise UserError(
            f"a {detector.threshold} threshold of sums goes with the combination 'sum' alone; take "
            "threshold='held-out'"
        )


def summed(detector: AnyDetector, X: FeatureSet | FeatureMaps) -> AnyDetector:
    """Return what has to be kept of a fitted detector for `refit`.

    Parameters
    ----------
    detector : detector
        Fitted.
    X : FeatureSet or FeatureMaps
        What it was fitted to.

    Returns
    -------
    kept : detector
        Fitted by `partial_fit`, with the distances of the images that the other held out. Its
        `save` keeps both.

    Raises
    ------
    UserError
        If a parameter needs all images at once.
    """
    check_refittable(detector)
    kept = clone(detector).partial_fit(X)
    kept.held_out_distances_ = detector.held_out_distances_
    return kept


def refit(kept: AnyDetector, parts: Sequence[FeatureSet | FeatureMaps]) -> AnyDetector:
    """Fit to more normal images, in addition to the earlier ones.

    Each part of the new images is held out in turn: its distances are from Gaussians of all
    others, old and new. Together with those that were held out earlier, from the Gaussians of
    that time, they set the threshold, and the scales of the levels. With ``threshold="conformal"``
    the first part is held out for good, and sets the threshold alone.

    Parameters
    ----------
    kept : detector
        What `summed` or an earlier `refit` returned; it stays as it is.
    parts : sequence of FeatureSet or FeatureMaps
        The new images, which the earlier fit did not see; copies of one belong into one part.

    Returns
    -------
    detector : detector
        With moments and held-out distances, so that it can be refitted again.

    Raises
    ------
    UserError
        If there are no parts, or features are of another origin.

    Examples
    --------
    >>> from adhelpers.detector import MahalanobisDetector
    >>> rng = np.random.default_rng(0)
    >>> old, new = rng.normal(size=(100, 3)), rng.normal(2, 1, size=(4, 25, 3))
    >>> kept = summed(MahalanobisDetector().fit(old), old)
    >>> refit(kept, new).n_train_
    200
    """
    if not len(parts):
        raise UserError("there are no new images; give at least one")
    check_refittable(kept)
    added = [clone(kept).partial_fit(part) for part in parts]
    for_good = kept._holding_out == "for good"
    if for_good:
        detector = _merged(kept, added[1:])
        distances = detector.level_distances(parts[0])
    else:
        detector = _merged(kept, added)
        measured = [
            _merged(kept, added[:i] + added[i + 1 :]).level_distances(part)
            for i, part in enumerate(parts)
        ]
        distances = _joined([kept.held_out_distances_ or {}, *measured])
    if COMBINATIONS[kept.combination].needs_scales:
        detector.scales_ = level_scales(distances)
    if kept._holding_out and (for_good or len(next(iter(distances.values()))) >= FEWEST):
        detector._take_held_out(distances)
    detector.held_out_distances_ = distances
    return detector


def _merged(kept: AnyDetector, added: Sequence[AnyDetector]) -> AnyDetector:
    """Return a detector of the images of all of them."""
    return reduce(lambda one, other: one.merge(other), added, deepcopy(kept))


def _joined(parts: Sequence[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Return the distances of all parts, by level."""
    return {name: np.concatenate([part[name] for part in parts if part]) for name in parts[-1]}
