"""Figures of heat maps: over one image, level by level, and the best and worst of many."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from ..images import resampled, resize
from .explain import HeatMap, summed
from .lettering import drawn, many_letters

_COLOURS = "RdBu_r"  # red raises the score, blue lowers it
_OUTLINE = {"colors": "#00a000", "linewidths": 1.3, "levels": [0.5]}
_FULL = 2.0  # times what normal images reach: drawn in full colour
_ALL = "all levels"
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


def reach(maps: Sequence[np.ndarray]) -> float:
    """Return what heat maps of normal images reach, for the scale of others.

    Parameters
    ----------
    maps : sequence of ndarray of float, shape (h, w)

    Returns
    -------
    reach : float
        The median of the maps' strengths, each that of its strongest pixels.
    """
    return float(np.median([_strength(_shown(heat)) for heat in maps]))


def reaches(levels: Mapping[str, np.ndarray], size: int) -> dict[str, float]:
    """Return what heat maps of normal images `reach`, level by level and summed over the levels.

    Parameters
    ----------
    levels : dict of str to ndarray, shape (N, h_l, w_l)
        Of N normal images, as `Explainer.explained` returns them.
    size : int
        The side to bring their sum to, in pixels.

    Returns
    -------
    reaches : dict of str to float
        By level, and in ``"all levels"``, as `explanation` takes them.
    """
    found = {name: reach(maps) for name, maps in levels.items()}
    return {**found, _ALL: reach(summed(levels, size))}


@many_letters()
def explanation(
    image: np.ndarray,
    heat: HeatMap,
    mask: np.ndarray | None = None,
    title: str = "",
    reaches: Mapping[str, float] | None = None,
) -> Figure:
    """Show an image, where its score comes from, and each level's part in it.

    Parameters
    ----------
    image : ndarray of uint8, shape (H, W, 3)
        RGB.
    heat : HeatMap
        Of that image.
    mask : ndarray of bool, shape (H, W), optional
        Drawn as a green outline.
    title : str
    reaches : dict of str to float, optional
        What normal images `reach`, by level, and in ``"all levels"``: the unit of each panel.
        Each panel has a scale of its own when not given.
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
    panels = {_ALL: sum(panels.values()), **panels}
    parts = {_ALL: heat.score, **heat.distances}
    for axes, (name, panel) in zip(list(grid.flat)[1:], panels.items(), strict=False):
        _lay(axes, small, panel, reaches and reaches[name])
        _finish(axes, f"{name}: {parts[name]:.1f}", mask)
    _scale(figure, grid, bool(reaches))
    figure.suptitle(drawn(title), fontsize=11)
    return figure


@many_letters()
def gallery(
    rows: dict[str, Sequence[Example]],
    title: str = "",
    subtitle: str = "",
    reaches: Mapping[str, float] | None = None,
) -> Figure:
    """Show sorts of examples, each image above its heat map, with the masks' outlines.

    Parameters
    ----------
    rows : dict of str to sequence of Example
        By what they are examples of, say "best" and "worst".
    title, subtitle : str
    reaches : dict of str to float, optional
        What normal images `reach`, by the rows' names: the unit of their maps. Each map has a scale
        of its own when not given.
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
            _lay(lower, example.image, example.heat, reaches and reaches[name])
            _finish(lower, "", example.mask)
        place = {"transform": above[0].transAxes, "rotation": 90, "ha": "right", "va": "center"}
        above[0].text(-0.08, 0.0, drawn(name, _LONGEST), fontsize=11, **place)
    figure.suptitle(drawn("\n".join(filter(None, [title, subtitle]))), fontsize=11)
    return figure


def _shown(heat: np.ndarray) -> np.ndarray:
    """Return heat as it is drawn: distances, above 0 at every position, from their median on."""
    seen = heat[heat != 0]  # outside the window that the network saw, it is 0
    if seen.size and seen.min() > 0:
        return np.maximum(heat - np.median(seen), 0)
    return heat


def _strength(heat: np.ndarray) -> float:
    """Return what all but the strongest pixels, 0.5 %, stay below, on either side of 0."""
    return float(np.quantile(np.abs(heat), 0.995))


def _lay(axes: Axes, image: np.ndarray, heat: np.ndarray, unit: float | None) -> None:
    """Lay heat over a grey image: the stronger it is, the less the image shows."""
    heat = _shown(heat)
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    limit = max(_FULL * unit if unit else _strength(heat), 1e-12)
    axes.imshow(grey, cmap="gray", vmin=-60, vmax=255)
    strength = np.clip(np.abs(heat) / limit, 0, 1) ** 0.7
    axes.imshow(heat, cmap=_COLOURS, vmin=-limit, vmax=limit, alpha=0.85 * strength)


def _scale(figure: Figure, grid: np.ndarray, in_units: bool) -> None:
    """Put a colour bar beside panels."""
    limit = _FULL if in_units else 1.0
    words = "times what normal images reach" if in_units else "of each panel's strongest"
    colours = ScalarMappable(Normalize(-limit, limit), _COLOURS)
    figure.colorbar(colours, ax=list(grid.flat), label=words, shrink=0.7, aspect=30)


def _finish(axes: Axes, title: str, mask: np.ndarray | None) -> None:
    axes.set_axis_off()
    # With y, as Matplotlib looks long for the place of a title that has none.
    axes.set_title(drawn(title, _LONGEST), fontsize=9, y=1.0)
    if mask is not None and mask.any() and not mask.all():
        axes.contour(mask, **_OUTLINE)
