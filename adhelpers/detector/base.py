"""What every detector does once it is fitted: score, set a threshold, and decide."""

from numbers import Integral
from pathlib import Path
from typing import Self

import numpy as np
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.utils.validation import check_is_fitted

from ..features import Origin, differing_fields
from ..ground import UserError, check_choice, check_probability
from . import file
from .checks import check_normal, check_not_empty, check_origin
from .combination import COMBINATIONS, Distances, Scales, combine, level_scales
from .thresholds import THRESHOLDS, Evidence, nothing_held_out, p_values


class Detector(OutlierMixin, BaseEstimator):
    """What detectors share: levels' distances become scores, and scores decisions.

    `anomaly_score` is higher for more anomalous images. The names of scikit-learn keep
    scikit-learn's signs: `score_samples` and `decision_function` are lower for more anomalous
    ones, and `predict` gives -1 for an anomaly and +1 for a normal image.

    A detector has the parameters `quantile`, `n_folds`, `combination` and `threshold`, and sets
    the attributes below (see `adhelpers.MahalanobisDetector`); `_distances` measures what it
    takes, checked.
    """

    scales_: Scales
    held_out_scores_: np.ndarray | None
    held_out_distances_: Distances | None
    n_train_: int
    origin_: Origin | None
    _threshold: float | None

    @property
    def threshold_(self) -> float:
        """float: scores above it are called anomalous."""
        return self._find_threshold() if self._threshold is None else self._threshold

    @property
    def has_threshold(self) -> bool:
        """bool: whether there is one; not where too few images were there to hold any out."""
        if self.threshold is None:
            return False
        return not THRESHOLDS[self.threshold].holding_out or self.held_out_scores_ is not None

    @property
    def offset_(self) -> float:
        """float: ``-threshold_``, as scikit-learn counts."""
        return -self.threshold_

    def set_threshold(self, X) -> Self:
        """Set the threshold by normal images that the detector was not fitted to.

        They replace the held-out scores, and after `partial_fit` the scales of the levels too.
        With ``threshold="conformal"`` its guarantee holds, by all of these images.

        Parameters
        ----------
        X : FeatureSet, or array-like of shape (N, D)

        Returns
        -------
        self : detector

        Raises
        ------
        UserError
            If the features do not fit, anomalous images are among them, the threshold is not of
            held-out scores, or a conformal one would rest on scales from the same images.
        """
        if not self._holding_out:
            raise UserError(f"a threshold {self.threshold!r} takes no held-out images")
        check_not_empty(X)
        check_normal(X)
        return self.set_threshold_by(self.level_distances(X))

    def set_threshold_by(self, distances: Distances) -> Self:
        """Do the same by what `level_distances` returns of normal images."""
        if COMBINATIONS[self.combination].needs_scales and hasattr(self, "moments_"):
            if self._holding_out == "for good":
                raise UserError(
                    f"after partial_fit, a {self.threshold} threshold goes with the combination "
                    "'sum' alone: the scales of the others would come from the same images"
                )
            self.scales_ = level_scales(distances)
        self._take_held_out(distances)
        return self

    @property
    def _holding_out(self) -> str | None:
        return self.threshold and THRESHOLDS[self.threshold].holding_out

    def level_distances(self, X, allow_other_origin: bool = False) -> Distances:
        """Return each image's distance at each level.

        Parameters
        ----------
        X : FeatureSet, or array-like of shape (N, D)
        allow_other_origin : bool
            Accept features of another origin than those fitted on. Their distances mean
            little: see the notebook on int8.

        Returns
        -------
        distances : dict of str to ndarray of float64, shape (N,)

        Raises
        ------
        UserError
            If a level is missing, has another width, or the features are of another origin.
        """
        check_is_fitted(self)
        if not allow_other_origin:
            check_origin(self.origin_, X)
        return self._distances(X)

    def anomaly_score(self, X, allow_other_origin: bool = False) -> np.ndarray:
        """Return each image's score: its distances at the levels, combined.

        Parameters and errors are those of `level_distances`.

        Returns
        -------
        scores : ndarray of float64, shape (N,)
            Higher is more anomalous; at least 0 unless the combination is "z-score".
        """
        return self.combined(self.level_distances(X, allow_other_origin))

    def combined(self, distances: dict[str, np.ndarray]) -> np.ndarray:
        """Return each image's score from its distances at the levels.

        Parameters
        ----------
        distances : dict of str to ndarray, shape (N,)
            What `level_distances` returns.

        Returns
        -------
        scores : ndarray of float64, shape (N,)
        """
        if COMBINATIONS[self.combination].needs_scales and not self.scales_:
            raise nothing_held_out()
        return combine(distances, self.combination, self.scales_)

    def p_values(self, X, allow_other_origin: bool = False) -> np.ndarray:
        """Return each image's p-value among the held-out normal images, shape (N,), in (0, 1].

        With ``threshold="conformal"``, or held-out images from `set_threshold`, a normal image's
        is at most alpha with a probability of at most alpha; see
        `adhelpers.detector.thresholds.conformal`. With the default K-fold there is no such
        guarantee.

        Parameters and errors are those of `level_distances`.
        """
        scores = self.anomaly_score(X, allow_other_origin)
        if self.held_out_scores_ is None:
            raise nothing_held_out()
        return p_values(self.held_out_scores_, scores)

    def score_samples(self, X) -> np.ndarray:
        """Return the negative anomaly score, shape (N,): lower is more anomalous."""
        return -self.anomaly_score(X)

    def decision_function(self, X) -> np.ndarray:
        """Return the threshold minus the anomaly score, shape (N,): negative is an anomaly."""
        return self.score_samples(X) - self.offset_

    def predict(self, X) -> np.ndarray:
        """Return -1 for each anomaly and +1 for each normal image, int, shape (N,).

        A score that is no finite number, as of a damaged detector, is never a normal image's.
        """
        scores = self.anomaly_score(X)
        return np.where(np.isfinite(scores) & (scores <= self.threshold_), 1, -1)

    def _check_decision(self) -> None:
        """Raise a UserError if a parameter of scores and decisions is not valid."""
        check_choice("combination", self.combination, COMBINATIONS)
        check_choice("threshold", self.threshold, (*THRESHOLDS, None))
        check_probability(self.quantile, "quantile")
        if not isinstance(self.n_folds, Integral) or self.n_folds < 2:
            raise UserError(f"n_folds must be a whole number from 2 on, not {self.n_folds!r}")

    def _find_threshold(self) -> float:
        if self.threshold is None:
            raise UserError("threshold=None gives scores alone; choose a threshold and fit again")
        kind = THRESHOLDS[self.threshold]
        if kind.holding_out and self.held_out_scores_ is None:
            raise nothing_held_out()
        evidence = Evidence(self.held_out_scores_, self._dimensions(), self.n_train_)
        threshold = kind.find(evidence, float(self.quantile))
        if not np.isfinite(threshold):
            raise UserError(
                f"the threshold would be {threshold}, no finite number; fit again, or set it by "
                "other normal images"
            )
        return threshold

    def _dimensions(self) -> dict[str, int]:
        """Return the dimensions of the Gaussian at each level, for the law that needs them."""
        return {}

    def _forget_decision(self) -> None:
        """Forget what rests on the images fitted to so far."""
        self.held_out_scores_ = self.held_out_distances_ = self._threshold = None
        self.scales_ = {}

    def _take_held_out(self, distances: Distances) -> None:
        """Set the threshold by the distances of images that were held out."""
        self.held_out_distances_, self.held_out_scores_ = distances, self.combined(distances)
        self._threshold = self._find_threshold()


class GaussianDetector(Detector):
    """A detector with a Gaussian at each level, which can be fitted in parts, and has a file.

    `_fitted` makes a level's Gaussian of its moments.
    """

    moments_: dict
    _gaussians: dict | None

    @property
    def gaussians_(self) -> dict:
        """dict: the Gaussians by level name."""
        if self._gaussians is None:
            self._gaussians = {name: self._fitted(name, x) for name, x in self.moments_.items()}
        return self._gaussians

    def merge(self, other: Self) -> Self:
        """Add the images that another detector was fitted to by `partial_fit`.

        Parameters
        ----------
        other : detector
            With equal parameters, from features of the same origin.

        Returns
        -------
        self : detector

        Raises
        ------
        UserError
            If either was not fitted by `partial_fit`, or they do not agree.
        """
        for one in (self, other):
            check_is_fitted(one)
            if not hasattr(one, "moments_"):
                raise UserError("merge joins detectors that were fitted by partial_fit")
        mine, theirs = map(file.plain_parameters, (self, other))
        differing = [name for name, value in mine.items() if value != theirs[name]]
        differing += differing_fields(self.origin_, other.origin_)
        if list(self.moments_) != list(other.moments_):
            differing.append("levels")
        if differing:
            raise UserError(f"cannot merge, the detectors differ in: {', '.join(differing)}")
        return self._with_moments(other.moments_)

    def save(self, path: str | Path) -> None:
        """Write the fitted detector to an ``.npz`` file, without pickle.

        One that was fitted in parts keeps its moments, and can be merged once it is loaded.
        """
        check_is_fitted(self)
        file.write(self, path)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a detector that `save` wrote.

        Raises
        ------
        UserError
            If the file is not there, damaged, of another version, or no detector.
        """
        return file.read((cls,), path)

    def _dimensions(self) -> dict[str, int]:
        return {name: gaussian.dimensions for name, gaussian in self.gaussians_.items()}

    def _with_moments(self, added: dict) -> Self:
        """Add moments, and forget what was derived from the earlier ones."""
        earlier = getattr(self, "moments_", {})
        self.moments_ = {
            name: earlier[name] + moments if earlier else moments for name, moments in added.items()
        }
        self.n_train_ = next(iter(self.moments_.values())).count
        self._forget_decision()
        self._gaussians = None
        return self
