"""Figures of heat maps: over one image, level by level, and the best and worst of many."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..images import resampled, resize
from .explain import HeatMap
from .lettering import drawn, many_letters

_COLOURS = "RdBu_r"  # red raises the score, blue lowers it
_OUTLINE = {"colors": "#00a000", "linewidths": 1.3, "levels": [0.5]}
_LONGEST = 40  # characters of a line above a panel
_SIDE = 320  # a panel's longer side in pixels; more would only make the files larger


@dataclass(frozen=True)
class Example:
    """One image for `gallery`.

    Parameters
    ----------
    image : ndarray of uint8, shape (S, S, 3)
        RGB.
    heat : ndarray of float, shape (S, S)
    mask : ndarray of bool, shape (S, S)
    title : str
    """

    image: np.ndarray
    heat: np.ndarray
    mask: np.ndarray
    title: str


@many_letters()
def explanation(
    image: np.ndarray, heat: HeatMap, mask: np.ndarray | None = None, title: str = ""
) -> Figure:
    """Show an image, where its score comes from, and each level's part in it.

    Each panel has its own scale, the same to both sides of zero.

    Parameters
    ----------
    image : ndarray of uint8, shape (H, W, 3)
        RGB.
    heat : HeatMap
        Of that image.
    mask : ndarray of bool, shape (H, W), optional
        Drawn as a green outline.
    title : str
    """
    scale = _SIDE / max(image.shape[:2])
    small = resize(image, *(max(1, round(side * scale)) for side in image.shape[:2]))
    shape = small.shape[:2]
    window = tuple(
        part * new / old
        for part, new, old in zip(heat.window, shape * 2, image.shape[:2] * 2, strict=True)
    )
    if mask is not None:
        mask = cv2.resize(mask.astype(np.float32), shape[::-1], interpolation=cv2.INTER_AREA) >= 0.5
    panels = {name: resampled(values, shape, window) for name, values in heat.levels.items()}
    columns = 1 + -(-len(panels) // 2)
    height = 2.3 * shape[0] / shape[1] + 0.3
    figure = Figure(figsize=(2.3 * columns, 2 * height + 0.4), layout="constrained")
    grid = figure.subplots(2, columns, squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    grid[0, 0].imshow(small)
    _finish(grid[0, 0], "image", mask)
    labelled = {f"all levels: {heat.score:.1f}": sum(panels.values())}
    labelled |= {f"{name}: {heat.distances[name]:.1f}": panel for name, panel in panels.items()}
    places = [grid[1, 0], *grid[:, 1:].flat]
    for axes, (label, panel) in zip(places, labelled.items(), strict=False):
        _lay(axes, small, panel)
        _finish(axes, label, mask)
    figure.suptitle(drawn(title), fontsize=11)
    return figure


@many_letters()
def gallery(rows: dict[str, Sequence[Example]], title: str = "", subtitle: str = "") -> Figure:
    """Show sorts of examples, each image above its heat map, with the masks' outlines.

    Parameters
    ----------
    rows : dict of str to sequence of Example
        By what they are examples of, say "best" and "worst".
    title, subtitle : str
    """
    columns = max(map(len, rows.values()))
    figure = Figure(figsize=(2.1 * columns + 0.4, 4.35 * len(rows) + 0.5), layout="constrained")
    grid = figure.subplots(2 * len(rows), columns, squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    for (name, examples), above, below in zip(rows.items(), grid[::2], grid[1::2], strict=True):
        for example, upper, lower in zip(examples, above, below, strict=False):
            upper.imshow(example.image)
            _finish(upper, example.title, example.mask)
            _lay(lower, example.image, example.heat)
            _finish(lower, "", example.mask)
        place = {"transform": above[0].transAxes, "rotation": 90, "ha": "right", "va": "center"}
        above[0].text(-0.08, 0.0, drawn(name, _LONGEST), fontsize=11, **place)
    figure.suptitle(drawn("\n".join(filter(None, [title, subtitle]))), fontsize=11)
    return figure


def _lay(axes: Axes, image: np.ndarray, heat: np.ndarray) -> None:
    """Lay heat over a grey image: the stronger it is, the less the image shows.

    Distances, which are above 0 at every position, are shown from their median on.
    """
    seen = heat[heat != 0]  # outside the window that the network saw, it is 0
    if seen.size and seen.min() > 0:
        heat = np.maximum(heat - np.median(seen), 0)
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    limit = max(np.quantile(np.abs(heat), 0.995), 1e-12)
    axes.imshow(grey, cmap="gray", vmin=-60, vmax=255)
    strength = np.clip(np.abs(heat) / limit, 0, 1) ** 0.7
    axes.imshow(heat, cmap=_COLOURS, vmin=-limit, vmax=limit, alpha=0.85 * strength)


def _finish(axes: Axes, title: str, mask: np.ndarray | None) -> None:
    axes.set_axis_off()
    axes.set_title(drawn(title, _LONGEST), fontsize=9)
    if mask is not None and mask.any() and not mask.all():
        axes.contour(mask, **_OUTLINE)
