"""The anomaly detector: a Gaussian per network level, and the sum of the Mahalanobis distances.

The method is that of Rippel, Mertens and Merhof, "Modeling the Distribution of Normal Data in
Pre-Trained Deep Features for Anomaly Detection", ICPR 2020, arXiv 2005.14140.
"""

from collections.abc import Sequence

import numpy as np
from sklearn.utils.validation import validate_data

from ..features import FeatureSet
from ..gaussian import MIN_IMAGES, Covariance, Gaussian, Moments, fit_moments
from ..ground import UserError, linear_algebra_threads
from . import checks
from .base import GaussianDetector
from .fitting import fit_levels, naming
from .thresholds import THRESHOLDS

_LEVEL = "level_1"  # what the columns of a plain array are called


class MahalanobisDetector(GaussianDetector):
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
        The distance: see `adhelpers.gaussian.Covariance`.
    combination : str
        How the levels' distances become one score: a key of `adhelpers.detector.COMBINATIONS`.
    threshold : str or None
        Where the threshold at `quantile` comes from. "held-out": the quantile of the scores of
        training images that were held out in turn (K-fold, up to 2,000 images); no more than an
        estimate, mostly on the safe side. "chi-square": the law for Gaussian features (see
        `adhelpers.detector.thresholds.chi_square`); for Mahalanobis distances and their sum alone.
        "conformal": one of the `n_folds` parts is held out for good and the rest fitted, so that
        at most 1 - `quantile` of new normal images are called anomalous (see
        `adhelpers.detector.thresholds.conformal`). None: scores alone, no `predict`.

    Attributes
    ----------
    gaussians_ : dict of str to Gaussian
        By level name.
    threshold_ : float
        Scores above it are called anomalous.
    offset_ : float
        ``-threshold_``, as scikit-learn counts.
    held_out_scores_ : ndarray of float64, or None
        Scores of the normal images that were held out.
    held_out_distances_ : dict of str to ndarray of float64, or None
        Their distances by level; after `load`, of a detector fitted in parts alone.
    scales_ : dict of str to (float, float)
        Mean and standard deviation of held-out distances, where the combination needs them.
    moments_ : dict of str to Moments
        After `partial_fit` alone.
    origin_ : Origin or None
        What the features that it was fitted on came from; None for plain arrays.
    n_train_ : int
        The number of images fitted on.
    n_features_in_ : int
        The number of features, over all levels.

    Notes
    -----
    `anomaly_score` is higher for more anomalous images; scikit-learn's own names keep
    scikit-learn's signs, and `predict` gives -1 for an anomaly and +1 for a normal image.

    Equal files, and changed copies of one, are held out together. With fewer than six different
    images there is no threshold from held-out ones; `has_threshold` tells.

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
        self.check_parameters()
        levels = self._first_levels(X, MIN_IMAGES)
        vars(self).pop("moments_", None)
        groups = X.groups if isinstance(X, FeatureSet) else range(len(levels[_LEVEL]))
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
        self.held_out_distances_ = fit.held_out_distances
        if self.has_threshold:
            self._threshold = self._find_threshold()
        return self

    def partial_fit(self, X, y=None) -> "MahalanobisDetector":
        """Fit to more normal images, in addition to those of earlier calls (after `fit`: anew).

        The detector keeps counts, means and scatter, D x D numbers per level, and no images; the
        Gaussians are computed from them when they are next needed, and equal those of `fit` on
        all images together. As no image is kept, none can be held out: for a threshold other than
        "chi-square", and for a combination other than "sum", give `set_threshold` other normal
        images.

        Parameters, errors and what is returned are those of `fit`; a single image will do, and
        three in all.
        """
        self.check_in_parts()
        checks.check_not_empty(X)
        if hasattr(self, "moments_"):
            checks.check_origin(self.origin_, X)
            checks.check_normal(X)
            levels = self._validated(X, reset=False)
        else:
            levels = self._first_levels(X, 1)
        return self._with_moments({name: Moments.of(x) for name, x in levels.items()})

    def check_parameters(self) -> None:
        """Raise a UserError if a parameter is unknown or out of range, as `fit` does."""
        self._check_decision()
        lawful = self._covariance().is_mahalanobis and self.combination == "sum"
        if self.threshold and THRESHOLDS[self.threshold].of_sums and not lawful:
            raise UserError(
                f"the {self.threshold} law is that of Mahalanobis distances and their sum, not of "
                f"covariance={self.covariance!r} with combination={self.combination!r}; take "
                "threshold='held-out'"
            )

    def check_in_parts(self) -> None:
        """Raise a UserError if a parameter needs all images at once, as `partial_fit` does."""
        self.check_parameters()
        self._covariance().check_moments_suffice()

    @property
    def words(self) -> str:
        """str: the choice of the distance and of its threshold, for titles and tables."""
        levels = "all levels" if self.levels is None else ", ".join(self.levels)
        threshold = f"; threshold: {self.threshold} at {self.quantile:g}" if self.threshold else ""
        return f"{self._covariance()}, {self.combination} of {levels}{threshold}"

    def _covariance(self) -> Covariance:
        return Covariance(self.covariance, self.ridge, self.reduction, self.variance_share)

    def _first_levels(self, X, fewest: int) -> dict[str, np.ndarray]:
        """Return the levels of the first images, having forgotten any earlier ones."""
        checks.check_normal(X)
        levels = self._validated(X, reset=True, fewest=fewest)
        self.origin_ = X.origin if isinstance(X, FeatureSet) else None
        self._forget_decision()
        self._gaussians = None
        return levels

    def _fitted(self, name: str, moments: Moments) -> Gaussian:
        return naming(name, fit_moments, moments, self._covariance())

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

    def _distances(self, X) -> dict[str, np.ndarray]:
        levels, distances = self._validated(X, reset=False), {}
        for name, gaussian in self.gaussians_.items():
            with linear_algebra_threads(len(gaussian.mean)):
                distances[name] = gaussian.distance(levels[name])
        return distances
