"""Images to a FeatureSet: the network's feature maps, averaged over their positions."""

import time
from collections.abc import Iterator
from functools import cached_property
from itertools import islice
from pathlib import Path

import numpy as np
from tqdm import tqdm

from . import backbones, conversion, tflite
from .datasets.samples import Samples
from .engines import KerasRunner, chosen_engine
from .errors import UserError
from .features import FeatureSet, differing_fields
from .images import Picture, load, output_size, stream
from .parallel import available_cores, ordered_map

_CHECKPOINT_SECONDS = 10.0


class Extractor:
    """Turns images into features: one vector per level of a frozen network.

    Parameters
    ----------
    backbone : str
        A key of `adhelpers.backbones.VARIANTS`.
    weights : {"imagenet", "builtin", "none"} or path
        See `adhelpers.backbones.load`.
    protocol : {"square", "crop"}
        How an image is brought to size; see `adhelpers.images.PROTOCOLS`.
    batch_size : int
        Images per call of the Keras network; more needs more memory. TFLite takes one.
    seed : int
        Of untrained weights, and of the choice of the calibration images.
    skip_bad_images : bool
        Leave unreadable images out instead of stopping at the first.
    engine : {"auto", "keras", "tflite"}
        What runs the network. A CPU is fastest with ``"tflite"``: one LiteRT interpreter per
        core, on a model that is converted at first use and then kept in a cache folder
        (`adhelpers.conversion.cache_folder`). ``"auto"`` takes it unless there is a GPU.
    precision : str
        A key of `adhelpers.tflite.PRECISIONS`; Keras has float32 alone.
    calibration : Samples, optional
        Normal images, such as the training images; some of them are drawn to calibrate with, for
        the precisions in `adhelpers.tflite.CALIBRATED`.
    n_calibration : int
        How many of them to draw at most; a fifth of them is always left over.

    Attributes
    ----------
    levels : dict of str to int
        The number of features per level.
    origin : dict
        What its features come from; see `adhelpers.features.ORIGIN_FIELDS`.
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
    >>> data = ad.datasets.synthetic.load("weave")  # doctest: +SKIP
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
    ):
        if batch_size < 1:
            raise UserError(f"the batch size must be at least 1, not {batch_size}")
        size = output_size(protocol, backbones.variant(backbone).input_size)
        self.batch_size = batch_size
        self.skip_bad_images = skip_bad_images
        self._weights, self._seed = weights, seed
        self.origin = {
            "backbone": backbone,
            "weights": backbones.describe_weights(backbone, weights, seed),
            "input_size": size,
            "protocol": protocol,
            "engine": chosen_engine(engine, precision),
            "precision": precision,
            "calibration": None,
        }
        self.model: bytes | None = None
        self.calibration: Samples | None = None
        if self.origin["engine"] == "keras":
            self._runner = KerasRunner(self.backbone)
        else:
            self.model = self._tflite_model(calibration, n_calibration)
            self._runner = tflite.Runner(self.model, available_cores())
        self.levels = self._runner.levels

    @cached_property
    def backbone(self) -> backbones.Backbone:
        """The Keras network."""
        origin = self.origin
        return backbones.load(origin["backbone"], self._weights, origin["input_size"], self._seed)

    def _tflite_model(self, calibration: Samples | None, n_calibration: int) -> bytes:
        """Return the model to run, calibrated if its precision wants it."""
        images: list[np.ndarray] = []
        if self.origin["precision"] in tflite.CALIBRATED and calibration is not None:
            self.calibration = conversion.choose_calibration(calibration, n_calibration, self._seed)
            images, self.origin["calibration"] = conversion.calibration_images(
                self.calibration, self.origin["input_size"], self.origin["protocol"]
            )
        return conversion.converted(lambda: self.backbone, self.origin, images)

    def float_model(self) -> bytes:
        """Return the backbone as a float32 TFLite model, whatever runs it here."""
        return conversion.converted(lambda: self.backbone, self.origin | conversion.FLOAT)

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
        partial = Path(cache).with_suffix(".partial.npz") if cache else None
        known = (
            {} if cache is None else {**self._known_rows(Path(cache)), **self._known_rows(partial)}
        )
        table = _Table(samples, self.levels, self.origin)
        saved = time.monotonic()
        try:
            for pictures, features in self._batches(samples, known):
                table.put(pictures, features)
                if partial and time.monotonic() - saved > _CHECKPOINT_SECONDS:
                    table.done().save(partial)
                    saved = time.monotonic()
        except BaseException:
            if partial and table.filled.any():
                table.done().save(partial)
            raise
        result = table.done()
        if cache:
            result.save(cache)
            partial.unlink(missing_ok=True)
        return result

    def pooled(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """Run the network on a batch and average every feature map over its positions.

        Parameters
        ----------
        images : ndarray of uint8 or float32, shape (N, S, S, 3)
            RGB, 0-255.

        Returns
        -------
        features : dict of str to ndarray of float32, shape (N, D_l)
        """
        return self._runner.pooled(images)

    def milliseconds(self, repeats: int = 20) -> float:
        """Return the median time of the network for one image, decoding not counted.

        With TFLite on one thread; with Keras on all cores.
        """
        size = self.origin["input_size"]
        image = np.random.default_rng(0).integers(0, 256, (1, size, size, 3), dtype=np.uint8)
        seconds = []
        for _ in range(repeats):
            start = time.perf_counter()
            self.pooled(image)
            seconds.append(time.perf_counter() - start)
        return 1e3 * float(np.median(seconds))

    def _known_rows(self, path: Path) -> dict[str, dict[str, np.ndarray]]:
        """Return the rows of a features file by image digest, if the file is of this origin."""
        if not path.exists():
            return {}
        try:
            features = FeatureSet.load(path)
        except UserError as error:
            tqdm.write(f"{error}: all its images are extracted again")
            return {}
        if differing := differing_fields(features.origin, self.origin):
            tqdm.write(f"{path} differs in {', '.join(differing)}: its images are extracted again")
            return {}
        return {
            digest: {name: x[i] for name, x in features.levels.items()}
            for i, digest in enumerate(features.digests)
        }

    def _batches(
        self, samples: Samples, known: dict
    ) -> Iterator[tuple[list[Picture], dict[str, np.ndarray]]]:
        """Yield pictures and their features, batch by batch; decoding overlaps the network."""
        reused: list[Picture] = []

        def goes_on(picture: Picture) -> bool:
            """Count a picture, and say whether it goes through the network."""
            bar.update()
            if picture.error is not None and not self.skip_bad_images:
                raise picture.error
            if picture.error is None and picture.pixels is None:
                reused.append(picture)
            return picture.pixels is not None

        def known_ones() -> Iterator[tuple[list[Picture], dict[str, np.ndarray]]]:
            """Yield what was reused since the last time, so that a checkpoint has it too."""
            if reused:
                rows = [known[picture.digest] for picture in reused]
                levels = {name: np.stack([row[name] for row in rows]) for name in self.levels}
                yield reused.copy(), levels
                reused.clear()

        with tqdm(total=len(samples), desc="extract", unit="image", disable=None) as bar:
            if self.model:
                computed = (
                    ([picture], features)
                    for picture, features in self._one_by_one(samples, known)
                    if goes_on(picture)
                )
            else:
                size, protocol = self.origin["input_size"], self.origin["protocol"]
                pictures = filter(goes_on, stream(samples.paths, size, protocol, known.keys()))
                batches = iter(lambda: list(islice(pictures, self.batch_size)), [])
                computed = ordered_map(self._batch, batches, self._runner.workers)
            for batch in computed:
                yield from known_ones()
                yield batch
            yield from known_ones()

    def _one_by_one(
        self, samples: Samples, known: dict
    ) -> Iterator[tuple[Picture, dict[str, np.ndarray] | None]]:
        """Yield every picture, with its features if it was decoded, each from a single thread.

        A TFLite model takes one image at a time; with threads of their own for decoding and for
        the network, more threads than cores would get into each other's way.
        """
        size, protocol = self.origin["input_size"], self.origin["protocol"]

        def compute(item: tuple[int, Path]) -> tuple[Picture, dict[str, np.ndarray] | None]:
            picture = load(item, size, protocol, known.keys())
            return picture, None if picture.pixels is None else self.pooled(picture.pixels[None])

        yield from ordered_map(compute, enumerate(samples.paths), self._runner.workers)

    def _batch(self, pictures: list[Picture]) -> tuple[list[Picture], dict[str, np.ndarray]]:
        return pictures, self.pooled(np.stack([picture.pixels for picture in pictures]))


class _Table:
    """Features by image, filled in any order."""

    def __init__(self, samples: Samples, levels: dict[str, int], origin: dict):
        self.samples = samples
        self.origin = origin
        self.levels = {
            name: np.empty((len(samples), width), np.float32) for name, width in levels.items()
        }
        self.digests = np.full(len(samples), "", dtype="U32")
        self.filled = np.zeros(len(samples), dtype=bool)

    def put(self, pictures: list[Picture], features: dict[str, np.ndarray]) -> None:
        rows = [picture.index for picture in pictures]
        for name, array in self.levels.items():
            array[rows] = features[name]
        self.digests[rows] = [picture.digest for picture in pictures]
        self.filled[rows] = True

    def done(self) -> FeatureSet:
        """Return the images that were put in so far."""
        samples = self.samples
        paths = [str(path) for path in samples.paths]
        whole = FeatureSet(
            self.levels,
            samples.labels,
            samples.defect_types,
            paths,
            self.digests.tolist(),
            self.origin,
        )
        return whole.rows(self.filled)
