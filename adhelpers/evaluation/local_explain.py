"""Where in the image Gaussians per position find it abnormal: their distances, as they are."""

import numpy as np

from .. import images
from ..detector import JointDetector, LocalDetector, MahalanobisDetector
from ..features import differing_fields
from ..ground import UserError
from ..images import seen_window
from .explain import Explainer, HeatMap


class LocalExplainer:
    """Shows the distance at each position, by a detector with Gaussians per position.

    Parameters
    ----------
    extract : Extractor
        Of any engine and precision.
    detector : LocalDetector or JointDetector
        Fitted on maps of `extract`.

    Raises
    ------
    UserError
        If the detector was fitted on maps of another origin.

    Examples
    --------
    >>> explainer = LocalExplainer(extract, detector)  # doctest: +SKIP
    >>> heat = explainer(ad.images.read("screw.png"))  # doctest: +SKIP
    >>> heat.total.shape, heat.score  # doctest: +SKIP
    ((1024, 1024), 11.7)
    """

    #: What its maps show, in words.
    shows = "how far each position is from normal"

    def __init__(self, extract, detector: LocalDetector | JointDetector):
        if detector.origin_ is None:
            raise UserError(
                "the detector was fitted on plain arrays; fit it on the maps of the extractor"
            )
        if differing := differing_fields(detector.origin_, extract.origin):
            raise UserError(
                f"the detector was fitted on maps of another origin: {', '.join(differing)}; give "
                "the extractor that it was fitted with"
            )
        self.origin, self.detector = extract.origin, detector
        self._extract = extract

    def __call__(self, image: np.ndarray) -> HeatMap:
        """Explain one image, uint8, (H, W, 3), RGB, of any size."""
        size, protocol = self.origin.input_size, self.origin.protocol
        levels, scores = self.explained(images.to_square(image, size, protocol)[None])
        shape = image.shape[:2]
        return HeatMap(
            {name: maps[0] for name, maps in levels.items()},
            {name: float(maps.max()) for name, maps in levels.items()},
            float(scores[0]),
            shape,
            seen_window(shape, size, protocol),
        )

    def explained(self, images: np.ndarray) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """Return the distances at the positions of many images, and the images' scores.

        Parameters
        ----------
        images : ndarray of uint8, shape (N, S, S, 3)
            RGB, of the network's size.

        Returns
        -------
        levels : dict of str to ndarray of float64, shape (N, h_l, w_l)
        scores : ndarray of float64, shape (N,)

        Raises
        ------
        UserError
            If there is no image.
        """
        if not len(images):
            raise UserError("there are no images to explain: give at least one")
        maps = self._extract.maps_of_pixels(images, self.detector.map_levels)
        return self.detector.distance_maps(maps), self.detector.anomaly_score(maps)


def make_explainer(
    extract, detector: MahalanobisDetector | LocalDetector | JointDetector
) -> Explainer | LocalExplainer:
    """Return what explains a detector of any kind."""
    split = isinstance(detector, MahalanobisDetector)
    return Explainer(extract, detector) if split else LocalExplainer(extract, detector)
