"""Fitting a detector on many machines: sums from the workers, the Gaussians here, once."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from sklearn.base import clone

from ..detector import COMBINATIONS, THRESHOLDS, LocalDetector, MahalanobisDetector
from ..export import build
from ..features import MAP_LEVELS, Extractor
from ..gaussian import ENOUGH, FEWEST, MIN_IMAGES
from ..ground import UserError, check_choice
from . import storage
from .blocks import BLOCK, Plan
from .engine import in_parallel
from .folders import shared_folder
from .scoring import PARTITION, as_sources, score
from .sums import FAN, join_files, name_of_joined, read_sums, sum_partition
from .urls import Source
from .worker import digest_of


class Fitted(NamedTuple):
    """What a fit on many machines gives.

    Parameters
    ----------
    detector : MahalanobisDetector or LocalDetector
        Fitted, with its threshold; with its moments, as after `partial_fit`.
    n_images : int
        How many images were asked for.
    n_held_out : int
        How many of them were left out of the sums for the threshold.
    errors : list of (str, str)
        Paths of those that could not be read, and why.
    n_found : int
        How many partitions were there from an earlier run.
    """

    detector: MahalanobisDetector | LocalDetector
    n_images: int
    n_held_out: int
    errors: list[tuple[str, str]]
    n_found: int


def fit(
    urls: str | Path | Iterable,
    backbone: Extractor,
    client=None,
    detector: MahalanobisDetector | LocalDetector | None = None,
    folder: str | None = None,
    partition: int = PARTITION,
) -> Fitted:
    """Fit a detector to normal images on a cluster.

    The result is the same to the last bit for every number of workers and every size of
    partition, among processors of one kind. Images for the threshold and the scales are held out
    for good: a share of 1 / n_folds by their content, about 2,000 at most. What is kept in
    `folder` are the sums.

    Parameters
    ----------
    urls : str, Path, or iterable of them or of Source
        See `list_urls`.
    backbone : Extractor
        With the engine tflite. Give it `bits`, where images have 10 to 14 bits in 16.
    client : distributed.Client, optional
        Where not given, all is done in this process.
    detector : MahalanobisDetector or LocalDetector, optional
        Unfitted; a `LocalDetector` when not given.
    folder : str, optional
        Where parts are kept, a path or URL that all workers reach. A run that is given the same
        again goes on from the partitions that are there. A temporary one when not given.
    partition : int
        How many images are summed up by one task; brought to `BLOCK` times a power of two.

    Returns
    -------
    fitted : Fitted

    Raises
    ------
    UserError
        If there are too few images, a parameter is not valid, the cluster does not answer, or
        partitions are missing at the end.
    """
    detector = clone(detector or LocalDetector())
    detector.check_parameters()
    if backbone.model is None:
        raise UserError("workers run TFLite models; make the Extractor with engine='tflite'")
    images = as_sources(urls)
    folder = f"{shared_folder(folder, client)}/fit"
    plan = _plan(backbone, detector, len(images), folder)
    parts = partitions(images, partition)
    names = [plan.name_of(part) for part in parts]
    there = storage.names_in(folder)
    tasks = [(plan, part, f"{name}.json" in there) for part, name in zip(parts, names, strict=True)]
    records = in_parallel(client, sum_partition, tasks, "fit", backbone.model)
    count = sum(record.count for record in records)
    errors = [tuple(error) for record in records for error in record.errors]
    if count < MIN_IMAGES:
        first = f", the first as: {errors[0][1]}" if errors else ""
        raise UserError(
            f"{count} of {len(images)} images are left to fit to; a Gaussian needs at least "
            f"{MIN_IMAGES}, 40 or more to be of use ({len(errors)} could not be read{first})"
        )
    _take(detector, read_sums(folder, joined(client, folder, [x.name for x in records])), backbone)
    if detector.n_train_ != count:
        raise UserError(
            f"the sums in {storage.shown(folder)} are of {detector.n_train_} images, not of {count}"
            ": were they changed? name another folder"
        )
    held_out = [Source(*image) for record in records for image in record.held_out]
    if plan.held_out and len(held_out) >= MIN_IMAGES and len(images) >= FEWEST:
        _set_threshold(detector, backbone, held_out, client, folder)
    n_found = sum(is_there for _, _, is_there in tasks)
    return Fitted(detector, len(images), len(held_out), errors, n_found)


def partitions(images: Sequence[Source], size: int) -> list[list[Source]]:
    """Cut a list into parts of `BLOCK` times a power of two images, of about a size at most.

    Examples
    --------
    >>> [len(part) for part in partitions(list(range(700)), 500)]
    [256, 256, 188]
    """
    if size < 1:
        raise UserError(f"partitions must have 1 image at least, not {size}")
    blocks = max(1, size // BLOCK)
    step = BLOCK << (blocks.bit_length() - 1)
    return [list(images[start : start + step]) for start in range(0, len(images), step)]


def _plan(backbone: Extractor, detector, n_images: int, folder: str) -> Plan:
    """Return what the sums depend on."""
    by_position = isinstance(detector, LocalDetector)
    known = list(backbone.levels)
    levels = detector.levels or (MAP_LEVELS if by_position else known)
    for name in levels:
        check_choice(f"level of {backbone.origin.backbone}", name, known)
    holding_out = detector.threshold and THRESHOLDS[detector.threshold].holding_out
    if COMBINATIONS[detector.combination].needs_scales and not holding_out:
        raise UserError(
            f"the combination {detector.combination!r} needs images that are held out, and the "
            f"threshold {detector.threshold!r} takes none; take threshold='held-out'"
        )
    share = min(1 / detector.n_folds, ENOUGH / n_images) if holding_out else 0.0
    origin = backbone.origin
    return Plan(
        digest_of(backbone.model),
        origin.input_size,
        origin.protocol,
        origin.bits,
        tuple(levels),
        by_position,
        share,
        folder,
    )


def joined(client, folder: str, names: Sequence[str]) -> str:
    """Join files of sums by a tree of tasks, and return the name of the last."""
    there = storage.names_in(folder)
    while len(names) > 1:
        groups = [names[start : start + FAN] for start in range(0, len(names), FAN)]
        names = [name_of_joined(group) for group in groups]
        missing = [
            (folder, group)
            for name, group in zip(names, groups, strict=True)
            if f"{name}.npz" not in there
        ]
        in_parallel(client, join_files, missing, "join")
    return names[0]


def _take(detector, sums: dict, backbone: Extractor) -> None:
    """Give a detector the sums, as if `partial_fit` had made them."""
    detector.origin_ = backbone.origin
    detector.n_features_in_ = sum(x.mean.size for x in sums.values())
    detector._with_moments(sums)


def _set_threshold(detector, backbone: Extractor, images: Sequence[Source], client, folder) -> None:
    """Set scales and threshold by the distances of images that were held out.

    They are measured by the network and the Gaussians in one file, as the images to come will be.
    """
    plain = clone(detector).set_params(combination="sum")
    _take(plain, detector.moments_, backbone)
    table = score(images, build(backbone.model, plain), client, folder).compute(
        scheduler="synchronous"
    )
    table = table[table["error"].isna()]
    detector.set_threshold_by({name: table[name].to_numpy() for name in detector.gaussians_})
