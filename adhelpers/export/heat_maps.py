"""Where the score of an exported detector comes from, by LiteRT alone."""

import cv2
import numpy as np

from .. import edge
from ..images import resampled, seen_window
from .split import SplitDistances

_HOTTEST = 0.995  # the quantile of a pooled detector's heat that has the strongest colour


class HeatMaps:
    """Tells where an exported detector's scores come from.

    A detector that looks at each position has a heat map of its own; the distances of a pooled one
    are split over the positions.

    Parameters
    ----------
    model : bytes
        A ``.tflite`` file as `adhelpers.export.build` makes it.

    Attributes
    ----------
    bits : int
        How many bits of 16-bit images are in use.

    Raises
    ------
    EdgeError
        If it is no such model.
    UserError
        If it is pooled, and combines its levels by other than their sum.
    """

    def __init__(self, model: bytes):
        self._detector = edge.Detector(model)
        self.bits = self._detector.bits
        self._split = SplitDistances(model) if self._detector.heat_map is None else None

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """Lay what raises the score over an image of any size.

        Parameters
        ----------
        image : ndarray of uint8, shape (H, W, 3)
            RGB.

        Returns
        -------
        heat : ndarray of float, shape (H, W)
            In the unit of the score. Of a pooled detector it is the positive terms of all levels,
            added up, so that its mean is about the score; of another the distances of all levels,
            so that the score is what it is at most.
        """
        detector, shape = self._detector, image.shape[:2]
        if self._split is None:
            return detector.heat(image, *detector.score(image))
        window = seen_window(shape, detector.size, detector.record["protocol"])
        terms = self._split(detector.prepare(image)).values()
        return sum(resampled(np.maximum(x, 0), shape, window) for x in terms)

    def overlay(self, image: np.ndarray, score: float, threshold: float) -> bytes:
        """Draw the heat over a grey image: the content of a PNG file.

        A pooled detector's own scale tells where, for normal images have heat somewhere, too, and
        the strength of the whole tells how much: full at twice the threshold and beyond, half at
        the threshold. The heat of another detector has a scale that means the same in all images:
        it is drawn from half the threshold on, and in full from one and a half thresholds on.

        Parameters
        ----------
        image : ndarray of uint8, shape (H, W, 3)
            RGB.
        score, threshold : float
            The threshold above 0.
        """
        heat = self(image)
        if self._split is None:
            strength = edge.strength(heat, threshold)
        else:
            hottest = max(float(np.quantile(heat, _HOTTEST)), 1e-12)
            strength = np.clip(heat / hottest, 0, 1) ** 2 * np.clip(score / (2 * threshold), 0, 1)
        return cv2.imencode(".png", edge.painted(image, strength)[..., ::-1])[1].tobytes()
