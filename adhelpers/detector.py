"""The anomaly detector: a Gaussian per network level, and the sum of the Mahalanobis distances.

The method is that of Rippel, Mertens and Merhof, "Modeling the Distribution of Normal Data in
Pre-Trained Deep Features for Anomaly Detection", ICPR 2020, arXiv 2005.14140.
"""

import json
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.model_selection import KFold
from sklearn.utils.validation import check_is_fitted, validate_data

from .errors import UserError
from .features import FeatureSet, differing_fields
from .files import written_whole
from .gaussian import MIN_IMAGES, Gaussian, fit_gaussian

_LEVEL = "level_1"  # what the columns of a plain array are called


class MahalanobisDetector(OutlierMixin, BaseEstimator):
    """Anomaly detector: a Gaussian per level, and the sum of the Mahalanobis distances.

    Parameters
    ----------
    levels : sequence of str, optional
        The levels to use, by name; all when not given. Plain arrays have one level.
    quantile : float
        The share of normal images that `predict` should call normal, in (0, 1). The threshold is
        this quantile of the scores of normal training images that were held out in turn.
    n_folds : int
        In how many parts the training images are held out to find the threshold.

    Attributes
    ----------
    gaussians_ : dict of str to Gaussian
        By level name.
    threshold_ : float
        Scores above it are called anomalous.
    offset_ : float
        ``-threshold_``, as scikit-learn counts.
    origin_ : dict
        What the features that it was fitted on came from; empty for plain arrays.
    n_train_ : int
        The number of training images.
    n_features_in_ : int
        The number of features, over all levels.

    Notes
    -----
    `anomaly_score` is higher for more anomalous images. The names of scikit-learn keep
    scikit-learn's signs: `score_samples` and `decision_function` are lower for more anomalous
    ones, and `predict` gives -1 for an anomaly and +1 for a normal image.

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
        self, levels: Sequence[str] | None = None, quantile: float = 0.95, n_folds: int = 5
    ):
        self.levels = levels
        self.quantile = quantile
        self.n_folds = n_folds

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
            If there are fewer than three images, anomalous ones among them, or no spread.
        ValueError
            If features are NaN or infinite.
        """
        if not 0 < self.quantile < 1:
            raise UserError(f"quantile must lie between 0 and 1, not {self.quantile}")
        if self.n_folds < 2:
            raise UserError(f"n_folds must be at least 2, not {self.n_folds}")
        if isinstance(X, FeatureSet) and np.any(X.labels):
            raise UserError(
                f"{np.sum(X.labels)} of {len(X)} training images are labelled anomalous; "
                "fit on normal images alone"
            )
        self.origin_ = dict(X.origin) if isinstance(X, FeatureSet) else {}
        levels = self._validated(X, reset=True)
        self.gaussians_ = {name: _fit_level(name, x) for name, x in levels.items()}
        self.n_train_ = len(next(iter(levels.values())))
        self.threshold_ = float(np.quantile(self._held_out_scores(levels), self.quantile))
        self.offset_ = -self.threshold_
        return self

    def level_distances(self, X, allow_other_origin: bool = False) -> dict[str, np.ndarray]:
        """Return each image's Mahalanobis distance at each level.

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
        if isinstance(X, FeatureSet) and self.origin_ and not allow_other_origin:
            differing = differing_fields(self.origin_, X.origin)
            if differing:
                raise UserError(
                    f"fitted on features of another origin: {', '.join(differing)}; extract "
                    "both in the same way (or pass allow_other_origin=True)"
                )
        levels = self._validated(X, reset=False)
        return _distances(self.gaussians_, levels)

    def anomaly_score(self, X, allow_other_origin: bool = False) -> np.ndarray:
        """Return each image's score: the sum of its distances over the levels.

        Parameters and errors are those of `level_distances`.

        Returns
        -------
        scores : ndarray of float64, shape (N,)
            At least 0; higher is more anomalous.
        """
        return _total(self.level_distances(X, allow_other_origin))

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
        """Write the fitted detector to an ``.npz`` file, without pickle."""
        check_is_fitted(self)
        record = {
            "parameters": self.get_params(),
            "origin": self.origin_,
            "threshold": self.threshold_,
            "n_train": self.n_train_,
            "levels": {
                name: {"floor": g.floor, "shrinkage": g.shrinkage}
                for name, g in self.gaussians_.items()
            },
        }
        arrays = {
            f"{name}/{part}": getattr(gaussian, part)
            for name, gaussian in self.gaussians_.items()
            for part in ("mean", "axes", "variances")
        }
        with written_whole(path) as temporary, temporary.open("wb") as file:
            np.savez(file, record=json.dumps(record), **arrays)

    @classmethod
    def load(cls, path: str | Path) -> "MahalanobisDetector":
        """Read a detector that `save` wrote.

        Raises
        ------
        UserError
            If the file is not there, cut off, or no detector.
        """
        path = Path(path)
        if not path.exists():
            raise UserError(f"{path}: there is no such detector file; fit and save one first")
        try:
            with np.load(path, allow_pickle=False) as file:
                record = json.loads(str(file["record"]))
                detector = cls(**record["parameters"])
                detector.gaussians_ = {
                    name: Gaussian(
                        *(file[f"{name}/{part}"] for part in ("mean", "axes", "variances")),
                        **scalars,
                    )
                    for name, scalars in record["levels"].items()
                }
        except (OSError, EOFError, KeyError, ValueError, TypeError, zipfile.BadZipFile) as error:
            raise UserError(
                f"{path}: not a detector file, or cut off ({error}); fit and save it again"
            ) from error
        detector.origin_ = record["origin"]
        detector.n_train_ = record["n_train"]
        detector.threshold_ = record["threshold"]
        detector.offset_ = -detector.threshold_
        detector.n_features_in_ = sum(len(g.mean) for g in detector.gaussians_.values())
        return detector

    def _validated(self, X, reset: bool) -> dict[str, np.ndarray]:
        """Return finite float64 arrays by level, checked against those fitted on."""
        if not isinstance(X, FeatureSet):
            array = validate_data(
                self,
                X,
                reset=reset,
                dtype=np.float64,
                ensure_min_samples=MIN_IMAGES if reset else 1,
            )
            return {_LEVEL: array}
        names = list(X.levels if self.levels is None else self.levels)
        if not reset:
            names = list(self.gaussians_)
        levels = {
            name: np.asarray(x, dtype=np.float64) for name, x in X.with_levels(names).levels.items()
        }
        for name, x in levels.items():
            if not reset and x.shape[1] != len(self.gaussians_[name].mean):
                raise UserError(
                    f"{name} has {x.shape[1]} features, but the detector was fitted on "
                    f"{len(self.gaussians_[name].mean)}; use the same backbone for both"
                )
            bad = np.flatnonzero(~np.isfinite(x).all(axis=1))
            if len(bad):
                raise UserError(
                    f"{name} has NaN or infinite features in {len(bad)} of {len(x)} images, "
                    f"first in {X.paths[bad[0]] or f'row {bad[0]}'}; extract them again"
                )
        if reset:
            self.n_features_in_ = sum(x.shape[1] for x in levels.values())
        return levels

    def _held_out_scores(self, levels: dict[str, np.ndarray]) -> np.ndarray:
        """Score every training image by Gaussians that were fitted without it.

        With fewer than four images nothing can be held out, and the scores of the training
        images themselves, which are too small, have to do.
        """
        n = self.n_train_
        if n <= MIN_IMAGES:
            return _total(_distances(self.gaussians_, levels))
        scores = np.empty(n)
        n_folds = self.n_folds if n >= MIN_IMAGES * self.n_folds else n
        folds = KFold(n_folds, shuffle=True, random_state=0)
        for kept, held_out in folds.split(scores):
            gaussians = {name: _fit_level(name, x[kept]) for name, x in levels.items()}
            scores[held_out] = _total(
                _distances(gaussians, {name: x[held_out] for name, x in levels.items()})
            )
        return scores


def _fit_level(name: str, x: np.ndarray) -> Gaussian:
    try:
        return fit_gaussian(x)
    except UserError as error:
        raise UserError(f"{name}: {error}") from None


def _distances(
    gaussians: dict[str, Gaussian], levels: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
    return {
        name: np.sqrt(gaussian.squared_distance(levels[name]))
        for name, gaussian in gaussians.items()
    }


def _total(distances: dict[str, np.ndarray]) -> np.ndarray:
    return np.sum(list(distances.values()), axis=0)
