"""A look at the first images of a list, before the work begins."""

from collections.abc import Sequence

import numpy as np

from ..ground import UserError
from ..images import MOST_BITS, bits_in_use_in, decode
from . import storage
from .urls import Source


def first_images(
    images: Sequence[Source], bits: int | None = None, count: int = 8
) -> list[np.ndarray]:
    """Return the first images of a list that can be read.

    Parameters
    ----------
    images : sequence of Source
    bits : int, optional
        How many bits of 16-bit images are in use; all 16 when not given.
    count : int
        How many to look at.

    Returns
    -------
    pictures : list of ndarray of uint8, shape (H, W, 3)
        At least one.

    Raises
    ------
    UserError
        If none of them can be read; or if all of them are of 16 bits and use fewer, and `bits` is
        not given: they would come out dark, and all of the images would have to be read to know.
    """
    contents = storage.fetch([image.url for image in images[:count]])
    read = [content for content in contents if isinstance(content, bytes)]
    if bits is None and (found := bits_in_use_in(read)) < MOST_BITS:
        raise UserError(
            f"the first 16-bit images use {found} bits; say how many bits the camera has by --bits"
        )
    pictures, errors = [], []
    for image, content in zip(images, contents, strict=False):
        path = storage.shown(image.url)
        try:
            if isinstance(content, Exception):
                raise content
            pictures.append(decode(content, path, bits or MOST_BITS))
        except (UserError, OSError) as error:
            errors.append(f"{path}: {storage.reason(error, path)}")
    if not pictures:
        raise UserError(f"the first {len(errors)} images cannot be read, the first: {errors[0]}")
    return pictures
