"""The anomaly detector: a Gaussian per network level, and the sum of the Mahalanobis distances.

The method is that of Rippel, Mertens and Merhof, "Modeling the Distribution of Normal Data in
Pre-Trained Deep Features for Anomaly Detection", ICPR 2020, arXiv 2005.14140.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from . import checks, detector_files, thresholds
from .combination import COMBINATIONS, combine, level_scales
from .covariance import Covariance
from .errors import UserError
from .features import FeatureSet, differing_fields
from .fitting import fit_levels, naming
from .gaussian import MIN_IMAGES, DenseGaussian, Gaussian, fit_moments
from .held_out import groups_of
from .moments import Moments
from .parallel import linear_algebra_threads

_LEVEL = "level_1"  # what the columns of a plain array are called


class MahalanobisDetector(OutlierMixin, BaseEstimator):
    """Anomaly detector: a Gaussian per level, and the sum of the Mahalanobis distances.

    Parameters
    ----------
    levels : sequence of str, optional
        The levels to use, by name; all when not given. Plain arrays have one level.
    quantile : float
        The share of normal images that `predict` should call normal, in (0, 1).
    n_folds : int
        In how many parts the training images are held out.
    covariance, ridge, reduction, variance_share
        The distance: see `adhelpers.covariance.Covariance`.
    combination : {"sum", "z-score", "fisher"}
        How the levels' distances become one score: see `adhelpers.combination.combine`.
    threshold : {"held-out", "chi-square", "conformal"} or None
        Where the threshold at `quantile` comes from. "held-out": the quantile of the scores of
        training images that were held out in turn (K-fold, up to 2,000 images); no more than an
        estimate, mostly on the safe side. "chi-square": the law for Gaussian features (see
        `adhelpers.thresholds.chi_square`); for Mahalanobis distances and their sum alone.
        "conformal": one of the `n_folds` parts is held out for good and the rest fitted, so that
        at most 1 - `quantile` of new normal images are called anomalous (see
        `adhelpers.thresholds.conformal`). None: scores alone, no `predict`.

    Attributes
    ----------
    gaussians_ : dict of str to Gaussian or DenseGaussian
        By level name.
    threshold_ : float
        Scores above it are called anomalous.
    offset_ : float
        ``-threshold_``, as scikit-learn counts.
    held_out_scores_ : ndarray of float64, or None
        Scores of the normal images that were held out.
    scales_ : dict of str to (float, float)
        Mean and standard deviation of held-out distances, where the combination needs them.
    moments_ : dict of str to Moments
        After `partial_fit` alone.
    origin_ : dict
        What the features that it was fitted on came from; empty for plain arrays.
    n_train_ : int
        The number of images fitted on.
    n_features_in_ : int
        The number of features, over all levels.

    Notes
    -----
    `anomaly_score` is higher for more anomalous images. The names of scikit-learn keep
    scikit-learn's signs: `score_samples` and `decision_function` are lower for more anomalous
    ones, and `predict` gives -1 for an anomaly and +1 for a normal image.

    Rows of one image file (copies of it) are held out together.

    References
    ----------
    Rippel, Mertens and Merhof, arXiv 2005.14140, section III.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> detector = MahalanobisDetector().fit(rng.normal(size=(200, 3)))
    >>> detector.predict([[0.0, 0.0, 0.0], [9.0, 9.0, 9.0]])
    array([ 1, -1])
    """

    def __init__(
        self,
        levels: Sequence[str] | None = None,
        quantile: float = 0.95,
        n_folds: int = 5,
        covariance: str = "ledoit-wolf",
        ridge: float = 0.0,
        reduction: str | None = None,
        variance_share: float = 0.99,
        combination: str = "sum",
        threshold: str | None = "held-out",
    ):
        self.levels = levels
        self.quantile = quantile
        self.n_folds = n_folds
        self.covariance = covariance
        self.ridge = ridge
        self.reduction = reduction
        self.variance_share = variance_share
        self.combination = combination
        self.threshold = threshold

    def fit(self, X, y=None) -> "MahalanobisDetector":
        """Fit the Gaussians to normal images.

        Parameters
        ----------
        X : FeatureSet, or array-like of shape (N, D)
            Normal images alone.
        y : ignored

        Returns
        -------
        self : MahalanobisDetector

        Raises
        ------
        UserError
            If a parameter is unknown or out of range, there are fewer than three images,
            anomalous ones among them, or no spread.
        ValueError
            If features are NaN or infinite.
        """
        self._check_parameters()
        levels = self._first_levels(X, MIN_IMAGES)
        vars(self).pop("moments_", None)
        groups = groups_of(X if isinstance(X, FeatureSet) else levels[_LEVEL])
        fit = fit_levels(
            levels,
            groups,
            self._covariance(),
            self.combination,
            self.threshold,
            self.quantile,
            self.n_folds,
        )
        self._gaussians, self.n_train_ = fit.gaussians, fit.n_train
        self.scales_, self.held_out_scores_ = fit.scales, fit.held_out_scores
        if self.threshold is not None:
            self._threshold = self._find_threshold()
        return self

    def partial_fit(self, X, y=None) -> "MahalanobisDetector":
        """Fit to more normal images, in addition to those of earlier calls (after `fit`: anew).

        The detector keeps counts, means and scatter, D x D numbers per level, and no images; the
        Gaussians are computed from them when they are next needed, and equal those of `fit` on
        all images together. As no image is kept, none can be held out: for a threshold other than
        "chi-square", and for a combination other than "sum", give `calibrate` other normal images.

        Parameters, errors and what is returned are those of `fit`; a single image will do, and
        three in all.
        """
        self._check_parameters()
        self._covariance().check_moments_suffice()
        checks.check_not_empty(X)
        if hasattr(self, "moments_"):
            checks.check_origin(self.origin_, X)
            checks.check_normal(X)
            levels = self._validated(X, reset=False)
        else:
            levels = self._first_levels(X, 1)
        return self._with_moments({name: Moments.of(x) for name, x in levels.items()})

    def merge(self, other: "MahalanobisDetector") -> "MahalanobisDetector":
        """Add the images that another detector was fitted to by `partial_fit`.

        Parameters
        ----------
        other : MahalanobisDetector
            With equal parameters, from features of the same origin.

        Returns
        -------
        self : MahalanobisDetector

        Raises
        ------
        UserError
            If either was not fitted by `partial_fit`, or they do not agree.
        """
        for one in (self, other):
            check_is_fitted(one)
            if not hasattr(one, "moments_"):
                raise UserError("merge joins detectors that were fitted by partial_fit")
        mine, theirs = self.get_params(), other.get_params()
        differing = [name for name, value in mine.items() if value != theirs[name]]
        differing += differing_fields(self.origin_, other.origin_)
        if list(self.moments_) != list(other.moments_):
            differing.append("levels")
        if differing:
            raise UserError(f"cannot merge, the detectors differ in: {', '.join(differing)}")
        return self._with_moments(other.moments_)

    def calibrate(self, X) -> "MahalanobisDetector":
        """Set the threshold by normal images that the detector was not fitted to.

        They replace the held-out scores, and after `partial_fit` the scales of the levels too.
        With ``threshold="conformal"`` its guarantee holds, by all of these images.

        Parameters
        ----------
        X : FeatureSet, or array-like of shape (N, D)

        Returns
        -------
        self : MahalanobisDetector

        Raises
        ------
        UserError
            If the features do not fit, anomalous images are among them, the threshold is not of
            held-out scores, or a conformal one would rest on scales from the same images.
        """
        if self.threshold not in ("held-out", "conformal"):
            raise UserError(f"a threshold {self.threshold!r} takes no held-out images")
        checks.check_not_empty(X)
        checks.check_normal(X)
        distances = self.level_distances(X)
        if self.combination != "sum" and hasattr(self, "moments_"):
            if self.threshold == "conformal":
                raise UserError(
                    "after partial_fit, a conformal threshold goes with the combination 'sum' "
                    "alone: the scales of the others would come from the same images"
                )
            self.scales_ = level_scales(distances)
        self.held_out_scores_ = self.combined(distances)
        self._threshold = self._find_threshold()
        return self

    @property
    def gaussians_(self) -> dict[str, Gaussian | DenseGaussian]:
        """dict of str to Gaussian or DenseGaussian: by level name."""
        if self._gaussians is None:
            self._gaussians = {
                name: naming(name, fit_moments, moments, self._covariance())
                for name, moments in self.moments_.items()
            }
        return self._gaussians

    @property
    def threshold_(self) -> float:
        """float: scores above it are called anomalous."""
        return self._find_threshold() if self._threshold is None else self._threshold

    @property
    def offset_(self) -> float:
        """float: ``-threshold_``, as scikit-learn counts."""
        return -self.threshold_

    def level_distances(self, X, allow_other_origin: bool = False) -> dict[str, np.ndarray]:
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
            checks.check_origin(self.origin_, X)
        return self._distances(self._validated(X, reset=False))

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
        if self.combination != "sum" and not self.scales_:
            raise _nothing_held_out()
        return combine(distances, self.combination, self.scales_)

    def p_values(self, X, allow_other_origin: bool = False) -> np.ndarray:
        """Return each image's p-value among the held-out normal images, shape (N,), in (0, 1].

        With ``threshold="conformal"``, or held-out images from `calibrate`, a normal image's is at
        most alpha with a probability of at most alpha; see `adhelpers.thresholds.conformal`. With
        the default K-fold there is no such guarantee; see
        `adhelpers.thresholds.cross_conformal_p_values`.

        Parameters and errors are those of `level_distances`.
        """
        scores = self.anomaly_score(X, allow_other_origin)
        if self.held_out_scores_ is None:
            raise _nothing_held_out()
        return thresholds.p_values(self.held_out_scores_, scores)

    def score_samples(self, X) -> np.ndarray:
        """Return the negative anomaly score, shape (N,): lower is more anomalous."""
        return -self.anomaly_score(X)

    def decision_function(self, X) -> np.ndarray:
        """Return the threshold minus the anomaly score, shape (N,): negative is an anomaly."""
        return self.score_samples(X) - self.offset_

    def predict(self, X) -> np.ndarray:
        """Return -1 for each anomaly and +1 for each normal image, int, shape (N,)."""
        return np.where(self.decision_function(X) < 0, -1, 1)

    def save(self, path: str | Path) -> None:
        """Write the fitted detector to an ``.npz`` file, without pickle.

        One that was fitted in parts keeps its moments, and can be merged once it is loaded.
        """
        check_is_fitted(self)
        record = {
            "parameters": self.get_params(),
            "origin": self.origin_,
            "n_train": self.n_train_,
            "n_features": self.n_features_in_,
            "scales": self.scales_,
        }
        parts = getattr(self, "moments_", None) or self.gaussians_
        detector_files.write(path, record, parts, self.held_out_scores_)

    @classmethod
    def load(cls, path: str | Path) -> "MahalanobisDetector":
        """Read a detector that `save` wrote.

        Raises
        ------
        UserError
            If the file is not there, cut off, of another version, or no detector.
        """
        record, parts, scores = detector_files.read(path)
        detector = cls(**record["parameters"])
        detector.origin_ = record["origin"]
        detector.n_train_ = record["n_train"]
        detector.n_features_in_ = record["n_features"]
        detector.scales_ = {name: tuple(scale) for name, scale in record["scales"].items()}
        detector.held_out_scores_ = scores
        detector._threshold = None
        in_parts = all(isinstance(part, Moments) for part in parts.values())
        detector._gaussians = None if in_parts else parts
        if in_parts:
            detector.moments_ = parts
        elif detector.threshold is not None:
            detector._threshold = detector._find_threshold()
        return detector

    def _check_parameters(self) -> None:
        checks.check_choice("combination", self.combination, COMBINATIONS)
        checks.check_choice("threshold", self.threshold, (*thresholds.THRESHOLDS, None))
        checks.check_probability(self.quantile, "quantile")
        if self.n_folds < 2:
            raise UserError(f"n_folds must be at least 2, not {self.n_folds}")
        lawful = self._covariance().is_mahalanobis and self.combination == "sum"
        if self.threshold == "chi-square" and not lawful:
            raise UserError(
                "the chi-square law is that of Mahalanobis distances and their sum, not of "
                f"covariance={self.covariance!r} with combination={self.combination!r}; take "
                "threshold='held-out'"
            )

    def _covariance(self) -> Covariance:
        return Covariance(self.covariance, self.ridge, self.reduction, self.variance_share)

    def _first_levels(self, X, fewest: int) -> dict[str, np.ndarray]:
        """Return the levels of the first images, having forgotten any earlier ones."""
        checks.check_normal(X)
        levels = self._validated(X, reset=True, fewest=fewest)
        self.origin_ = dict(X.origin) if isinstance(X, FeatureSet) else {}
        self.held_out_scores_, self.scales_ = None, {}
        self._threshold = self._gaussians = None
        return levels

    def _with_moments(self, added: dict[str, Moments]) -> "MahalanobisDetector":
        """Add moments, and forget what was derived from the earlier ones."""
        earlier = getattr(self, "moments_", {})
        self.moments_ = {
            name: earlier[name] + moments if earlier else moments for name, moments in added.items()
        }
        self.n_train_ = next(iter(self.moments_.values())).count
        self.held_out_scores_, self.scales_ = None, {}
        self._threshold = self._gaussians = None
        return self

    def _find_threshold(self) -> float:
        if self.threshold is None:
            raise UserError("threshold=None gives scores alone; choose a threshold and fit again")
        if self.threshold == "chi-square":
            dimensions = {name: g.dimensions for name, g in self.gaussians_.items()}
            return thresholds.chi_square_of_levels(self.quantile, dimensions, self.n_train_)
        if self.held_out_scores_ is None:
            raise _nothing_held_out()
        if self.threshold == "conformal":
            return thresholds.conformal(self.held_out_scores_, self.quantile)
        return float(np.quantile(self.held_out_scores_, self.quantile))

    def _widths(self) -> dict[str, int]:
        parts = getattr(self, "moments_", None) or self.gaussians_
        return {name: len(part.mean) for name, part in parts.items()}

    def _validated(self, X, reset: bool, fewest: int = 1) -> dict[str, np.ndarray]:
        """Return finite arrays by level, checked against those fitted on."""
        widths = None if reset else self._widths()
        if isinstance(X, FeatureSet):
            levels = checks.checked_levels(X, self.levels, widths)
            if reset:
                self.n_features_in_ = sum(x.shape[1] for x in levels.values())
            return levels
        array = validate_data(self, X, reset=reset, dtype=np.float64, ensure_min_samples=fewest)
        if widths is not None and list(widths) != [_LEVEL]:
            raise UserError(
                f"the detector was fitted on levels {', '.join(widths)}; give a FeatureSet with "
                "these, not a plain array"
            )
        return {_LEVEL: array}

    def _distances(self, levels: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        distances = {}
        for name, gaussian in self.gaussians_.items():
            with linear_algebra_threads(len(gaussian.mean)):
                distances[name] = np.sqrt(gaussian.squared_distance(levels[name]))
        return distances


def _nothing_held_out() -> UserError:
    return UserError(
        "no normal images were held out; give some that were not fitted to calibrate() (or, after "
        "partial_fit, take threshold='chi-square')"
    )
