"""The anomaly detector: fitted to features, combined over levels, with a threshold and a file."""

from .combination import COMBINATIONS
from .joint import POOLED, JointDetector
from .kinds import DETECTORS, kind_of, load_detector
from .local import LocalDetector
from .mahalanobis import MahalanobisDetector
from .refitting import check_refittable, refit, summed
from .thresholds import THRESHOLDS, TOO_FEW
