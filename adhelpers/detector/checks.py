"""What is checked of features before they are fitted to or scored."""

from collections.abc import Sequence

import numpy as np

from ..features import FeatureSet, Origin, differing_fields
from ..ground import UserError


def check_normal(features) -> None:
    """Raise a UserError if anomalous images are among those of a FeatureSet."""
    if isinstance(features, FeatureSet) and np.any(features.labels):
        raise UserError(
            f"{np.sum(features.labels)} of {len(features)} training images are labelled "
            "anomalous; fit on normal images alone"
        )


def check_not_empty(features) -> None:
    """Raise a UserError if a FeatureSet is of no images."""
    if isinstance(features, FeatureSet) and not len(features):
        raise UserError("there are no images in these features; give at least one")


def check_origin(origin: Origin | None, features) -> None:
    """Raise a UserError if a FeatureSet is of another origin than what was fitted on."""
    if not isinstance(features, FeatureSet) or origin is None:
        return
    if differing := differing_fields(origin, features.origin):
        raise UserError(
            f"fitted on features of another origin: {', '.join(differing)}; extract "
            "both in the same way (or pass allow_other_origin=True)"
        )


def checked_levels(
    features: FeatureSet, names: Sequence[str] | None, widths: dict[str, int] | None = None
) -> dict[str, np.ndarray]:
    """Return the levels asked for, or those fitted on, if all their features are finite.

    Parameters
    ----------
    features : FeatureSet
    names : sequence of str, optional
        Of the levels; all when not given.
    widths : dict of str to int, optional
        The levels that were fitted on, which count then, and their numbers of features.

    Raises
    ------
    UserError
        If a level is missing, has another width, or holds a feature that is no number.
    """
    names = list(widths or (features.levels if names is None else names))
    if not names:
        raise UserError(f"no levels are chosen; there are: {', '.join(features.levels)}")
    levels = features.with_levels(names).levels
    for name, x in levels.items():
        if widths and x.shape[1] != widths[name]:
            raise UserError(
                f"{name} has {x.shape[1]} features, but the detector was fitted on "
                f"{widths[name]}; use the same backbone for both"
            )
        bad = np.flatnonzero(~np.isfinite(x).all(axis=1))
        if len(bad):
            raise UserError(
                f"{name} has NaN or infinite features in {len(bad)} of {len(x)} images, "
                f"first in {features.paths[bad[0]] or f'row {bad[0]}'}; extract them again"
            )
    return levels
