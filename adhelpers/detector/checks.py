"""What is checked of features before they are fitted to or scored."""

from collections.abc import Sequence

import numpy as np

from ..features import Batch, FeatureMaps, FeatureSet, Origin, differing_fields
from ..ground import UserError, check_choice

_KNOWN = (FeatureSet, FeatureMaps)  # which tell labels and origins, unlike plain arrays


def check_normal(features) -> None:
    """Raise a UserError if anomalous images are among those of known labels."""
    if isinstance(features, _KNOWN) and np.any(features.labels):
        raise UserError(
            f"{np.sum(features.labels)} of {len(features.labels)} training images are labelled "
            "anomalous; fit on normal images alone"
        )


def check_not_empty(features) -> None:
    """Raise a UserError if there are no images."""
    if isinstance(features, _KNOWN) and not len(features.labels):
        raise UserError("there are no images in these features; give at least one")


def check_origin(origin: Origin | None, features) -> None:
    """Raise a UserError if features are of another origin than what was fitted on."""
    if not isinstance(features, _KNOWN) or origin is None:
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
                f"first in {features.paths[bad[0]] or f'row {bad[0]}'}; look at these images, and "
                "at the network's weights"
            )
    return levels


def checked_maps(
    maps: FeatureMaps,
    names: Sequence[str] | None,
    shapes: dict[str, tuple[int, int, int]] | None = None,
) -> list[str]:
    """Return the levels asked for, if there are such maps, of the shapes that were fitted on.

    Parameters
    ----------
    maps : FeatureMaps
    names : sequence of str, optional
        Of the levels; all when not given.
    shapes : dict of str to (int, int, int), optional
        Height, width and channels by level.

    Raises
    ------
    UserError
        If these are no feature maps, there are none, a level is missing, or has another shape.
    """
    if not isinstance(maps, FeatureMaps):
        raise UserError(
            f"Gaussians per position take feature maps (Extractor.maps), not {type(maps).__name__}"
        )
    check_not_empty(maps)
    names = list(maps.levels if names is None else names)
    if not names:
        raise UserError(f"no levels are chosen; there are: {', '.join(maps.levels)}")
    for name in names:
        check_choice("level", name, maps.levels)
        if shapes and tuple(maps.shapes[name]) != shapes[name]:
            raise UserError(
                f"{name} has maps of {words_of_shape(maps.shapes[name])}, but the detector was "
                f"fitted on {words_of_shape(shapes[name])}; use the same backbone and input size"
            )
    return names


def words_of_shape(shape: tuple[int, int, int]) -> str:
    """Return the shape of a map in words."""
    height, width, channels = shape
    return f"{height} x {width} positions and {channels} channels"


def check_finite(batch: Batch, levels: Sequence[str]) -> None:
    """Raise a UserError if a feature map holds a value that is no number."""
    for name in levels:
        bad = np.flatnonzero(~np.isfinite(batch.maps[name]).all(axis=(1, 2, 3)))
        if len(bad):
            raise UserError(
                f"{name} has NaN or infinite features, first in "
                f"{batch.features.paths[bad[0]] or 'an image in memory'}; look at this image"
            )
