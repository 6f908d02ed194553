"""For the notebook on heat maps: the choice of a scale, and what pooling leaves of a defect."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from ..evaluation.plots import ANOMALY_COLOUR, NORMAL_COLOUR


def scales(
    pictures: Sequence[np.ndarray],
    heats: Sequence[np.ndarray],
    titles: Sequence[str],
    title: str,
    reach: float,
) -> Figure:
    """Draw images, their heat maps on a scale of their own, and by what normal images reach.

    Parameters
    ----------
    pictures : sequence of ndarray of uint8, shape (H, W, 3)
        RGB.
    heats : sequence of ndarray of float, shape (H, W)
    titles : sequence of str
    title : str
    reach : float
        What heat maps of normal images reach; twice that is drawn in full colour.
    """
    figure = Figure(figsize=(2.3 * len(pictures) + 1.2, 7.4), layout="constrained")
    grid = figure.subplots(3, len(pictures), squeeze=False)
    for column, picture, heat, words in zip(grid.T, pictures, heats, titles, strict=True):
        column[0].imshow(picture)
        column[0].set_title(words, fontsize=10)
        limit = np.abs(heat).max()
        column[1].imshow(heat, cmap="RdBu_r", vmin=-limit, vmax=limit)
        drawn = column[2].imshow(heat / reach, cmap="RdBu_r", vmin=-2, vmax=2)
    for line, words in zip(grid, ("image", "own scale", "by normal images"), strict=True):
        line[0].set_ylabel(words, fontsize=11)
        for axes in line:
            axes.set(xticks=[], yticks=[])
    figure.colorbar(drawn, ax=list(grid[2]), label="times what normal images reach", shrink=0.9)
    figure.suptitle(title)
    return figure


def dilution(
    image: np.ndarray,
    heat: np.ndarray,
    place: tuple[int, int],
    rows: Mapping[str, tuple[np.ndarray, float]],
    title: str,
) -> Figure:
    """Draw an image, its distances by position, and what several distances see of its defect.

    Parameters
    ----------
    image : ndarray of uint8, shape (H, W, 3)
        RGB.
    heat : ndarray of float, shape (h, w)
        The distance at each position.
    place : (int, int)
        Row and column of the position to frame.
    rows : dict of str to (array of shape (N,), float)
        By what is measured: of the normal images, and of this one. Both are drawn as multiples of
        the median of the normal ones.
    title : str
    """
    figure = Figure(figsize=(10, 3.5), layout="constrained")
    left, middle, right = figure.subplots(1, 3, width_ratios=(1, 1, 1.7))
    left.imshow(image)
    left.set_title("image and mask", fontsize=10)
    middle.imshow(heat, cmap="cividis")
    middle.set_title("distance at each position", fontsize=10)
    frame = {"fill": False, "edgecolor": ANOMALY_COLOUR, "linewidth": 2}
    middle.add_patch(Rectangle((place[1] - 0.5, place[0] - 0.5), 1, 1, **frame))
    for axes in (left, middle):
        axes.set(xticks=[], yticks=[])
    for height, (normal, found) in enumerate(rows.values()):
        usual = np.median(normal)
        heights = np.full(len(normal), height)
        right.plot(normal / usual, heights, "|", color=NORMAL_COLOUR, markersize=18)
        right.plot(found / usual, height, "D", color=ANOMALY_COLOUR, markersize=8)
        right.annotate(f"{found / usual:.1f}", (found / usual, height - 0.22), ha="center")
    right.axvline(1, color="0.6", linewidth=1, linestyle=":")
    right.set_yticks(range(len(rows)), list(rows))
    right.set(xlabel="distance / median of the normal images", ylim=(len(rows) - 0.5, -0.6))
    right.legend(right.lines[:2], ["normal test images", "this image"], fontsize=8, loc="best")
    figure.suptitle(title)
    return figure
