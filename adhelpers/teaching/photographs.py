"""For the notebook on the reader's own images: their list, their timeline, and a blot on them."""

from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
import seaborn as sns
from matplotlib.figure import Figure

from ..datasets import GOOD, IMAGE_SUFFIXES, Samples
from ..ground import UserError
from ..images import Survey, findings, survey

__all__ = ["Survey", "blotted", "findings", "listed", "survey", "timeline"]


def listed(folder: str | Path, kind: str = GOOD) -> Samples:
    """List the photographs that lie directly in a folder, in the order of their names.

    Parameters
    ----------
    folder : str or Path
    kind : str
        What they show: "good", or a defect.

    Raises
    ------
    UserError
        If there is no such folder, or no image in it.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise UserError(f"there is no folder {folder}: give the one with your photographs")
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES)
    if not paths:
        raise UserError(
            f"{folder} holds no image ({', '.join(IMAGE_SUFFIXES)}): put photographs into it, or "
            "convert those that you have"
        )
    split = "train" if kind == GOOD else "test"
    return Samples(paths, [kind] * len(paths), [None] * len(paths), split)


def timeline(found: Survey, counts: Mapping[str, int], title: str) -> Figure:
    """Draw brightness and sharpness of photographs in their order.

    Parameters
    ----------
    found : Survey
    counts : dict of str to int
        In how many parts they are used, in order: what for, and how many.
    title : str
    """
    figure = Figure(figsize=(7.4, 4.6), layout="constrained")
    rows = {
        "brightness\n(mean grey value)": found.brightness,
        "sharpness\n(Laplacian, grey values)": found.sharpness,
    }
    column = figure.subplots(2, 1, sharex=True)
    colours = sns.color_palette("colorblind", len(counts))
    ends = np.cumsum(list(counts.values()))
    places = np.arange(1, len(found.paths) + 1)
    for axes, (name, values) in zip(column, rows.items(), strict=True):
        for part, end, colour, mark in zip(counts, ends, colours, "os^Dv", strict=False):
            own = slice(end - counts[part], end)
            axes.plot(places[own], values[own], mark, color=colour, label=part, ms=4)
        for end in ends[:-1]:
            axes.axvline(end + 0.5, color="0.5", linestyle=":")
        axes.set_ylabel(name)
        axes.grid(color="0.92")
    handles = column[0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside lower center", ncols=len(counts), fontsize=8)
    column[1].set_xlabel("photographs, in the order of their names")
    figure.suptitle(title)
    return figure


def blotted(image: np.ndarray, width: float) -> np.ndarray:
    """Paint a round blot into the middle of an image: dark where it is bright, and vice versa.

    Parameters
    ----------
    image : ndarray of uint8, shape (H, W, 3)
    width : float
        Of the blot, as a share of the image's shorter side.

    Returns
    -------
    blotted : ndarray of uint8, shape (H, W, 3)
        A copy.
    """
    height, breadth = image.shape[:2]
    radius = round(width * min(height, breadth) / 2)
    if radius == 0:
        return image.copy()
    centre = (breadth // 2, height // 2)
    around = image[centre[1] - radius : centre[1] + radius, centre[0] - radius : centre[0] + radius]
    colour = 30 if around.mean() > 127 else 225
    return cv2.circle(image.copy(), centre, radius, (colour,) * 3, -1, cv2.LINE_AA)
