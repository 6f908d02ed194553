"""Images to a FeatureSet: the network's feature maps, averaged over their positions."""

import time
from collections.abc import Sequence
from copy import copy
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import numpy as np

from .. import backbones
from ..datasets import Samples
from ..ground import UserError, check_choice
from ..images import DEPTHS, MOST_BITS, Augmentation, bits_in_use, of_size, output_size
from ..quantization import PRECISIONS
from . import model_cache
from .engines import chosen_engine, make_runner, milliseconds
from .feature_maps import MAP_LEVELS, FeatureMaps, maps_of_files, maps_of_pixels
from .feature_set import FeatureSet
from .origin import Origin
from .rows import rows_of_files
from .table import Table, known_rows

_CHECKPOINT_SECONDS = 10.0
_CHECKPOINT_SHARE = 50  # what is done is written again for at most a 50th of the time


class Extractor:
    """Turns images into features: one vector per level of a frozen network.

    Parameters
    ----------
    backbone : str
        A key of `adhelpers.backbones.VARIANTS`.
    weights : {"imagenet", "builtin", "none"} or path
        See `adhelpers.backbones.load_backbone`.
    protocol : str
        How an image is brought to size: a key of `adhelpers.images.PROTOCOLS`.
    batch_size : int
        Images per call of the Keras network; more needs more memory. TFLite takes one.
    seed : int
        Of untrained weights, and of the choice of the calibration images.
    skip_bad_images : bool
        Leave unreadable images out instead of stopping at the first.
    engine : {"auto", "keras", "tflite"}
        What runs the network. A CPU is fastest with ``"tflite"``: one LiteRT interpreter per
        core, on a model that is converted at first use and then kept in a cache folder
        (`adhelpers.features.cache_folder`). ``"auto"`` takes it unless there is a GPU.
    precision : str
        A key of `adhelpers.quantization.PRECISIONS`; Keras has float32 alone.
    calibration : Samples, optional
        Normal images, such as the training images; some of them are drawn to calibrate with, for
        the precisions that are calibrated.
    n_calibration : int
        How many of them to draw at most; a fifth of them is always left over.
    input_size : int, optional
        The side of the network's images, in pixels, a multiple of 32; that which the network was
        trained with when not given. More finds smaller defects and takes longer, by its square.
    bits : int, optional
        How many bits of 16-bit images are in use, one of `adhelpers.images.DEPTHS`; by the images
        that it is given, each time anew, when not given.

    Attributes
    ----------
    levels : dict of str to int
        The number of features per level.
    origin : Origin
        What its features come from.
    backbone : Backbone
        The Keras network, whatever the engine; built when first asked for.
    model : bytes or None
        The TFLite model that runs, the content of a ``.tflite`` file.
    calibration : Samples or None
        The images that it was calibrated with.

    Raises
    ------
    UserError
        If a name is unknown, or the weights cannot be had.

    Examples
    --------
    >>> import adhelpers as ad
    >>> data = ad.datasets.load_synthetic("weave")  # doctest: +SKIP
    >>> extract = ad.Extractor("efficientnet-b0", weights="none")  # doctest: +SKIP
    >>> train, test = extract(data.train), extract(data.test)  # doctest: +SKIP
    """

    def __init__(
        self,
        backbone: str = "efficientnet-b0",
        weights: str | Path = "imagenet",
        protocol: str = "square",
        batch_size: int = 16,
        seed: int = 0,
        skip_bad_images: bool = False,
        engine: str = "auto",
        precision: str = "float32",
        calibration: Samples | None = None,
        n_calibration: int = 100,
        input_size: int | None = None,
        bits: int | None = None,
    ):
        if batch_size < 1:
            raise UserError(f"the batch size must be at least 1, not {batch_size}")
        size = output_size(protocol, backbones.variant(backbone).input_size, input_size)
        if bits is not None and bits not in DEPTHS:
            raise UserError(f"{bits!r} bits: choose one of {', '.join(map(str, DEPTHS))}")
        engine = chosen_engine(engine, precision)
        weights_words = backbones.describe_weights(backbone, weights, seed)
        self.batch_size = batch_size
        self.skip_bad_images = skip_bad_images
        self._weights, self._seed = weights, seed
        self.model: bytes | None = None
        self.calibration: Samples | None = None
        images, digest = [], None
        if PRECISIONS[precision].calibrated and calibration is not None:
            self.calibration = model_cache.choose_calibration(calibration, n_calibration, seed)
            bits = bits or bits_in_use(calibration.paths)
            images, digest = model_cache.calibration_images(self.calibration, size, protocol, bits)
        words = (backbone, weights_words, size, protocol, engine, precision, digest)
        self.origin = Origin(*words, bits or MOST_BITS)
        self._bits = bits
        if engine == "tflite":
            self.model = model_cache.converted(lambda: self.backbone, self.origin, images)
        self._start()

    @classmethod
    def of_model(cls, model: bytes, origin: Origin) -> "Extractor":
        """Return an extractor of a TFLite model at hand, of which the origin tells."""
        extract = cls.__new__(cls)
        extract.batch_size, extract.skip_bad_images, extract.calibration = 16, False, None
        extract.model, extract.origin, extract._bits = model, origin, origin.bits
        extract._start()
        return extract

    def _start(self) -> None:
        self._runner = make_runner(self.model, lambda: self.backbone)
        self.levels = self._runner.levels
        self._with_maps = {}  # what runs the network and gives maps, by their levels; of copies too

    @cached_property
    def backbone(self) -> backbones.Backbone:
        """The Keras network."""
        origin = self.origin
        return backbones.load_backbone(
            origin.backbone, self._weights, origin.input_size, self._seed
        )

    def float_model(self) -> bytes:
        """Return the backbone as a float32 TFLite model, whatever runs it here."""
        return model_cache.converted(lambda: self.backbone, model_cache.in_float(self.origin))

    def for_images(self, samples: Samples) -> "Extractor":
        """Return the same extractor, for 16-bit images of which as many bits are in use as here.

        Those of one data set are to be read alike: the training images tell how.
        """
        if self._bits is not None:
            return self
        extract = copy(self)
        extract._bits = bits_in_use(samples.paths)
        extract.origin = replace(self.origin, bits=extract._bits)
        return extract

    def __call__(self, samples: Samples, cache: str | Path | None = None) -> FeatureSet:
        """Extract the features of images.

        Parameters
        ----------
        samples : Samples
        cache : path, optional
            A ``.npz`` file. Rows that it holds already for the very same image bytes and origin
            are used again, and the result is written to it. A run that is cut off leaves what it
            had in a ``.partial.npz`` beside it, and the next run goes on from there.

        Returns
        -------
        features : FeatureSet
            In the order of `samples`; shorter by the images left out as unreadable.

        Raises
        ------
        UserError
            If an image cannot be read (unless `skip_bad_images`).
        """
        if self._bits is None:
            return self.for_images(samples)(samples, cache)
        cache = Path(cache) if cache else None
        partial = cache and cache.with_suffix(".partial.npz")
        known = {
            digest: row
            for path in (cache, partial)
            for digest, row in known_rows(path, self.origin, self.levels).items()
        }
        table = Table(samples, self.levels, self.origin)
        due = time.monotonic() + _CHECKPOINT_SECONDS
        try:
            for picture, row in rows_of_files(self, samples, known, self._runner.workers):
                table.put(picture, row)
                if partial and (start := time.monotonic()) > due:
                    table.done().save(partial)
                    due = _next_checkpoint(start, time.monotonic())
        except BaseException:
            if partial and table.filled.any():
                table.done().save(partial)
            raise
        result = table.done()
        if cache:
            result.save(cache)
            partial.unlink(missing_ok=True)
        return result

    def of_pixels(
        self, images: np.ndarray | Sequence[np.ndarray], labels: Sequence[int] | None = None
    ) -> FeatureSet:
        """Extract the features of images in memory that have the network's size.

        Parameters
        ----------
        images : array-like of uint8 or float32, shape (N, S, S, 3)
            RGB, 0-255; `adhelpers.images.to_square` brings an image to this size.
        labels : sequence of int, optional
            0 normal, 1 anomalous; all 0 when not given.

        Returns
        -------
        features : FeatureSet
            In the order of the images.

        Raises
        ------
        UserError
            If the shape is another one.
        """
        images = of_size(images, self.origin.input_size)
        levels = backbones.pooled_in_batches(self._runner, images, self.batch_size)
        return FeatureSet.from_arrays(levels, labels, self.origin)

    def maps(
        self,
        samples: Samples,
        levels: Sequence[str] = MAP_LEVELS,
        augmentation: Augmentation | None = None,
    ) -> FeatureMaps:
        """Return the feature maps of images, which are computed as they are asked for.

        Parameters
        ----------
        samples : Samples
        levels : sequence of str
        augmentation : Augmentation, optional
            Of training images: copies to make of each, besides it.

        Raises
        ------
        UserError
            If the network lacks a level.
        """
        extract = self.for_images(samples)
        return maps_of_files(extract, self.map_runner(levels), samples, augmentation)

    def maps_of_pixels(
        self,
        images: np.ndarray | Sequence[np.ndarray],
        levels: Sequence[str] = MAP_LEVELS,
        labels: Sequence[int] | None = None,
    ) -> FeatureMaps:
        """Return the feature maps of images in memory; parameters and errors as for `of_pixels`."""
        runner = self.map_runner(levels)
        return maps_of_pixels(self, runner, of_size(images, self.origin.input_size), labels)

    def map_runner(self, levels: Sequence[str]):
        """Return what runs the network and gives these maps; the last one is kept."""
        key = tuple(levels)
        for name in levels:
            check_choice(f"level of {self.origin.backbone}", name, self.levels)
        if key not in self._with_maps:
            self._with_maps.clear()
            self._with_maps[key] = make_runner(self.model, lambda: self.backbone, levels)
        return self._with_maps[key]

    def pooled(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """Run the network on one batch and average every map: arrays, (N, D_l), and no origin."""
        return self._runner.pooled(images)

    def milliseconds(self, repeats: int = 20) -> float:
        """Return the median time of the network for one image, decoding not counted.

        With TFLite on one thread; with Keras on all cores.
        """
        return milliseconds(self._runner, self.origin.input_size, repeats)


def _next_checkpoint(start: float, end: float) -> float:
    """Return when to write again what is done, if it was now written from `start` to `end`."""
    return end + max(_CHECKPOINT_SECONDS, _CHECKPOINT_SHARE * (end - start))
