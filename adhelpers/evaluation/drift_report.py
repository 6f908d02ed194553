"""The drift of tables of scores, by camera, and a page that shows it."""

from collections.abc import Mapping
from html import escape
from io import StringIO
from typing import NamedTuple

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from ..ground import UserError
from .drift import FEWEST_REFERENCE, MOST_LATER, Drift, drift, limit_of, rise, share_interval

_BLOCKS = 40  # of images, in a figure
_INK = "#010203"  # replaced by the page's own colour of text
_COLOUR, _WARNING = "#4477aa", "#cc6677"


class Watched(NamedTuple):
    """What was found of one camera.

    Parameters
    ----------
    name : str
        Of the camera; empty if there is one alone.
    numbers : dict of str to ndarray, shape (N + M,)
        By statistic, of the images that were called normal, N of them in the reference period.
    drifts : dict of str to Drift
    n_reference : int
    above : tuple of (int, int)
        Images above the threshold, of all with a score: in the reference period, and after it.
    p_share : float
        Of a share above the threshold that has not risen, by Fisher's exact test.
    risk : float
        The false alarms allowed to each statistic.
    errors : int
        Images without a score.
    """

    name: str
    numbers: dict[str, np.ndarray]
    drifts: dict[str, Drift]
    n_reference: int
    above: tuple[tuple[int, int], tuple[int, int]]
    p_share: float
    risk: float
    errors: int

    @property
    def moved(self) -> list[str]:
        """What has drifted, in words, one line each."""
        lines = [self._words(name) for name, x in self.drifts.items() if x.alarm is not None]
        if self.p_share <= self.risk:
            lines.append(f"share above the threshold: {shares(self.above)}, p = {self.p_share:.1g}")
        return lines

    def _words(self, name: str) -> str:
        found = self.drifts[name]
        before, after = np.split(self.numbers[name], [self.n_reference])
        medians = f"{np.median(before):.4g} to {np.median(after[found.alarm :]):.4g}"
        return (
            f"{name}: {found.direction}, median {medians}, noticed at normal image "
            f"{found.alarm + 1} after the reference period"
        )


def shares(above: tuple[tuple[int, int], tuple[int, int]]) -> str:
    """Return the shares above the threshold, before and after, with 95 % intervals, in words."""
    words = []
    for count, total in above:
        low, high = share_interval(count, total)
        words.append(f"{count} of {total} ({low:.1%} to {high:.1%})")
    return " then ".join(words)


def watch(
    tables: Mapping[str, Mapping[str, np.ndarray]], n_reference: int, false_alarms: float
) -> list[Watched]:
    """Look for drift in scores, by camera.

    Parameters
    ----------
    tables : mapping of str to (mapping of str to ndarray)
        By camera: by statistic the numbers of all images in the order of time, NaN without a score,
        ``score`` among them; and ``above``, bool, whether an image is above the threshold.
    n_reference : int
        So many images with a score are the reference period of each camera.
    false_alarms : float
        The probability of at least one false alarm in all. Each statistic of each camera, the
        share among them, gets an equal part: by the union bound the sum holds however they depend
        on one another.

    Raises
    ------
    UserError
        If a camera has too few images, or more than can be simulated.
    """
    statistics = sum(len(table) for table in tables.values())
    risk = false_alarms / statistics
    return [_watched(name, table, n_reference, risk) for name, table in tables.items()]


def _watched(name: str, table: Mapping[str, np.ndarray], n: int, risk: float) -> Watched:
    scored = np.isfinite(table["score"])
    above = table["above"][scored]
    where = f"camera {name}: " if name else ""
    if not len(above) > n:
        raise UserError(
            f"{where}{len(above)} images with a score, but {n} are the reference period alone; "
            "give more tables, or lower --reference"
        )
    normal = int(np.count_nonzero(~above[:n]))
    later = int(np.count_nonzero(~above[n:]))
    if normal < FEWEST_REFERENCE:
        raise UserError(
            f"{where}{normal} of the first {n} images are normal, fewer than {FEWEST_REFERENCE}; "
            "is the threshold right, or does the reference period hold anomalies?"
        )
    if later > MOST_LATER:
        raise UserError(
            f"{where}{later} images after the reference period, more than {MOST_LATER}; give the "
            "latest tables, and those of the reference period before them"
        )
    numbers = {key: values[scored][~above] for key, values in table.items() if key != "above"}
    drifts = {}
    if later:
        limit = limit_of(normal, later, risk)
        drifts = {key: drift(values, normal, limit) for key, values in numbers.items()}
    counts = tuple((int(part.sum()), len(part)) for part in (above[:n], above[n:]))
    errors = int(np.count_nonzero(~scored))
    return Watched(name, numbers, drifts, normal, counts, rise(*counts), risk, errors)


def page(found: list[Watched], title: str, words: str) -> str:
    """Return an HTML page of its own, without anything from elsewhere.

    Parameters
    ----------
    found : list of Watched
    title : str
    words : str
        What was tested, in a sentence.
    """
    parts = [_HEAD.format(title=escape(title)), f"<p>{escape(words)}</p>"]
    for number, camera in enumerate(found):
        heading = f"Camera {camera.name}" if camera.name else "All images"
        parts.append(f"<h2>{escape(heading)}</h2>")
        lines = "".join(f"<li>{escape(line)}</li>" for line in camera.moved)
        parts.append(f'<ul class="drift">{lines}</ul>' if lines else "<p>No drift.</p>")
        parts.append(f"<p>Above the threshold: {escape(shares(camera.above))}.")
        parts.append(f"Without a score: {camera.errors}.</p>")
        for name in camera.drifts:
            with matplotlib.rc_context({**_STYLE, "svg.hashsalt": f"{number} {name}"}):
                parts.append(_svg(_figure(camera, name)))
    return "\n".join([*parts, "</main></html>\n"])


def _figure(camera: Watched, name: str) -> Figure:
    """Draw a statistic's quantiles over time, and below them its CUSUM."""
    numbers, found, n = camera.numbers[name], camera.drifts[name], camera.n_reference
    figure = Figure(figsize=(4.4, 3.2), layout="constrained")
    top, bottom = figure.subplots(2, sharex=True, height_ratios=[3, 2])
    blocks = np.array_split(np.arange(len(numbers)), min(_BLOCKS, len(numbers) // 10 or 1))
    x = [block.mean() for block in blocks]
    low, middle, high = np.transpose(
        [np.quantile(numbers[block], (0.1, 0.5, 0.9)) for block in blocks]
    )
    top.fill_between(x, low, high, color=_COLOUR, alpha=0.3, linewidth=0)
    top.plot(x, middle, color=_COLOUR)
    top.set_title(name, loc="left")
    top.set_ylabel("10, 50, 90 %")
    top.axvspan(0, n, color="0.5", alpha=0.15, linewidth=0)
    later = np.arange(n, len(numbers))
    bottom.plot(later, found.up, color=_COLOUR, label="up")
    bottom.plot(later, found.down, color=_COLOUR, linestyle=":", label="down")
    bottom.axhline(found.limit, color=_WARNING, label="limit")
    bottom.set(ylabel="CUSUM", xlabel="normal images (grey: reference)")
    bottom.legend(fontsize="small", frameon=False, loc="upper left")
    return figure


_STYLE = {
    "svg.fonttype": "none",
    "text.color": _INK,
    "axes.labelcolor": _INK,
    "axes.edgecolor": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "text.parse_math": False,
}


def _svg(figure: Figure) -> str:
    """Return a figure as SVG, to stand in a page."""
    text = StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None})
    _, start, rest = text.getvalue().partition("<svg")
    return start + rest.replace(_INK, "currentColor")


_HEAD = """<!doctype html>
<html lang="en"><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 16px/1.5 system-ui, sans-serif; margin: 0; }}
main {{ max-width: 60rem; margin: auto; padding: 1rem; overflow-wrap: anywhere; }}
.drift {{ border-left: 4px solid #cc6677; padding: .5rem 1rem .5rem 2rem; }}
svg {{ width: 100%; max-width: 28rem; height: auto; }}
</style>
<main><h1>{title}</h1>"""
