"""For the notebook on heat maps: what the choice of a scale makes of them."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure


def scales(
    pictures: Sequence[np.ndarray],
    heats: Sequence[np.ndarray],
    titles: Sequence[str],
    title: str,
) -> Figure:
    """Draw images, their heat maps on a scale of their own, and again on one scale for all.

    Parameters
    ----------
    pictures : sequence of ndarray of uint8, shape (H, W, 3)
        RGB.
    heats : sequence of ndarray of float, shape (H, W)
    titles : sequence of str
    title : str
    """
    figure = Figure(figsize=(2.3 * len(pictures) + 1.2, 7.4), layout="constrained")
    grid = figure.subplots(3, len(pictures), squeeze=False)
    common = max(np.abs(heat).max() for heat in heats)
    for column, picture, heat, words in zip(grid.T, pictures, heats, titles, strict=True):
        column[0].imshow(picture)
        column[0].set_title(words, fontsize=10)
        for axes, limit in zip(column[1:], (np.abs(heat).max(), common), strict=True):
            drawn = axes.imshow(heat, cmap="RdBu_r", vmin=-limit, vmax=limit)
    for line, words in zip(grid, ("image", "own scale", "one scale for all"), strict=True):
        line[0].set_ylabel(words, fontsize=11)
        for axes in line:
            axes.set(xticks=[], yticks=[])
    figure.colorbar(drawn, ax=list(grid[2]), label="part of the score", shrink=0.9)
    figure.suptitle(title)
    return figure
