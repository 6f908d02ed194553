"""Figures made of images."""

from collections.abc import Sequence

import cv2
import numpy as np
from matplotlib.figure import Figure

OUTLINE_COLOUR = (255, 0, 255)


def gallery(
    pictures: Sequence[np.ndarray],
    titles: Sequence[str],
    title: str,
    columns: int = 5,
    width: float = 2.0,
) -> Figure:
    """Draw pictures side by side, in rows.

    Parameters
    ----------
    pictures : sequence of ndarray
        RGB, uint8, shape (H, W, 3); or one channel, shape (H, W), drawn from dark (its lowest
        value) to light (its highest).
    titles : sequence of str
        One per picture.
    title : str
        Of the whole figure.
    columns : int
    width : float
        Of a picture, in inches.
    """
    rows = -(-len(pictures) // columns)
    figure = Figure(figsize=(width * columns, (width + 0.22) * rows + 0.35), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    for axes, picture, words in zip(grid.flat, pictures, titles, strict=False):
        axes.imshow(picture, cmap=None if picture.ndim == 3 else "cividis")
        axes.set_title(words, fontsize=9, y=1.0)  # without y, drawing takes twice as long
    figure.suptitle(title, fontsize=11)
    return figure


def outlined(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Draw the outline of a mask into an image.

    Parameters
    ----------
    image : ndarray of uint8, shape (H, W, 3)
    mask : ndarray of bool, shape (H, W)

    Returns
    -------
    image : ndarray of uint8, shape (H, W, 3)
        A copy.
    """
    lines, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    thickness = max(2, image.shape[0] // 170)
    return cv2.drawContours(image.copy(), lines, -1, OUTLINE_COLOUR, thickness)
