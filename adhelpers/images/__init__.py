"""Image files to RGB arrays of one size; changed copies; maps laid over images; doubtful ones."""

from .augmentation import USUAL, Augmentation
from .depth import DEPTHS, MOST_BITS
from .headers import check_pixels, read_header
from .inspection import Survey, findings, survey
from .protocols import PROTOCOLS, of_size, output_size, resize, seen_window, to_square
from .reading import (
    Picture,
    bits_in_use,
    bits_in_use_in,
    check_file,
    decode,
    read,
    read_picture,
    stream,
)
from .resampling import resampled, summed_on_finest
from .statistics import STATISTICS, light_and_sharpness
