"""How well a detector does: fitted once, or in the paper's cross-validation.

The paper's code fits five times, to 80 % of the training images each, tests every fit on the whole
test split, and gives the mean and its standard error. Others fit once, to all training images.
"""

from dataclasses import dataclass

import numpy as np
from sklearn.base import clone
from sklearn.model_selection import KFold

from ..evaluation import roc_auc
from ..features import FeatureSet
from ..gaussian import rows_of_groups
from ..ground import UserError

#: The name of the score of all levels, beside the names of the levels.
ALL_LEVELS = "all levels"


@dataclass(frozen=True)
class Area:
    """An area under the ROC curve, from 0 to 1.

    Parameters
    ----------
    single : float
        Of the fit to all training images.
    runs : tuple of float
        Of each run of the cross-validation; empty without one.
    """

    single: float
    runs: tuple[float, ...] = ()

    @property
    def mean(self) -> float | None:
        """The mean over the runs."""
        return float(np.mean(self.runs)) if self.runs else None

    @property
    def sem(self) -> float | None:
        """The standard error of the mean over the runs.

        The runs share most of their training images and all test images: it says how much the
        choice of training images matters, and not how good the estimate of the area is.
        """
        return float(np.std(self.runs, ddof=1) / np.sqrt(len(self.runs))) if self.runs else None


def cross_validate(
    detector, train: FeatureSet, test: FeatureSet, n_folds: int = 5, seed: int = 0
) -> dict[str, Area]:
    """Return the area of each level's distance and of the score, by both protocols.

    Parameters
    ----------
    detector : MahalanobisDetector
        Its parameters are used; it is not fitted itself.
    train, test : FeatureSet
        Normal images, and images of both classes.
    n_folds : int
        5 for the paper's cross-validation, with its very folds if `seed` is 0 and the images are
        in the order of their names; 0 for none.
    seed : int
        Of the folds.

    Returns
    -------
    areas : dict of str to Area
        By level name, and `ALL_LEVELS`.

    Raises
    ------
    UserError
        If there are fewer training images than folds, or a class is missing in `test`.

    References
    ----------
    Rippel, Mertens and Merhof, arXiv 2005.14140, section IV.
    """
    if n_folds < 0 or n_folds == 1:
        raise UserError(f"the number of folds must be 2 or more, or 0 for none, not {n_folds}")
    groups = train.groups
    count = len(set(groups))
    if count < n_folds:
        raise UserError(f"{count} training images cannot be divided into {n_folds} folds")
    runs = []
    if n_folds:
        for kept, _ in KFold(n_folds, shuffle=True, random_state=seed).split(np.empty(count)):
            runs.append(_areas(detector, train.rows(rows_of_groups(groups, kept)), test))
    single = _areas(detector, train, test)
    return {name: Area(area, tuple(run[name] for run in runs)) for name, area in single.items()}


def _areas(detector, train: FeatureSet, test: FeatureSet) -> dict[str, float]:
    fitted = clone(detector).set_params(threshold=None).fit(train)
    distances = fitted.level_distances(test)
    areas = {name: roc_auc(test.labels, distance) for name, distance in distances.items()}
    return {**areas, ALL_LEVELS: roc_auc(test.labels, fitted.combined(distances))}
