"""Figures of the paper's tables."""

import math
from collections.abc import Iterator, Sequence

import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..evaluation.plots import ANOMALY_COLOUR, NORMAL_COLOUR, style
from .cross_validation import ALL_LEVELS
from .tables import MEAN, AreaCell, RateCell

_PANELS_ACROSS = 3


def areas(cells: Sequence[AreaCell], title: str, subtitle: str = "") -> Figure:
    """Draw a table of areas: a panel per category, a line per row, the levels from left to right.

    Points are of the fit to all training images; bars are mean and standard error over the runs
    of the cross-validation, where there was one (not in the panel of the means over categories).

    Parameters
    ----------
    cells : sequence of AreaCell
    title, subtitle : str
    """
    rows = list(dict.fromkeys(cell.row for cell in cells))
    palette = dict(zip(rows, sns.color_palette("colorblind", len(rows)), strict=True))
    columns = _columns(cells)
    with style():
        figure, panels = _figure(cells, title, subtitle)
        for axes, group in panels:
            for i, row in enumerate(rows):
                line = {cell.column: cell for cell in group if cell.row == row}
                shift = 0.06 * (i - (len(rows) - 1) / 2)  # or the bars would hide one another
                for part in ([c for c in columns if c != ALL_LEVELS], [ALL_LEVELS]):
                    shown = [(columns.index(c) + shift, line[c]) for c in part if c in line]
                    _draw_line(axes, shown, row if part == [ALL_LEVELS] else None, palette[row])
            axes.set_xticks(range(len(columns)), [_short(c) for c in columns])
            axes.set(xlabel="level", ylabel="image AUROC, %")
        _legend(figure, panels[0][0])
    return figure


def rates(cells: Sequence[RateCell], title: str, subtitle: str = "") -> Figure:
    """Draw a table of thresholds: a panel per category, the thresholds from left to right.

    Strong lines are of all levels together, weak ones of each level.

    Parameters
    ----------
    cells : sequence of RateCell
    title, subtitle : str
    """
    rows = list(dict.fromkeys(cell.row for cell in cells))
    kinds = {
        "true positives (anomalies found)": ("true_positive_rate", ANOMALY_COLOUR, "o"),
        "false positives (false alarms)": ("false_positive_rate", NORMAL_COLOUR, "s"),
    }
    with style():
        figure, panels = _figure(cells, title, subtitle)
        for axes, group in panels:
            for column in _columns(cells):
                strong = column == ALL_LEVELS
                for name, (rate, colour, marker) in kinds.items():
                    known = {
                        cell.row: getattr(cell, rate) for cell in group if cell.column == column
                    }
                    axes.plot(
                        range(len(rows)),
                        [math.nan if known[row] is None else 100 * known[row] for row in rows],
                        color=colour,
                        marker=marker if strong else None,
                        linewidth=2 if strong else 0.8,
                        alpha=1 if strong else 0.45,
                        label=f"{name}, all levels" if strong else None,
                    )
            names = [row.replace("chi-square, ", "χ², ").replace(" sigma", "σ") for row in rows]
            axes.set_xticks(range(len(rows)), names, rotation=35, ha="right")
            axes.set(ylabel="% of test images", ylim=(-4, 104))
        _legend(figure, panels[0][0])
    return figure


def _draw_line(axes: Axes, shown: list[tuple[float, AreaCell]], label, colour) -> None:
    if not shown:
        return
    x = [place for place, _ in shown]
    axes.plot(x, [100 * cell.auroc for _, cell in shown], "o-", color=colour, label=label, ms=4)
    if shown[0][1].cv_auroc is not None and shown[0][1].category != MEAN:
        means = [100 * cell.cv_auroc for _, cell in shown]
        errors = [100 * cell.cv_sem for _, cell in shown]
        axes.errorbar(x, means, errors, fmt="_", color=colour, capsize=2, alpha=0.6)


def _figure(cells, title: str, subtitle: str) -> tuple[Figure, list[tuple[Axes, list]]]:
    """Return a figure with a panel per category, and the cells of each."""
    categories = list(dict.fromkeys(cell.category for cell in cells))
    across = min(len(categories), _PANELS_ACROSS)
    down = math.ceil(len(categories) / across)
    figure = Figure(figsize=(5.2 * across, 3.7 * down + 0.9), layout="constrained")
    grid = figure.subplots(down, across, squeeze=False, sharey=True)
    figure.suptitle("\n".join(filter(None, [title, subtitle])), fontsize=11)
    panels = []
    for axes, category in _zipped(grid.flat, categories):
        axes.set_title(category, fontsize=10)
        panels.append((axes, [cell for cell in cells if cell.category == category]))
    return figure, panels


def _zipped(panels, categories: list[str]) -> Iterator[tuple[Axes, str]]:
    """Pair panels with categories, and leave the panels that are over empty."""
    panels = list(panels)
    for axes in panels[len(categories) :]:
        axes.set_axis_off()
    yield from zip(panels, categories, strict=False)


def _legend(figure: Figure, axes: Axes) -> None:
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False, fontsize=9)


def _columns(cells) -> list[str]:
    columns = list(dict.fromkeys(cell.column for cell in cells))
    return sorted(columns, key=lambda column: column == ALL_LEVELS)


def _short(column: str) -> str:
    return "all" if column == ALL_LEVELS else column.removeprefix("level_")
