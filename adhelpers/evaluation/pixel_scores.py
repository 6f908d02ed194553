"""How well heat maps meet the ground-truth masks: pixel AUROC and PRO."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.ndimage import label

from .. import images
from ..datasets import Samples, advice, read_mask
from ..ground import UserError, available_cores, checked_truth, ordered_map

#: Up to which false positive rate PRO is integrated (Bergmann et al. 2020).
PRO_LIMIT = 0.3

_EIGHT_NEIGHBOURS = np.ones((3, 3), dtype=int)


@dataclass(frozen=True)
class Truth:
    """Test images as the network sees them, and their ground truth.

    Parameters
    ----------
    samples : Samples
        The N images that have a ground truth: the normal ones, and those with a mask.
    images : ndarray of uint8, shape (N, S, S, 3)
        RGB.
    masks : ndarray of bool, shape (N, S, S)
        True where the object is defective; nowhere in a normal image.
    without_mask : sequence of Path
        The anomalous images that were left out, as they have no mask.
    unreadable : sequence of Path
        The images that were left out, as they could not be read.
    """

    samples: Samples
    images: np.ndarray
    masks: np.ndarray
    without_mask: Sequence[Path]
    unreadable: Sequence[Path]


def with_masks(samples: Samples, skip_missing: bool = False) -> tuple[Samples, list[Path]]:
    """Return the test images that have a ground truth, and the anomalous ones without a mask.

    Parameters
    ----------
    samples : Samples
        Test images.
    skip_missing : bool
        Leave anomalous images without a mask out, instead of stopping at them.

    Raises
    ------
    UserError
        If a mask is missing.
    """
    anomalous = samples.labels == 1
    missing = [i for i in np.flatnonzero(anomalous) if samples.mask_paths[i] is None]
    if missing and not skip_missing:
        raise UserError(
            f"{len(missing)} of {anomalous.sum()} anomalous test images have no mask, first "
            f"{samples.paths[missing[0]]}: {advice(samples.paths[missing[0]])}; put masks there, "
            "or leave these images out (--skip_missing_masks)"
        )
    kept = samples.subset([i for i in range(len(samples)) if i not in missing])
    return kept, [samples.paths[i] for i in missing]


def read_truth(
    samples: Samples,
    size: int,
    protocol: str = "square",
    skip_missing: bool = False,
    skip_bad_images: bool = False,
    bits: int = images.MOST_BITS,
) -> Truth:
    """Read test images and their masks, each file once, and bring them to the network's size.

    A pixel of the smaller mask is defective where half its area or more is, so that a defect much
    smaller than a pixel of the network vanishes.

    Parameters
    ----------
    samples : Samples
        Test images.
    size : int
        The side S of the network's images, in pixels.
    protocol : str
        A key of `adhelpers.images.PROTOCOLS`; what a crop cuts off does not count.
    skip_missing : bool
        Leave anomalous images without a mask out, instead of stopping at them.
    skip_bad_images : bool
        The same for images that cannot be read.
    bits : int
        See `adhelpers.images.decode`.

    Returns
    -------
    truth : Truth

    Raises
    ------
    UserError
        If a mask is missing, an image or a mask cannot be read, or a mask is not of the size of
        its image.
    """
    kept, without_mask = with_masks(samples, skip_missing)

    def read(pair: tuple[Path, Path | None]) -> tuple[np.ndarray, np.ndarray] | UserError:
        path, mask_path = pair
        try:
            image = images.read(path, bits)
        except UserError as error:
            if skip_bad_images:
                return error
            raise
        mask = np.zeros((size, size), dtype=bool)
        if mask_path is not None:
            grey = 255 * read_mask(mask_path, image.shape[:2]).astype(np.uint8)
            grey = np.repeat(grey[..., None], 3, axis=2)
            mask = images.to_square(grey, size, protocol)[..., 0] >= 128
        return images.to_square(image, size, protocol), mask

    pairs = zip(kept.paths, kept.mask_paths, strict=True)
    found = list(ordered_map(read, pairs, available_cores()))
    good = [i for i, item in enumerate(found) if not isinstance(item, UserError)]
    shape = (len(good), size, size)
    return Truth(
        kept.subset(good),
        np.array([found[i][0] for i in good], np.uint8).reshape(*shape, 3),
        np.array([found[i][1] for i in good], bool).reshape(shape),
        without_mask,
        [kept.paths[i] for i in range(len(kept)) if i not in good],
    )


@dataclass(frozen=True)
class PixelCurves:
    """The ROC and the PRO curve over all pixels of all images, a point per distinct score.

    Parameters
    ----------
    false_positive_rate : ndarray of float64, shape (K,)
        The share of the normal pixels that score at least a threshold; rises from 0 to 1.
    true_positive_rate : ndarray of float64, shape (K,)
        The same of the defective pixels.
    overlap : ndarray of float64, shape (K,)
        The same of the pixels of each defective region, averaged over the regions.
    """

    false_positive_rate: np.ndarray
    true_positive_rate: np.ndarray
    overlap: np.ndarray

    @property
    def auroc(self) -> float:
        """The probability that a defective pixel scores higher than a normal one, 0 to 1."""
        return float(np.trapezoid(self.true_positive_rate, self.false_positive_rate))

    def pro(self, limit: float = PRO_LIMIT) -> float:
        """Return the area under the PRO curve up to a false positive rate, divided by that rate.

        Parameters
        ----------
        limit : float
            In (0, 1].

        Returns
        -------
        area : float
            From 0 to 1; chance gives ``limit / 2``.
        """
        if not 0 < limit <= 1:
            raise UserError(f"limit must lie above 0 and not above 1, not {limit}")
        rate, overlap = self.false_positive_rate, self.overlap
        end = np.searchsorted(rate, limit)  # the first point at or beyond the limit
        last = np.interp(limit, rate[end - 1 : end + 1], overlap[end - 1 : end + 1])
        x, y = np.append(rate[:end], limit), np.append(overlap[:end], last)
        return float(np.trapezoid(y, x) / limit)


def pixel_curves(masks: np.ndarray, maps: np.ndarray) -> PixelCurves:
    """Compare heat maps with masks at every threshold.

    A region is a connected component of a mask (eight neighbours). Its overlap at a threshold is
    the share of its pixels that score at least that; the mean is over all regions of all images,
    so that small defects count as much as large ones.

    Parameters
    ----------
    masks : ndarray of bool, shape (N, H, W)
        True where the object is defective.
    maps : ndarray of float, shape (N, H, W)
        Higher is more anomalous.

    Returns
    -------
    curves : PixelCurves

    Raises
    ------
    UserError
        If shapes differ, a mask is neither 0 nor 1, a value is NaN or infinite, or there are no
        defective or no normal pixels.

    References
    ----------
    Bergmann, Fauser, Sattlegger and Steger, "Uninformed Students", CVPR 2020, section 4; "The MVTec
    Anomaly Detection Dataset", IJCV 129, 2021, section 5.

    Examples
    --------
    >>> mask = np.zeros((1, 8, 8), bool)
    >>> mask[0, 2:4, 2:4] = True
    >>> pixel_curves(mask, mask.astype(float)).pro(), pixel_curves(mask, 0.0 * mask).pro()
    (1.0, 0.15)
    """
    masks, maps = _checked(masks, maps)
    falling = np.argsort(maps, axis=None)[::-1]
    scores, defective = maps.ravel()[falling], masks.ravel()[falling]
    ends = np.append(np.flatnonzero(scores[:-1] != scores[1:]), scores.size - 1)

    def shares(weights: np.ndarray) -> np.ndarray:
        """Return which part of a total weight has been passed at each distinct score."""
        passed = np.cumsum(weights, dtype=np.float64)[ends]
        return np.append(0, passed / passed[-1])

    # The mean over regions is a sum over pixels, each by one over the size of its region.
    weights = _region_weights(masks).ravel()[falling]
    return PixelCurves(shares(~defective), shares(defective), shares(weights))


def _region_weights(masks: np.ndarray) -> np.ndarray:
    """Return one over the size of its region for each defective pixel, and 0 for normal ones."""
    weights = np.zeros(masks.shape)
    for mask, weight in zip(masks, weights, strict=True):
        regions, _ = label(mask, _EIGHT_NEIGHBOURS)
        weight[mask] = 1 / np.bincount(regions[mask])[regions[mask]]
    return weights


def _checked(masks: np.ndarray, maps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    masks, maps = checked_truth(masks, "masks").astype(bool), np.asarray(maps)
    if masks.shape != maps.shape or masks.ndim != 3:
        raise UserError(
            f"masks have shape {masks.shape} and maps {maps.shape}; both must be (N, H, W)"
        )
    if not np.isfinite(maps).all():
        raise UserError("heat maps hold NaN or infinite values; check the features they come from")
    if masks.all() or not masks.any():
        raise UserError(
            f"pixel scores are not defined: no {'normal' if masks.all() else 'defective'} pixels"
        )
    return masks, maps
