"""The anomaly detector: fitted to features, combined over levels, with a threshold and a file."""

from .combination import COMBINATIONS
from .mahalanobis import MahalanobisDetector
from .thresholds import THRESHOLDS
