"""Where in the image the score comes from: the distance split over the positions of each level.

A level's vector is the mean of its feature map, so its squared distance is a mean over positions,
exactly and without any further model::

    d^2 = mean over (h, w) of (x_hw - mu)^T S^-1 (x_bar - mu)

with x_hw the map at a position, x_bar its mean, and mu and S the Gaussian's mean and covariance.

What such a map can tell has limits:

- Terms can be negative: there the image is more normal, along the direction in which it deviates,
  than it is on average. The map is a split of the score, not a probability of a defect.
- All positions are compared with one direction, S^-1 (x_bar - mu), and with one mean. What is
  always brighter than the rest (an edge, the background) gives a term at any position, defect or
  not, as soon as the image deviates in its direction.
- Coarse levels are coarse: 7 x 7 positions for 224 x 224 pixels, and each of them sees much more
  than its own 32 x 32 pixels. Only the first levels see small things, and only by their colours
  and edges.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from tqdm import tqdm

from .. import images
from ..detector import MahalanobisDetector
from ..features import Origin, differing_fields
from ..gaussian import Gaussian
from ..ground import UserError, ordered_map
from ..images import resampled, seen_window


@dataclass(frozen=True)
class HeatMap:
    """Where the score of one image comes from.

    Parameters
    ----------
    levels : dict of str to ndarray of float64, shape (h_l, w_l)
        By level: the split of its distance, whose mean is the distance; or, of Gaussians per
        position, the distance at each, the largest of which is the level's.
    distances : dict of str to float
        By level.
    score : float
        The image's anomaly score.
    image_shape : (int, int)
        Height and width of the image, in pixels.
    window : (float, float, float, float)
        Top, left, height and width of the part that the network saw, in pixels of the image, which
        may be fractions.
    """

    levels: dict[str, np.ndarray]
    distances: dict[str, float]
    score: float
    image_shape: tuple[int, int]
    window: tuple[float, float, float, float]

    @cached_property
    def total(self) -> np.ndarray:
        """ndarray of float64, shape (H, W): the levels' maps laid over the image and added up.

        Of a split score, its sum, divided by the window's area in pixels, is the score: where the
        network saw the whole image (protocol "square"), the score is the map's mean. Outside the
        window it is 0.
        """
        return sum(
            resampled(values, self.image_shape, self.window) for values in self.levels.values()
        )


class Explainer:
    """Splits the anomaly score of images over their pixels.

    Parameters
    ----------
    extract : Extractor
        Of precision float32.
    detector : MahalanobisDetector
        Fitted on features of `extract`.

    Raises
    ------
    UserError
        If the extractor quantises, or the detector was fitted on features of another network,
        other weights, size or protocol, or does not sum its distances up.

    Notes
    -----
    The distance at each level, not its square, enters the score; a level's map is the split of its
    squared distance, divided by its distance. The score that the maps sum up to is the detector's
    on the means of these very maps; features that were averaged in float32 give a score that
    differs by about 1e-5 of it.

    Examples
    --------
    >>> explainer = Explainer(extract, detector)  # doctest: +SKIP
    >>> heat = explainer(ad.images.read("screw.png"))  # doctest: +SKIP
    >>> heat.total.mean(), heat.score  # doctest: +SKIP
    (61.2, 61.2)
    """

    #: What its maps show, in words.
    shows = "where the score comes from"

    def __init__(self, extract, detector: MahalanobisDetector):
        _check_origin(extract.origin, detector.origin_)
        check_combination(detector)
        self.origin = extract.origin
        self.detector = detector
        self.gaussians = detector.gaussians_
        self.batch_size = extract.batch_size
        self._runner = extract.map_runner(list(self.gaussians))

    def __call__(self, image: np.ndarray) -> HeatMap:
        """Split the score of one image.

        Parameters
        ----------
        image : ndarray of uint8, shape (H, W, 3)
            RGB, of any size.
        """
        size, protocol = self.origin.input_size, self.origin.protocol
        levels = self.level_maps(images.to_square(image, size, protocol)[None])
        shape = image.shape[:2]
        return HeatMap(
            {name: maps[0] for name, maps in levels.items()},
            {name: float(maps.mean()) for name, maps in levels.items()},
            float(self.scores(levels)[0]),
            shape,
            seen_window(shape, size, protocol),
        )

    def explained(self, images: np.ndarray) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """Return the maps of many images, as `of_pixels`, and their scores, shape (N,)."""
        levels = self.of_pixels(images)
        return levels, self.scores(levels)

    def level_maps(self, batch: np.ndarray) -> dict[str, np.ndarray]:
        """Split the distances of images that have the network's size.

        Parameters
        ----------
        batch : ndarray of uint8 or float32, shape (N, S, S, 3)
            RGB, 0-255.

        Returns
        -------
        levels : dict of str to ndarray of float64, shape (N, h_l, w_l)
            The mean of each map is the image's distance at that level.
        """
        _, levels = self._runner.run(batch)
        return {
            name: np.stack([split_distance(gaussian, one) for one in levels[name]])
            for name, gaussian in self.gaussians.items()
        }

    def scores(self, levels: dict[str, np.ndarray]) -> np.ndarray:
        """Return the anomaly scores, shape (N,), of maps, shape (N, h_l, w_l) each."""
        means = {name: maps.mean(axis=(1, 2)) for name, maps in levels.items()}
        return self.detector.combined(means)

    def of_pixels(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """Split the distances of many images that have the network's size, batch by batch.

        The maps keep the size of their levels, which is 0.2 MB per image for EfficientNet-B0;
        `summed` brings them to the network's size.

        Parameters
        ----------
        images : ndarray of uint8, shape (N, S, S, 3)
            RGB.

        Returns
        -------
        levels : dict of str to ndarray of float64, shape (N, h_l, w_l)

        Raises
        ------
        UserError
            If there is no image.
        """
        if not len(images):
            raise UserError("there are no images to explain: give at least one")
        starts = range(0, len(images), self.batch_size)
        batches = (images[start : start + self.batch_size] for start in starts)
        done = ordered_map(self.level_maps, batches, self._runner.workers)
        parts = list(tqdm(done, "explain", len(starts), unit="batch", disable=None))
        return {name: np.concatenate([part[name] for part in parts]) for name in self.gaussians}


def split_distance(gaussian: Gaussian, feature_map: np.ndarray) -> np.ndarray:
    """Split a Mahalanobis distance over the positions of a feature map.

    Parameters
    ----------
    gaussian : Gaussian
        Of D channels.
    feature_map : ndarray, shape (h, w, D)

    Returns
    -------
    split : ndarray of float64, shape (h, w)
        Its mean is the distance of the map's mean vector; terms may be negative. Zero everywhere
        if the distance is.
    """
    height, width, channels = feature_map.shape
    centred = feature_map.reshape(-1, channels) - gaussian.mean
    average = centred.mean(axis=0)
    weights = whitened_twice(gaussian, average)
    distance = np.sqrt(max(average @ weights, 0.0))
    if distance == 0:
        return np.zeros((height, width))
    return (centred @ weights).reshape(height, width) / distance


def whitened_twice(gaussian: Gaussian, centred: np.ndarray) -> np.ndarray:
    """Return the inverse covariance times a vector, by the Gaussian's axes alone.

    Parameters
    ----------
    gaussian : Gaussian
    centred : ndarray of float64, shape (D,)
        A vector from the Gaussian's mean.

    Returns
    -------
    product : ndarray of float64, shape (D,)
    """
    along = gaussian.axes @ centred
    product = gaussian.axes.T @ (along / gaussian.variances)
    if len(gaussian.axes) < len(gaussian.mean):
        product += (centred - gaussian.axes.T @ along) / gaussian.floor
    return product


def summed(levels: dict[str, np.ndarray], size: int, positive_only: bool = False) -> np.ndarray:
    """Sum the maps of many images over the levels, at one size.

    Parameters
    ----------
    levels : dict of str to ndarray, shape (N, h_l, w_l)
        As `Explainer.of_pixels` returns them; any choice of levels.
    size : int
        The side S to bring them to, in pixels.
    positive_only : bool
        Set the negative terms of each level to 0 first. The maps sum up to the score no longer,
        but a negative term of one level cannot hide what another one found.

    Returns
    -------
    maps : ndarray of float32, shape (N, S, S)
        The mean of each is the sum of its image's distances, unless `positive_only`.
    """
    least = 0 if positive_only else -np.inf
    count = len(next(iter(levels.values())))
    maps = np.empty((count, size, size), np.float32)
    for i in range(count):  # one by one: in float64, all at once would need several times as much
        maps[i] = sum(
            resampled(np.maximum(values[i], least), (size, size)) for values in levels.values()
        )
    return maps


def _check_origin(origin: Origin, fitted: Origin | None) -> None:
    """Raise a UserError unless feature maps can explain the detector's scores."""
    if origin.precision != "float32":
        raise UserError(
            f"the extractor's precision is {origin.precision}, which gives no feature maps; "
            "explain with a float32 extractor and a detector fitted on its features"
        )
    if fitted is None:
        raise UserError(
            "the detector was fitted on plain arrays; fit it on the features of the extractor"
        )
    if differing := differing_fields(fitted, origin, but=["engine"]):
        raise UserError(
            f"the detector was fitted on features of another origin: {', '.join(differing)}; "
            "give the extractor that it was fitted with"
        )


def check_combination(detector: MahalanobisDetector) -> None:
    if detector.combination != "sum":
        raise UserError(
            f"the detector combines its levels by {detector.combination!r}, but heat maps split "
            "the plain sum of the distances; explain one with combination='sum'"
        )
