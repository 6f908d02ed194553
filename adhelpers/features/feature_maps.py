"""FeatureMaps: the feature maps of images, a batch at a time, as they are too many to keep."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from ..datasets import Samples
from ..ground import UserError, checked_truth, ordered_map
from ..images import Augmentation, Picture, read_picture
from .feature_set import FeatureSet, joined
from .origin import Origin

#: The levels whose maps are taken where nothing is said: the ends of blocks 3 to 6.
MAP_LEVELS = ("level_4", "level_5", "level_6", "level_7")

_KEPT_BYTES = 256 * 2**20
_OF_TFLITE = 8  # images to a batch


class Batch(NamedTuple):
    """Some images.

    Parameters
    ----------
    features : FeatureSet
        Their pooled features, at all levels of the network, and what is known of them.
    maps : dict of str to ndarray of float32, shape (N, h_l, w_l, D_l)
        By level.
    """

    features: FeatureSet
    maps: dict[str, np.ndarray]


class FeatureMaps:
    """Feature maps of images, a batch at a time, in order, as often as they are asked for.

    The network computes them anew each time, unless they are few: up to 256 MB are kept. The
    pooled features, which are small, are kept after the first time: see `features`.

    Parameters
    ----------
    batches : callable
        Returns a new iterator of `Batch`.
    shapes : dict of str to (int, int, int)
        Height, width and channels of the maps, by level.
    labels : ndarray of int, shape (N,)
        0 normal, 1 anomalous, of all images, even of those that turn out to be unreadable.
    origin : Origin or None

    Examples
    --------
    >>> maps = FeatureMaps.from_arrays({"level_4": np.ones((3, 2, 2, 8), np.float32)})
    >>> [batch.maps["level_4"].shape for batch in maps], maps.features.widths
    ([(3, 2, 2, 8)], {'level_4': 8})
    """

    def __init__(
        self,
        batches: Callable[[], Iterator[Batch]],
        shapes: dict[str, tuple[int, int, int]],
        labels: np.ndarray,
        origin: Origin | None = None,
    ):
        self._batches = batches
        self.shapes, self.labels, self.origin = shapes, checked_truth(labels), origin
        self._features: FeatureSet | None = None
        self._kept: list[Batch] | None = None

    @classmethod
    def from_arrays(
        cls,
        maps: dict[str, np.ndarray],
        labels: Sequence[int] | None = None,
        origin: Origin | None = None,
        batch_size: int = 16,
    ) -> "FeatureMaps":
        """Make FeatureMaps of plain arrays, shape (N, h_l, w_l, D_l) each."""
        pooled = {name: x.mean(axis=(1, 2), dtype=np.float32) for name, x in maps.items()}
        features = FeatureSet.from_arrays(pooled, labels, origin)

        def batches() -> Iterator[Batch]:
            for start in range(0, len(features), batch_size):
                rows = slice(start, start + batch_size)
                yield Batch(features.rows(rows), {name: x[rows] for name, x in maps.items()})

        shapes = {name: x.shape[1:] for name, x in maps.items()}
        return cls(batches, shapes, features.labels, origin)

    @property
    def levels(self) -> list[str]:
        """list of str: the levels whose maps there are."""
        return list(self.shapes)

    @property
    def features(self) -> FeatureSet:
        """FeatureSet: the pooled features of all images; extracted now, if not before."""
        if self._features is None:
            for _ in self:
                pass
        return self._features

    def __iter__(self) -> Iterator[Batch]:
        """Yield the batches.

        Raises
        ------
        UserError
            If an image cannot be read (unless the extractor skips such), or none can.
        """
        if self._kept is not None:
            yield from self._kept
            return
        kept, rows, room = [], [], _KEPT_BYTES
        for batch in self._batches():
            rows.append(batch.features)
            room -= sum(x.nbytes for x in batch.maps.values())
            kept.append(batch)
            if room < 0:
                kept.clear()
            yield batch
        if not rows:
            raise UserError("there are no readable images; give at least one")
        self._features = joined(rows)
        if room >= 0:
            self._kept = kept


def maps_of_files(
    extract, runner, samples: Samples, augmentation: Augmentation | None = None
) -> FeatureMaps:
    """Return the maps of image files, and of changed copies of each right after it.

    Parameters
    ----------
    extract : Extractor
    runner : KerasRunner or LiteRTRunner
        One that gives maps.
    samples : Samples
    augmentation : Augmentation, optional
        A copy has the path of its image, and an empty digest.
    """
    # TFLite takes the images one by one: fewer to a batch, and no core waits long for the last.
    most = min(extract.batch_size, _OF_TFLITE) if extract.model else extract.batch_size
    at_once = max(1, most // (1 + (augmentation.copies if augmentation else 0)))

    def computed(start: int) -> Batch | None:
        pictures = list(_readable(extract, samples, range(len(samples))[start : start + at_once]))
        if not pictures:
            return None
        copies = [list(augmentation.of_picture(x)) if augmentation else [] for x in pictures]
        both = list(zip(pictures, copies, strict=True))
        rows = [picture.index for picture, more in both for _ in range(1 + len(more))]
        digests = [x for picture, more in both for x in [picture.digest, *[""] * len(more)]]
        pooled, maps = runner.run(np.stack([x for p, more in both for x in [p.pixels, *more]]))
        about = samples.subset(rows)
        paths = list(map(str, about.paths))
        origin = extract.origin
        return Batch(
            FeatureSet(pooled, about.labels, about.defect_types, paths, digests, origin), maps
        )

    def batches() -> Iterator[Batch]:
        starts = range(0, len(samples), at_once)
        with tqdm(total=len(samples), desc="extract", unit="image", disable=None) as bar:
            for batch in ordered_map(computed, starts, runner.workers):
                bar.update(min(at_once, bar.total - bar.n))
                if batch is not None:
                    yield batch

    return FeatureMaps(batches, runner.map_shapes, samples.labels, extract.origin)


def _readable(extract, samples: Samples, indices: Sequence[int]) -> Iterator[Picture]:
    """Yield the pictures of some files, without those that cannot be read, if that is allowed."""
    origin = extract.origin
    for index in indices:
        item = (index, samples.paths[index])
        picture = read_picture(item, origin.input_size, origin.protocol, bits=origin.bits)
        if picture.error is None:
            yield picture
        elif not extract.skip_bad_images:
            raise picture.error


def maps_of_pixels(
    extract, runner, images: np.ndarray, labels: Sequence[int] | None = None
) -> FeatureMaps:
    """Return the maps of images in memory that have the network's size.

    Parameters
    ----------
    extract : Extractor
    runner : KerasRunner or LiteRTRunner
        One that gives maps.
    images : ndarray of uint8 or float32, shape (N, S, S, 3)
    labels : sequence of int, optional
    """
    labels = np.zeros(len(images), dtype=int) if labels is None else checked_truth(labels)

    def computed(start: int) -> Batch:
        rows = slice(start, start + extract.batch_size)
        pooled, maps = runner.run(images[rows])
        return Batch(FeatureSet.from_arrays(pooled, labels[rows], extract.origin), maps)

    def batches() -> Iterator[Batch]:
        return ordered_map(computed, range(0, len(images), extract.batch_size), runner.workers)

    return FeatureMaps(batches, runner.map_shapes, labels, extract.origin)
