"""How an image is brought to the network's size: by name."""

import cv2
import numpy as np

from ..ground import UserError, chosen
from .headers import check_pixels

Window = tuple[float, float, float, float]

_CROP_RESIZE, _CROP_SIZE = 256, 224


class Square:
    """Resize to a square, whatever the aspect."""

    words = "resize to the network's own square size (the paper's code)"

    def output_size(self, network_size: int) -> int:
        return network_size

    def to_square(self, image: np.ndarray, size: int) -> np.ndarray:
        return resize(image, size, size)

    def seen_window(self, shape: tuple[int, int], size: int) -> Window:
        height, width = shape
        return 0.0, 0.0, float(height), float(width)


class Crop:
    """Keep the aspect, and lose the border."""

    words = "resize the shorter side to 256 and crop the central 224 x 224 (MahalanobisAD-pytorch)"

    def output_size(self, network_size: int) -> int:
        return _CROP_SIZE

    def to_square(self, image: np.ndarray, size: int) -> np.ndarray:
        scaled = self._scaled_shape(image.shape[:2], size)
        height, width = image.shape[:2]
        check_pixels(scaled, f"{height} x {width} pixels are too long for crop: it makes them")
        image = resize(image, *scaled)
        top, left = (image.shape[0] - size) // 2, (image.shape[1] - size) // 2
        return np.ascontiguousarray(image[top : top + size, left : left + size])

    def seen_window(self, shape: tuple[int, int], size: int) -> Window:
        scaled = self._scaled_shape(shape, size)
        y, x = (side / scaled_side for side, scaled_side in zip(shape, scaled, strict=True))
        top, left = ((side - size) // 2 for side in scaled)
        return top * y, left * x, size * y, size * x

    def _scaled_shape(self, shape: tuple[int, int], size: int) -> tuple[int, int]:
        """Return the height and width to resize to before the crop, in pixels."""
        scale = size * _CROP_RESIZE / _CROP_SIZE / min(shape)
        return round(shape[0] * scale), round(shape[1] * scale)


#: The protocols by name; each says in `words`, for help texts, what it does.
PROTOCOLS: dict[str, Square | Crop] = {"square": Square(), "crop": Crop()}


def output_size(protocol: str, network_size: int, asked: int | None = None) -> int:
    """Return the side, in pixels, of the square images that a protocol feeds to a network.

    Parameters
    ----------
    protocol : str
        A key of `PROTOCOLS`.
    network_size : int
        The side that the network was made for, in pixels.
    asked : int, optional
        Another side, in place of the protocol's own; a network halves it five times.

    Raises
    ------
    UserError
        If there is no such protocol, or the side is no multiple of 32.

    Examples
    --------
    >>> output_size("square", 380), output_size("crop", 380)
    (380, 224)
    """
    usual = chosen("protocol", protocol, PROTOCOLS).output_size(network_size)
    if asked is not None and (asked < 32 or asked % 32):
        raise UserError(f"the input size must be a multiple of 32 pixels, not {asked}")
    return asked or usual


def to_square(image: np.ndarray, size: int, protocol: str = "square") -> np.ndarray:
    """Bring an image to the network's square size.

    Parameters
    ----------
    image : ndarray of uint8, shape (H, W, 3)
    size : int
        The side S to arrive at, in pixels: see `output_size`.
    protocol : str
        A key of `PROTOCOLS`: "square" changes the aspect; "crop" keeps it and loses the border.

    Returns
    -------
    image : ndarray of uint8, shape (S, S, 3)

    Raises
    ------
    UserError
        If there is no such protocol.
    """
    return chosen("protocol", protocol, PROTOCOLS).to_square(image, size)


def of_size(images, size: int) -> np.ndarray:
    """Return images that have the network's size, (N, S, S, 3), as one array.

    Raises
    ------
    UserError
        If their shape is another one.
    """
    images = np.asarray(images)
    if images.ndim != 4 or images.shape[1:] != (size, size, 3):
        raise UserError(
            f"the images have shape {images.shape}, expected (N, {size}, {size}, 3): bring each to "
            "size by images.to_square"
        )
    return images


def seen_window(shape: tuple[int, int], size: int, protocol: str) -> Window:
    """Return which part of an image `to_square` hands on.

    Parameters
    ----------
    shape : (int, int)
        Height and width of the image, in pixels.
    size : int
        The side of the network's images, in pixels.
    protocol : str
        A key of `PROTOCOLS`; another one is an error, as in `to_square`.

    Returns
    -------
    top, left, height, width : float
        In pixels of the image.

    Examples
    --------
    >>> seen_window((512, 1024), 224, "square"), seen_window((512, 1024), 224, "crop")
    ((0.0, 0.0, 512.0, 1024.0), (32.0, 288.0, 448.0, 448.0))
    """
    return chosen("protocol", protocol, PROTOCOLS).seen_window(shape, size)


def resize(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Resize by pixel area when shrinking (no aliasing), bilinearly when growing.

    Parameters
    ----------
    image : ndarray of uint8, shape (H, W, 3)
    height, width : int
        The new size, in pixels.

    Returns
    -------
    image : ndarray of uint8, shape (height, width, 3)
    """
    shrinks = height <= image.shape[0] and width <= image.shape[1]
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return cv2.resize(image, (width, height), interpolation=method)
