"""What an image is like as a whole: its light and its sharpness."""

import cv2
import numpy as np

#: The names of the numbers.
STATISTICS = ("light", "sharpness")


def light_and_sharpness(image: np.ndarray) -> dict[str, float]:
    """Return what moves when the light or the lens does, of an image: RGB, uint8, (H, W, 3).

    Returns
    -------
    statistics : dict of str to float
        By `STATISTICS`: the mean grey value, 0-255, and the standard deviation of the
        Laplacian of the grey values, in grey values.
    """
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    edges = cv2.Laplacian(grey, cv2.CV_32F)
    return dict(zip(STATISTICS, (float(grey.mean()), float(edges.std())), strict=True))
