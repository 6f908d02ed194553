"""Int8: the precisions by name, the ranges of activations, and what does not fit into them."""

from .clipping import clipped_shares
from .precisions import PRECISIONS, check_calibration, quantize
