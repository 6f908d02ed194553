"""The anomaly detector with a Gaussian per position: small defects, and where they are.

See `adhelpers.gaussian.local` for the method and its sources.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from sklearn.utils.validation import check_is_fitted

from ..features import Batch, FeatureMaps
from ..gaussian import (
    MIN_IMAGES,
    RANK,
    WEIGHT,
    LocalGaussian,
    LocalMoments,
    LocalVectors,
    can_hold_out,
    check_shrinkage,
    fit_local,
    likeliest_weight,
)
from ..ground import UserError
from ..images import summed_on_finest
from . import checks
from .base import GaussianDetector
from .combination import COMBINATIONS, level_scales
from .fitting import naming
from .local_sums import (
    Fold,
    Gaussians,
    distances_of_fold,
    fold_count,
    held_out_distances,
    largest,
    sums_by_fold,
    together,
    without_each,
)
from .thresholds import THRESHOLDS, check_conformal


class LocalDetector(GaussianDetector):
    """Anomaly detector: a Gaussian per level and position, and the largest distances.

    It takes feature maps, `FeatureMaps` (see `adhelpers.Extractor.maps`), a batch at a time, and
    keeps sums of them alone. A level's distance is the largest of its positions'.

    Parameters
    ----------
    levels : sequence of str, optional
        The levels to use, by name; all that the maps have when not given.
    quantile : float
        The share of normal images that `predict` should call normal, in (0, 1).
    n_folds : int
        In how many parts the training images are held out.
    tied_weight : float or None
        How much of each position's covariance is that of all positions, above 0 and up to 1;
        None: at each level that for which held-out normal images are likeliest.
    rank : int or None
        How many axes of its own a position's covariance has; None: all.
    combination : str
        How the levels' distances become one score: a key of `adhelpers.detector.COMBINATIONS`.
    threshold : str or None
        As for `adhelpers.MahalanobisDetector`, but for "chi-square", whose law is not that of the
        largest distance.

    Attributes
    ----------
    gaussians_ : dict of str to LocalGaussian
        By level name.
    threshold_ : float
        Scores above it are called anomalous.
    held_out_scores_ : ndarray of float64, or None
        Scores of the normal images that were held out, in the order of the images.
    held_out_distances_ : dict of str to ndarray of float64, or None
        Their distances by level; after `load`, of a detector fitted in parts alone.
    scales_ : dict of str to (float, float)
        Mean and standard deviation of held-out distances, where the combination needs them.
    moments_ : dict of str to LocalMoments
        After `partial_fit` alone.
    origin_ : Origin or None
    n_train_ : int
        The number of images fitted on.
    n_features_in_ : int
        The number of features at all levels and positions.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> def maps(n): return FeatureMaps.from_arrays({"level_4": rng.normal(size=(n, 2, 2, 3))})
    >>> detector = LocalDetector().fit(maps(100))
    >>> odd = rng.normal(size=(1, 2, 2, 3))
    >>> odd[0, 1, 0] = 9.0
    >>> odd = FeatureMaps.from_arrays({"level_4": odd})
    >>> detector.predict(odd), int(detector.heat_maps(odd).argmax())
    (array([-1]), 2)
    """

    def __init__(
        self,
        levels: Sequence[str] | None = None,
        quantile: float = 0.95,
        n_folds: int = 5,
        tied_weight: float | None = WEIGHT,
        rank: int | None = RANK,
        combination: str = "sum",
        threshold: str | None = "held-out",
    ):
        self.levels = levels
        self.quantile = quantile
        self.n_folds = n_folds
        self.tied_weight = tied_weight
        self.rank = rank
        self.combination = combination
        self.threshold = threshold

    def fit(self, X: FeatureMaps, y=None) -> "LocalDetector":
        """Fit the Gaussians to normal images, in one pass, or in two for what needs held-out ones.

        Parameters
        ----------
        X : FeatureMaps
            Of normal images alone.
        y : ignored

        Returns
        -------
        self : LocalDetector

        Raises
        ------
        UserError
            If a parameter is unknown or out of range, there are fewer than three images, anomalous
            ones among them, no spread, or features that are no numbers.
        """
        self.check_parameters()
        checks.check_normal(X)
        levels = self._start(X)
        vars(self).pop("moments_", None)
        holding_out = THRESHOLDS[self.threshold].holding_out if self.threshold else None
        n_folds = fold_count(len(X.labels), self.n_folds)
        folds = sums_by_fold(self._checked(X, levels), levels, n_folds)
        fitted_folds = folds[1:] if holding_out == "for good" else folds
        if not fitted_folds:
            check_conformal(0, self.quantile)
        too_few = len(set(X.features.groups)) <= MIN_IMAGES or len(folds) == 1
        in_turn = holding_out == "in turn" or COMBINATIONS[self.combination].needs_scales
        fits = self._fit_levels(levels, fitted_folds, in_turn and not too_few)
        if holding_out == "for good":
            distances = distances_of_fold(X, self._gaussians, n_folds)
            check_conformal(len(distances[levels[0]]), self.quantile)
        elif too_few:
            distances = self._distances(X)
        elif in_turn:
            distances = held_out_distances(X, fits, n_folds)
        else:
            return self
        self.held_out_distances_ = distances
        if COMBINATIONS[self.combination].needs_scales:
            self.scales_ = level_scales(distances)
        if holding_out and can_hold_out(X.features.groups):
            self._take_held_out(distances)
        return self

    def partial_fit(self, X: FeatureMaps, y=None) -> "LocalDetector":
        """Fit to more normal images, in addition to those of earlier calls (after `fit`: anew).

        As the sums are not kept by fold, no image can be held out afterwards: for a threshold, and
        for a combination other than "sum", give `set_threshold` other normal images.

        Parameters, errors and what is returned are those of `fit`; a single image will do, and
        three in all.
        """
        self.check_in_parts()
        checks.check_normal(X)
        if hasattr(self, "moments_"):
            checks.check_origin(self.origin_, X)
            shapes = {name: (*x.shape, x.mean.shape[1]) for name, x in self.moments_.items()}
            levels = checks.checked_maps(X, list(shapes), shapes)
        else:
            levels = self._start(X)
        (fold,) = sums_by_fold(self._checked(X, levels), levels, 1)
        return self._with_moments({name: fold.moments(name) for name in levels})

    @property
    def map_levels(self) -> list[str]:
        """list of str: the levels whose maps it takes."""
        return list(self.gaussians_)

    def distance_maps(self, X: FeatureMaps) -> dict[str, np.ndarray]:
        """Return the distance at each position.

        Parameters and errors are those of `level_distances`.

        Returns
        -------
        distances : dict of str to ndarray of float64, shape (N, h_l, w_l)
            About 1 for normal images. The largest of an image are its `level_distances`.
        """
        check_is_fitted(self)
        checks.check_origin(self.origin_, X)
        parts = list(self._measured(X))
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def heat_maps(self, X: FeatureMaps) -> np.ndarray:
        """Return where each image is abnormal: the distances of all levels, added up.

        Parameters and errors are those of `level_distances`.

        Returns
        -------
        maps : ndarray of float32, shape (N, h, w)
            On the grid of the finest level; the others' are interpolated to it.
        """
        return summed_on_finest(self.distance_maps(X)).astype(np.float32)

    def check_parameters(self) -> None:
        """Raise a UserError if a parameter is unknown or out of range, as `fit` does."""
        self._check_decision()
        check_shrinkage(self.tied_weight, self.rank)
        kind = THRESHOLDS[self.threshold] if self.threshold else None
        if kind and kind.of_sums:
            raise UserError(
                f"the {self.threshold} law is not that of the largest distance of all positions; "
                "take threshold='held-out'"
            )
        if kind and kind.holding_out == "for good" and self.combination != "sum":
            raise UserError(
                f"a {self.threshold} threshold of Gaussians per position goes with the combination "
                "'sum' alone"
            )

    def check_in_parts(self) -> None:
        """Raise a UserError if a parameter needs all images at once, as `partial_fit` does."""
        self.check_parameters()
        if self.tied_weight is None:
            raise UserError("partial_fit holds no images out; give tied_weight a number")

    @property
    def words(self) -> str:
        """str: the choice of the distance and of its threshold, for titles and tables."""
        weight = "likeliest weight" if self.tied_weight is None else f"{self.tied_weight:g}"
        rank = "full rank" if self.rank is None else f"rank {self.rank}"
        levels = "all levels" if self.levels is None else ", ".join(self.levels)
        threshold = f"; threshold: {self.threshold} at {self.quantile:g}" if self.threshold else ""
        return (
            f"Gaussians per position, {weight} tied, {rank}, {self.combination} of {levels}"
            f"{threshold}"
        )

    def _start(self, X: FeatureMaps) -> list[str]:
        """Forget any earlier fit, and return the levels to use."""
        levels = checks.checked_maps(X, self.levels)
        self.origin_ = X.origin
        self.n_features_in_ = sum(int(np.prod(X.shapes[name])) for name in levels)
        self._forget_decision()
        self._gaussians = None
        return levels

    def _checked(self, X: FeatureMaps, levels: list[str]) -> Iterator[Batch]:
        """Yield the batches, if all of their values are finite."""
        for batch in X:
            checks.check_finite(batch, levels)
            yield batch

    def _fit_levels(self, levels: list[str], folds: list[Fold], in_turn: bool) -> list[Gaussians]:
        """Fit to all folds, and, to hold each out in turn, return fits to all but one of them."""
        gaussians, fits = {}, [{} for _ in folds] if in_turn else []
        for name in levels:
            whole = together(folds, name)
            weight = self.tied_weight
            if weight is None:
                weight = likeliest_weight([fold.moments(name) for fold in folds])
            gaussians[name] = self._fitted(name, whole, weight)
            if in_turn:
                rests = without_each(folds, name, whole)
                for fit, rest in zip(fits, rests, strict=True):
                    fit[name] = self._fitted(name, rest, weight)
        self._gaussians, self.n_train_ = gaussians, whole.count
        return fits

    def _measured(self, X: FeatureMaps) -> Iterator[dict[str, np.ndarray]]:
        """Yield the distances at each position, by level, batch by batch."""
        gaussians = self.gaussians_
        checks.checked_maps(X, list(gaussians), {n: g.map_shape for n, g in gaussians.items()})
        for batch in self._checked(X, list(gaussians)):
            yield {name: g.distance(batch.maps[name]) for name, g in gaussians.items()}

    def _distances(self, X: FeatureMaps) -> dict[str, np.ndarray]:
        parts = [largest(part) for part in self._measured(X)]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def _fitted(
        self, name: str, moments: LocalMoments | LocalVectors, weight: float | None = None
    ) -> LocalGaussian:
        weight = self.tied_weight if weight is None else weight
        return naming(name, fit_local, moments, weight, self.rank)
