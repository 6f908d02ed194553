"""Figures made of numbers."""

from collections.abc import Mapping
from itertools import cycle

import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from ..evaluation.plots import ANOMALY_COLOUR, NORMAL_COLOUR


def strips(
    groups: Mapping[str, np.ndarray], quantity: str, title: str, log: bool = False
) -> Figure:
    """Draw one row of marks per group, a mark for each value.

    Parameters
    ----------
    groups : dict of str to array, shape (N_g,)
        Groups whose name ends in "good" are normal images, and drawn in their colour.
    quantity : str
        What the values are, and their unit.
    title : str
    log : bool
        On a logarithmic axis; all values must be above 0.
    """
    figure = Figure(figsize=(7.4, 1.2 + 0.42 * len(groups)), layout="constrained")
    axes = figure.subplots()
    for row, (name, values) in enumerate(groups.items()):
        colour = NORMAL_COLOUR if name.endswith("good") else ANOMALY_COLOUR
        axes.plot(values, np.full(len(values), row), "|", color=colour, markersize=14, alpha=0.7)
        axes.plot(np.mean(values), row, "o", color="black", markersize=5)
    axes.plot([], [], "o", color="black", markersize=5, label="mean")
    axes.set_yticks(range(len(groups)), list(groups))
    axes.set(xlabel=quantity, title=title, ylim=(len(groups) - 0.4, -0.6))
    axes.legend(loc="best", fontsize=8)
    if log:
        widen_small_values(axes)
    return figure


def widen_small_values(axes: Axes) -> None:
    """Make the lower axis logarithmic, with plain numbers at 1, 2, 5, 10, 20 and so on."""
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


def bars(
    series: Mapping[str, Mapping[str, float]],
    quantity: str,
    title: str,
    line: tuple[str, float] | None = None,
) -> Figure:
    """Draw grouped bars: a group per key of the inner mappings, a colour per series.

    Parameters
    ----------
    series : dict of str to (dict of str to float)
        By the name in the legend; all with the same keys, such as level names.
    quantity : str
        What the values are, and their unit.
    title : str
    line : (str, float), optional
        What to compare with, such as guessing: its name in the legend, and its height.
    """
    keys = list(next(iter(series.values())))
    figure = Figure(figsize=(2.6 + 0.75 * len(keys), 3.8), layout="constrained")
    axes = figure.subplots()
    width = 0.8 / len(series)
    colours = sns.color_palette("colorblind", len(series))
    for i, (name, values) in enumerate(series.items()):
        places = np.arange(len(keys)) + (i - (len(series) - 1) / 2) * width
        axes.bar(places, [values[key] for key in keys], width, label=name, color=colours[i])
    axes.set_xticks(range(len(keys)), [key.replace("level_", "level ") for key in keys])
    axes.set(ylabel=quantity, title=title)
    if line:
        axes.axhline(line[1], color="0.3", linestyle=":", linewidth=1.5, label=line[0])
    if len(series) > 1 or line:
        axes.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
    return figure


def intervals(
    rows: Mapping[str, tuple[float, float, float]],
    quantity: str,
    title: str,
    line: tuple[str, float] | None = None,
) -> Figure:
    """Draw values with their intervals, one below the other.

    Parameters
    ----------
    rows : dict of str to (float, float, float)
        By name: the value, and the lower and the upper end of its interval.
    quantity : str
        What the values are, and their unit.
    title : str
    line : (str, float), optional
        As for `bars`.
    """
    figure = Figure(figsize=(7.4, 1.2 + 0.42 * len(rows)), layout="constrained")
    axes = figure.subplots()
    value, low, high = np.array(list(rows.values())).T
    heights = np.arange(len(rows))
    axes.plot([low, high], [heights, heights], color=NORMAL_COLOUR, linewidth=2)
    axes.plot(value, heights, "o", color="black", markersize=6)
    if line:
        axes.axvline(line[1], color="0.3", linestyle=":", linewidth=1.5, label=line[0])
        axes.legend(fontsize=8, loc="best")
    axes.set_yticks(heights, list(rows))
    axes.set(xlabel=quantity, title=title, ylim=(len(rows) - 0.4, -0.6))
    return figure


def curves(
    lines: Mapping[str, tuple[np.ndarray, np.ndarray]],
    axis_names: tuple[str, str],
    title: str,
    levels: Mapping[str, float] | None = None,
    mark: tuple[str, float] | None = None,
) -> Figure:
    """Draw curves, and what to compare them with.

    Parameters
    ----------
    lines : dict of str to (x, y), arrays of shape (N,)
        By the name in the legend.
    axis_names : (str, str)
    title : str
    levels : dict of str to float, optional
        Heights to compare with, drawn from side to side.
    mark : (str, float), optional
        A place on the x axis: its name in the legend, and where it is.
    """
    figure = Figure(figsize=(8.2, 3.8), layout="constrained")
    axes = figure.subplots()
    colours = sns.color_palette("colorblind", len(lines))
    styles = cycle(("-", "--", ":", "-."))
    for colour, (name, (x, y)) in zip(colours, lines.items(), strict=True):
        axes.plot(x, y, next(styles), color=colour, linewidth=2, label=name)
    for name, height in (levels or {}).items():
        axes.axhline(height, color="0.3", linestyle=next(styles), linewidth=1, label=name)
    if mark:
        axes.axvline(mark[1], color="0.6", linewidth=1.5, label=mark[0])
    axes.set(xlabel=axis_names[0], ylabel=axis_names[1], title=title)
    axes.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
    return figure


def scatters(
    panels: Mapping[str, tuple[np.ndarray, np.ndarray, np.ndarray]],
    axis_names: tuple[str, str],
    title: str,
) -> Figure:
    """Draw points of training, normal test and anomalous test images, a panel for each view.

    Parameters
    ----------
    panels : dict of str to (train, good, anomalous), arrays of shape (N, 2)
    axis_names : (str, str)
    title : str
    """
    figure = Figure(figsize=(4 * len(panels), 4.2), layout="constrained")
    looks = [
        ("training", {"marker": "o", "color": "0.6", "s": 18}),
        ("test, normal", {"marker": "o", "color": NORMAL_COLOUR, "s": 22}),
        ("test, anomalous", {"marker": "x", "color": ANOMALY_COLOUR, "s": 28}),
    ]
    row = figure.subplots(1, len(panels), squeeze=False)[0]
    for axes, (name, groups) in zip(row, panels.items(), strict=True):
        for points, (label, look) in zip(groups, looks, strict=True):
            axes.scatter(*points.T, label=label, **look)
        axes.set(xlabel=axis_names[0], ylabel=axis_names[1], title=name)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    figure.suptitle(title)
    return figure


def ellipses(
    panels: Mapping[str, tuple[np.ndarray, np.ndarray, np.ndarray, Mapping[str, np.ndarray]]],
    axis_names: tuple[str, str],
    title: str,
) -> Figure:
    """Draw points of a plane, and where the Mahalanobis distance is 1, 2 and 3.

    Parameters
    ----------
    panels : dict of str to (points, mean, covariance, marks)
        Shapes (N, 2), (2,) and (2, 2); marks are further points by name, shape (2,). The scale
        is the same on both axes, so that a circle is a circle.
    axis_names : (str, str)
    title : str
    """
    figure = Figure(figsize=(4.6 * len(panels), 4.8), layout="constrained")
    circle = np.linspace(0, 2 * np.pi, 200)
    row = figure.subplots(1, len(panels), squeeze=False)[0]
    for axes, (name, (points, mean, covariance, marks)) in zip(row, panels.items(), strict=True):
        axes.scatter(*points.T, s=14, color="0.6")
        root = np.linalg.cholesky(covariance)
        for distance in (1, 2, 3):
            x, y = mean[:, None] + distance * root @ [np.cos(circle), np.sin(circle)]
            axes.plot(x, y, color=NORMAL_COLOUR, linewidth=1.5)
            axes.annotate(str(distance), (x[0], y[0]), color=NORMAL_COLOUR, fontsize=9)
        for word, mark in marks.items():
            axes.plot(*mark, "D", color=ANOMALY_COLOUR, markersize=7)
            axes.annotate(f"  {word}", mark, color=ANOMALY_COLOUR, fontsize=11)
        axes.set(xlabel=axis_names[0], ylabel=axis_names[1], title=name)
        axes.set_aspect("equal", adjustable="datalim")
        axes.margins(0.15)
    figure.suptitle(title)
    return figure


def spectra(curves: Mapping[str, np.ndarray], title: str, n_shown: int | None = None) -> Figure:
    """Draw variances along the axes of a covariance, the largest first, on a log scale.

    Parameters
    ----------
    curves : dict of str to array, shape (D,)
        Those up to a millionth of the largest are drawn at the lower edge, which is then marked.
    title : str
    n_shown : int, optional
        How many axes to show; all when not given.
    """
    figure = Figure(figsize=(7.4, 4.2), layout="constrained")
    axes = figure.subplots()
    floor = 1e-6 * max(np.max(values) for values in curves.values())
    for (name, values), style in zip(curves.items(), ("-", ":", "--", "-."), strict=False):
        shown = np.maximum(values[:n_shown], floor)
        axes.semilogy(np.arange(1, len(shown) + 1), shown, style, linewidth=2, label=name)
    if any(np.min(values[:n_shown]) < floor for values in curves.values()):
        words = "0, or too small to draw"
        axes.axhline(floor, color="0.6", linewidth=1, zorder=0)
        axes.annotate(words, (1, floor), (2, 3), textcoords="offset points", fontsize=8)
    axes.set(xlabel="axis, by falling variance of the training images", ylabel="variance")
    axes.set_title(title)
    axes.legend()
    return figure
