"""Image files to RGB arrays of one size; changed copies; maps laid over images."""

from .augmentation import USUAL, Augmentation
from .protocols import PROTOCOLS, of_size, output_size, resize, seen_window, to_square
from .reading import Picture, decode, read, read_picture, stream
from .resampling import resampled, summed_on_finest
