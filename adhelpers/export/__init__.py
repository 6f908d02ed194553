"""The whole detector as one TFLite model."""

from .detector_graph import TOLERANCE, build, check, describe
from .graph import Graph, take_bytes

__all__ = ["TOLERANCE", "Graph", "build", "check", "describe", "take_bytes"]
