"""Arrays alone: moments, covariances, the Gaussian, and the Mahalanobis distance from it."""

from .covariance import METHODS, REDUCTIONS, Covariance
from .distance import AxisGaussian, DenseGaussian, Gaussian
from .fitting import MIN_IMAGES, fit_gaussian, fit_moments
from .held_out import ENOUGH, FEWEST, can_hold_out, enough, fit_and_hold_out, folds, rows_of_groups
from .local import (
    RANK,
    WEIGHT,
    WEIGHTS,
    LocalGaussian,
    check_shrinkage,
    fit_local,
    likeliest_weight,
)
from .local_moments import LocalMoments, LocalVectors
from .moments import Moments
