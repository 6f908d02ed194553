"""The anomaly detector that looks at each position and at the image as a whole."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted

from ..features import FeatureMaps
from ..gaussian import MIN_IMAGES, RANK, WEIGHT, LocalMoments, can_hold_out
from ..ground import UserError
from . import file
from .base import Detector
from .combination import level_scales
from .local import LocalDetector
from .local_sums import fold_count, fold_numbers
from .mahalanobis import MahalanobisDetector
from .thresholds import THRESHOLDS

#: What the whole image's distance is called beside those of the levels.
POOLED = "pooled"


class JointDetector(Detector):
    """Anomaly detector: Gaussians per position, and the pooled distance as one more level.

    The pooled distance is that of `MahalanobisDetector`, from the first level with maps to the
    network's last: levels before it see little but light. Every distance is divided by its mean
    over normal images that were held out, and all are added up (docs/where.md tells what else was
    tried).

    Parameters
    ----------
    levels, quantile, n_folds, tied_weight, rank, threshold
        As for `adhelpers.LocalDetector`; no "conformal" threshold, as scales and threshold rest on
        the same held-out images.

    Attributes
    ----------
    detectors_ : dict
        The two: ``"local"`` and ``"pooled"``.
    scales_ : dict of str to (float, float)
        Mean and standard deviation of the held-out distances, by level, and of ``"pooled"``.
    threshold_, held_out_scores_, held_out_distances_, n_train_, n_features_in_, origin_
        As for `adhelpers.LocalDetector`.
    """

    combination = "relative"

    def __init__(
        self,
        levels: Sequence[str] | None = None,
        quantile: float = 0.95,
        n_folds: int = 5,
        tied_weight: float | None = WEIGHT,
        rank: int | None = RANK,
        threshold: str | None = "held-out",
    ):
        self.levels = levels
        self.quantile = quantile
        self.n_folds = n_folds
        self.tied_weight = tied_weight
        self.rank = rank
        self.threshold = threshold

    def fit(self, X: FeatureMaps, y=None) -> "JointDetector":
        """Fit both detectors to normal images, and hold images out for scales and threshold.

        Parameters and errors are those of `LocalDetector.fit`.
        """
        self.check_parameters()
        local = self._local().fit(X)
        pooled = self._pooled(X, list(local.gaussians_)).fit(X.features)
        self._take(local, pooled)
        distances = {**local.held_out_distances_, POOLED: self._held_out(pooled, X)}
        self.scales_ = level_scales(distances)
        if self.threshold and can_hold_out(X.features.groups):
            self._take_held_out(distances)
        return self

    def partial_fit(self, X: FeatureMaps, y=None) -> "JointDetector":
        """Fit to more normal images; see `LocalDetector.partial_fit`.

        No image is held out: give `set_threshold` other normal images before any is scored.
        """
        self.check_parameters()
        earlier = vars(self).get("detectors_")
        local = (earlier["local"] if earlier else self._local()).partial_fit(X)
        pooled = earlier["pooled"] if earlier else self._pooled(X, list(local.moments_))
        self._take(local, pooled.partial_fit(X.features))
        return self

    def merge(self, other: "JointDetector") -> "JointDetector":
        """Add the images that another detector was fitted to; see `MahalanobisDetector.merge`."""
        check_is_fitted(self)
        check_is_fitted(other)
        for name, detector in self.detectors_.items():
            detector.merge(other.detectors_[name])
        self._take(**self.detectors_)
        return self

    @property
    def local_(self) -> LocalDetector:
        """LocalDetector: that of the positions."""
        return self.detectors_["local"]

    @property
    def pooled_(self) -> MahalanobisDetector:
        """MahalanobisDetector: that of the whole image."""
        return self.detectors_["pooled"]

    @property
    def moments_(self) -> dict[str, LocalMoments]:
        """dict of str to LocalMoments: after `partial_fit` alone, as of `local_`."""
        return self.local_.moments_

    @property
    def map_levels(self) -> list[str]:
        """list of str: the levels whose maps it takes."""
        return self.local_.map_levels

    def distance_maps(self, X: FeatureMaps) -> dict[str, np.ndarray]:
        """Return the distance at each position; see `LocalDetector.distance_maps`."""
        return self.local_.distance_maps(X)

    def heat_maps(self, X: FeatureMaps) -> np.ndarray:
        """Return where each image is abnormal; see `LocalDetector.heat_maps`."""
        return self.local_.heat_maps(X)

    def save(self, path: str | Path) -> None:
        """Write the fitted detector to an ``.npz`` file, without pickle."""
        check_is_fitted(self)
        file.write(self, path)

    @classmethod
    def load(cls, path: str | Path) -> "JointDetector":
        """Read a detector that `save` wrote; errors are those of `MahalanobisDetector.load`."""
        return file.read((cls,), path, (LocalDetector, MahalanobisDetector))

    def check_parameters(self) -> None:
        """Raise a UserError if a parameter is unknown or out of range, as `fit` does."""
        self._check_decision()
        self._local().check_parameters()
        if self.threshold and THRESHOLDS[self.threshold].holding_out == "for good":
            raise UserError(
                f"a {self.threshold} threshold would rest on the images that the scales come from; "
                "take threshold='held-out'"
            )

    def check_in_parts(self) -> None:
        """Raise a UserError if a parameter needs all images at once, as `partial_fit` does."""
        self.check_parameters()
        self._local().check_in_parts()

    @property
    def words(self) -> str:
        """str: the choice of the distance and of its threshold, for titles and tables."""
        start, _, threshold = self._local().words.partition("; ")
        start = start.replace(", sum of ", " of ")
        threshold = f"; {threshold}" if self.threshold else ""
        return f"{start}, and pooled, relative to held-out images{threshold}"

    def _local(self) -> LocalDetector:
        return LocalDetector(
            self.levels,
            self.quantile,
            self.n_folds,
            self.tied_weight,
            self.rank,
            threshold=self.threshold or "held-out",
        )

    def _pooled(self, X: FeatureMaps, levels: list[str]) -> MahalanobisDetector:
        """Return a detector of the levels from the first with maps on."""
        names = list(X.features.levels)
        return MahalanobisDetector(names[min(map(names.index, levels)) :], threshold=None)

    def _held_out(self, pooled: MahalanobisDetector, X: FeatureMaps) -> np.ndarray:
        """Return the pooled scores of images, each by a fit without its fold."""
        features, n_folds = X.features, fold_count(len(X.labels), self.n_folds)
        folds, scores = fold_numbers(features, n_folds), np.empty(len(features))
        if len(set(features.groups)) <= MIN_IMAGES or not folds.any():
            return pooled.anomaly_score(features)
        for fold in np.unique(folds):
            rows = folds == fold
            scores[rows] = (
                clone(pooled).fit(features.rows(~rows)).anomaly_score(features.rows(rows))
            )
        return scores

    def _take(self, local: LocalDetector, pooled: MahalanobisDetector) -> None:
        """Keep the two detectors, and forget what rests on earlier ones."""
        self.detectors_ = {"local": local, "pooled": pooled}
        self.n_train_, self.origin_ = local.n_train_, local.origin_
        self.n_features_in_ = local.n_features_in_ + pooled.n_features_in_
        self._forget_decision()

    def _distances(self, X: FeatureMaps) -> dict[str, np.ndarray]:
        local = self.local_.level_distances(X, allow_other_origin=True)
        return {**local, POOLED: self.pooled_.anomaly_score(X.features, allow_other_origin=True)}
