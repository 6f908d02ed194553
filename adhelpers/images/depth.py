"""Samples of up to 16 bits, and how many of these a camera uses."""

from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np

from ..ground import UserError
from .headers import Header, without_alpha_in_colours

#: How many of a sample's 16 bits may be in use, from the lowest on.
DEPTHS = (8, 10, 12, 14, 16)
MOST_BITS = DEPTHS[-1]


def decoded(data: bytes | memoryview, header: Header) -> np.ndarray | None:
    """Decode a file's bytes with all bits of its samples: BGR, (H, W, 3); None if it cannot."""
    if header.kind == "TIFF":
        data = without_alpha_in_colours(data)
    with suppress(cv2.error):  # a header that promises too many pixels
        how = cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH
        return cv2.imdecode(np.frombuffer(data, np.uint8), how)
    return None


def in_8_bits(image: np.ndarray, name: str | Path, bits: int) -> np.ndarray:
    """Return an image with the upper 8 of the bits that are in use, as uint8.

    Parameters
    ----------
    image : ndarray, shape (H, W, 3)
        Of 8 bits as it is; of 16.
    name : str or Path
        What to call it in an error.
    bits : int
        One of `DEPTHS`.

    Raises
    ------
    UserError
        If a sample has more bits, or samples are not of 8 or 16 bits.
    """
    if image.dtype == np.uint8:
        return image
    if image.dtype != np.uint16:
        raise without_a_range(name, 8 * image.itemsize)
    if (largest := image.max(initial=0)) >> bits:
        raise UserError(
            f"{name}: reaches {largest}, beyond the {bits} bits (0-{2**bits - 1}) that the 16-bit "
            "images before it use; fit with all bits of the camera (--bits), or check the camera"
        )
    return (image >> (bits - 8)).astype(np.uint8)


def without_a_range(name: str | Path, bits: int) -> UserError:
    """Return the error of samples of more than 16 bits."""
    return UserError(
        f"{name}: samples of {bits} bits, whose range is not known; save it with 8 or 16 bits"
    )
