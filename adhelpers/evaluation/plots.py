"""Every figure.

The functions return a `matplotlib.figure.Figure`; `save` writes it whole. They keep no state and
open no window.
"""

import sys
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from html import escape
from io import BytesIO
from itertools import count
from pathlib import Path

import cv2
import matplotlib
import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .. import images
from ..ground import written_whole
from . import roc as roc_curves
from .lettering import drawn, many_letters

NORMAL_COLOUR, ANOMALY_COLOUR = "#4477aa", "#cc6677"
_CHANCE = {"color": "0.6", "linewidth": 1, "linestyle": ":"}
_LONGEST_NAME = 48  # characters, in a legend or at an axis
_LARGE_PNG = 120_000  # bytes; photographs pass it
_TILE, _GAP, _TITLE_PIXELS = 256, 12, 70  # of a sheet of images, and of the two lines above each


def save(figure: Figure, path: str | Path, dpi: int = 120) -> None:
    """Write a figure to an image file, whole or not at all."""
    with written_whole(path) as temporary:
        figure.savefig(temporary, dpi=dpi, bbox_inches="tight")


def show(figure: Figure, alt: str, dpi: int = 90) -> None:
    """Show a figure in a notebook, with a text for readers who cannot see it.

    In a script there is nowhere to show it: it is saved in the working folder, as the first of
    ``figure_1.png``, ``figure_2.png`` and so on that is not there yet, and its name is printed.

    In a notebook it is shown as HTML, ``<img alt=...>``: JupyterLab and nbconvert pass over the
    text that an output of type image/png keeps beside the picture.

    Parameters
    ----------
    figure : Figure
    alt : str
        What there is to see, in a sentence.
    dpi : int
        Of the picture: a PNG, or a JPEG where a PNG would be large.
    """
    words = " ".join(alt.split())
    if not _in_notebook():
        free = (Path(f"figure_{number}.png") for number in count(1))
        path = next(path for path in free if not path.exists())
        save(figure, path, dpi)
        print(f"{path}: {words}")
        return
    from IPython.display import display

    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi, bbox_inches="tight")
    data, kind = buffer.getvalue(), "png"
    if len(data) > _LARGE_PNG:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        settings = [cv2.IMWRITE_JPEG_QUALITY, 85, cv2.IMWRITE_JPEG_OPTIMIZE, 1]
        data, kind = cv2.imencode(".jpg", pixels, settings)[1].tobytes(), "jpeg"
    picture = b64encode(data).decode()
    image = f'<img alt="{escape(words)}" src="data:image/{kind};base64,{picture}">'
    display({"text/html": image, "text/plain": words}, raw=True)


def _in_notebook() -> bool:
    """Tell whether IPython runs this; where it was not imported, it does not."""
    ipython = sys.modules.get("IPython")
    return ipython is not None and ipython.get_ipython() is not None


def roc(
    curves: Mapping[str, tuple[np.ndarray, np.ndarray]], title: str, subtitle: str = ""
) -> Figure:
    """Draw ROC curves into one picture, each with its area in the legend.

    Parameters
    ----------
    curves : dict of str to (labels, scores)
        Labels 0 and 1, shape (N,); scores, shape (N,), higher is more anomalous.
    title, subtitle : str
        The subtitle says which network and weights the numbers come from.
    """
    with style():
        many = len(curves) > 5
        figure = Figure(figsize=(8.4 if many else 6.2, 5.6), layout="constrained")
        axes = figure.subplots()
        palette = sns.color_palette("husl" if len(curves) > 10 else "colorblind", len(curves))
        for colour, (name, (labels, scores)) in zip(palette, curves.items(), strict=True):
            false_positive, true_positive, _ = roc_curves.roc_curve(labels, scores)
            area = roc_curves.roc_auc(labels, scores)
            axes.plot(
                false_positive,
                true_positive,
                color=colour,
                linewidth=2,
                label=f"{_name(name)}: {100 * area:.1f} %",
            )
        axes.plot([0, 1], [0, 1], label="chance: 50.0 %", **_CHANCE)
        axes.set(
            xlabel="false positive rate (normal images called anomalous)",
            ylabel="true positive rate (anomalies found)",
            xlim=(-0.01, 1.01),
            ylim=(-0.01, 1.01),
            aspect="equal",
        )
        beside = {"loc": "center left", "bbox_to_anchor": (1.0, 0.5), "frameon": False}
        where = beside if many else {"loc": "lower right"}
        axes.legend(title="area under the curve", **where)
        _titles(figure, axes, title, subtitle)
    return figure


def level_damage(rows: Sequence, title: str, subtitle: str = "") -> Figure:
    """Draw what quantizing does to each level.

    Parameters
    ----------
    rows : sequence of LevelDamage
        See `adhelpers.evaluation.damage`.
    title, subtitle : str
    """
    levels = list(dict.fromkeys(row.level for row in rows))
    precisions = list(dict.fromkeys(row.precision for row in rows))
    palette = dict(zip(precisions, sns.color_palette("colorblind", len(precisions)), strict=True))
    width = 0.8 / len(precisions)
    defined = rows[0].auroc is not None
    with style():
        figure = Figure(figsize=(10 if defined else 6, 4.2), layout="constrained")
        left, *right = figure.subplots(1, 2 if defined else 1, squeeze=False)[0]
        for i, precision in enumerate(precisions):
            own = [row for row in rows if row.precision == precision]
            places = np.arange(len(own)) + (i - (len(precisions) - 1) / 2) * width
            colour = {"color": palette[precision], "label": precision}
            left.bar(places, [row.relative_error for row in own], width, **colour)
            for axes in right:
                axes.plot(levels, [100 * row.auroc for row in own], marker="o", **colour)
        for axes in right:
            base = [100 * row.auroc_float for row in rows if row.precision == precisions[0]]
            axes.plot(levels, base, color="0.3", linestyle="--", marker=".", label="float32")
            axes.set_ylabel("image AUROC of this level alone, %")
            axes.legend()
        left.set_xticks(range(len(levels)), levels)
        left.set_ylabel("error / spread of normal images")
        left.legend(title="precision")
        for axes in (left, *right):
            axes.tick_params(axis="x", rotation=40)
        _titles(figure, left, title, subtitle)
    return figure


def score_histogram(
    scores: np.ndarray,
    defect_types: Sequence[str],
    threshold: float | None = None,
    title: str = "",
    subtitle: str = "",
) -> Figure:
    """Draw how the scores of normal images and of each defect type are spread.

    Parameters
    ----------
    scores : ndarray, shape (N,)
    defect_types : sequence of str, length N
        ``"good"`` for normal images.
    threshold : float, optional
        Drawn as a line.
    title, subtitle : str
    """
    kinds = np.asarray(defect_types)
    others = sorted(set(kinds) - {"good"})
    palette = dict(zip(others, sns.color_palette("flare", len(others)), strict=True))
    with style():
        figure = Figure(figsize=(7.4, 4.2), layout="constrained")
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1 + 0.35 * len(others)])
        edges = np.histogram_bin_edges(scores, bins=30)
        parts = [("normal", scores[kinds == "good"], NORMAL_COLOUR)]
        if others:
            parts.append(("anomalous", scores[kinds != "good"], ANOMALY_COLOUR))
        for name, values, colour in parts:
            upper.hist(
                values, edges, color=colour, alpha=0.65, label=f"{name}, {len(values)} images"
            )
        for row, kind in enumerate(["good", *others]):
            values = scores[kinds == kind]
            colour = palette.get(kind, NORMAL_COLOUR)
            lower.plot(values, np.full(len(values), row), "|", color=colour, markersize=11)
        lower.set_yticks(range(len(others) + 1), ["good", *map(_name, others)])
        lower.set(xlabel="anomaly score", ylim=(len(others) + 0.6, -0.6))
        lower.grid(axis="y", visible=False)
        upper.set_ylabel("images")
        if threshold is not None:
            for axes in (upper, lower):
                axes.axvline(threshold, color="0.2", linestyle="--", linewidth=1)
            upper.plot([], [], "--", color="0.2", linewidth=1, label=f"threshold {threshold:.1f}")
        upper.legend()
        _titles(figure, upper, title, subtitle)
    return figure


def examples(
    paths: Sequence[str],
    scores: np.ndarray,
    defect_types: Sequence[str],
    threshold: float,
    title: str = "",
    subtitle: str = "",
    columns: int = 5,
    bits: int = images.MOST_BITS,
) -> Figure:
    """Show the most normal and the most anomalous images, and the worst mistakes, with scores.

    Parameters
    ----------
    paths : sequence of path, length N
    scores : ndarray, shape (N,)
    defect_types : sequence of str, length N
    threshold : float
        What scores above it is called anomalous; mistakes are those on its wrong side, and the
        worst are farthest from it.
    title, subtitle : str
    columns : int
        How many images of each sort.
    bits : int
        See `adhelpers.images.decode`.
    """
    rows = {
        name: chosen[:columns]
        for name, chosen in _sorts(scores, np.asarray(defect_types) != "good", threshold).items()
        if len(chosen)
    }
    down, across = _TILE + _TITLE_PIXELS, _TILE + _GAP
    with style():
        figure = Figure(figsize=(2.0 * columns, 2.45 * len(rows) + 0.5), layout="constrained")
        axes = figure.subplots()  # for all images: each with its own would take longer to draw
        axes.set_axis_off()
        for line, (name, chosen) in enumerate(rows.items()):
            top = down * line + _TITLE_PIXELS
            beside = {"rotation": 90, "ha": "right", "va": "center", "fontsize": 10}
            axes.text(-_GAP, top + _TILE / 2, name, **beside)
            for column, i in enumerate(chosen):
                left = across * column
                place = (left, left + _TILE, top + _TILE, top)
                axes.imshow(images.to_square(images.read(paths[i], bits), _TILE), extent=place)
                words = f"{drawn(defect_types[i], 20)}\n{scores[i]:.1f}"
                above = {"ha": "center", "va": "bottom", "fontsize": 9}
                axes.text(left + _TILE / 2, top - _GAP / 2, words, **above)
        axes.set(xlim=(0, across * columns - _GAP), ylim=(down * len(rows), 0))
        figure.suptitle(drawn("\n".join(filter(None, [title, subtitle]))), fontsize=11)
    return figure


def _sorts(scores: np.ndarray, anomalous: np.ndarray, threshold: float) -> dict[str, np.ndarray]:
    """Return image numbers by the sort of example they are, the best example first."""
    rising = np.argsort(scores, kind="stable")
    falling = rising[::-1]
    return {
        "lowest scores": rising,
        "highest scores": falling,
        "missed anomalies": rising[anomalous[rising] & (scores[rising] <= threshold)],
        "false alarms": falling[~anomalous[falling] & (scores[falling] > threshold)],
    }


def _titles(figure: Figure, axes: Axes, title: str, subtitle: str) -> None:
    figure.suptitle(drawn(title), fontsize=12)
    axes.set_title(drawn(subtitle), fontsize=9, color="0.35", y=1.0)  # without y, drawn slower


def _name(text: str) -> str:
    return drawn(text, _LONGEST_NAME)


@contextmanager
def style() -> Iterator[None]:
    """Apply the project's look inside the block alone."""
    with matplotlib.rc_context(), sns.axes_style("whitegrid"):
        matplotlib.rcParams.update({"axes.edgecolor": "0.6", "grid.color": "0.9"})
        with many_letters():
            yield
