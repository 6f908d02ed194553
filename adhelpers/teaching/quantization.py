"""For the notebook on TFLite and int8: what is in a model, and figures of what int8 does."""

from collections import Counter
from collections.abc import Mapping

import numpy as np
import seaborn as sns
from matplotlib.figure import Figure

from ..evaluation.plots import ANOMALY_COLOUR, NORMAL_COLOUR
from .diagrams import widen_small_values


def operators(model: bytes) -> dict[str, int]:
    """Count the operators of a TFLite model by name, the most frequent first.

    Parameters
    ----------
    model : bytes
        The content of a ``.tflite`` file.

    Returns
    -------
    counts : dict of str to int
    """
    from ai_edge_litert import schema_py_generated as schema
    from ai_edge_litert.tools import flatbuffer_utils

    names = {code: name for name, code in vars(schema.BuiltinOperator).items()}
    content = flatbuffer_utils.read_model_from_bytearray(bytearray(model))
    codes = [entry.builtinCode for entry in content.operatorCodes]
    found = [names[codes[op.opcodeIndex]] for op in content.subgraphs[0].operators]
    return dict(sorted(Counter(found).items(), key=lambda item: (-item[1], item[0])))


def sorted_curves(
    curves: Mapping[str, np.ndarray],
    quantity: str,
    item: str,
    title: str,
    marked: tuple[str, float] | None = None,
) -> Figure:
    """Draw values in rising order on a log scale, a curve per name.

    Parameters
    ----------
    curves : dict of str to array, shape (N_c,)
        Values up to a millionth of the largest are drawn at the lower edge.
    quantity : str
        What the values are, and their unit.
    item : str
        What there is a value for, such as "channel".
    title : str
    marked : (str, float), optional
        A line to draw across: its name in the legend, and its height.
    """
    figure = Figure(figsize=(7.4, 4.2), layout="constrained")
    axes = figure.subplots()
    floor = 1e-6 * max(np.max(values) for values in curves.values())
    palette = sns.color_palette("colorblind", len(curves))
    for (name, values), colour in zip(curves.items(), palette, strict=True):
        places = np.linspace(0, 100, len(values))
        axes.semilogy(places, np.sort(np.maximum(values, floor)), color=colour, lw=2, label=name)
    if marked:
        axes.axhline(marked[1], color="0.3", linestyle=":", linewidth=1.5, label=marked[0])
        axes.set_ylim(bottom=min(axes.get_ylim()[0], marked[1] / 2))  # off the frame
    axes.set(xlabel=f"{item}s in rising order, %", ylabel=quantity, title=title)
    axes.grid(axis="y", color="0.9")
    axes.legend(fontsize=9)
    return figure


def decisions(
    rows: Mapping[str, tuple[np.ndarray, np.ndarray, float]], quantity: str, title: str
) -> Figure:
    """Draw scores of normal and anomalous images beside a threshold, a panel per detector.

    The axis is logarithmic: normal images, which lie close together, can be told apart.

    Parameters
    ----------
    rows : dict of str to (labels, scores, threshold)
        Labels 0 and 1, shape (N,); scores, shape (N,), above 0.
    quantity : str
        What the scores are.
    title : str
    """
    figure = Figure(figsize=(7.4, 0.7 + 1.15 * len(rows)), layout="constrained")
    column = figure.subplots(len(rows), 1, sharex=True, squeeze=False)[:, 0]
    looks = ((0, "normal", NORMAL_COLOUR), (1, "anomalous", ANOMALY_COLOUR))
    for axes, (name, (labels, scores, threshold)) in zip(column, rows.items(), strict=True):
        for label, _, colour in looks:
            chosen = np.asarray(scores)[np.asarray(labels) == label]
            place = np.full(len(chosen), label)
            axes.plot(chosen, place, "|", color=colour, markersize=14, alpha=0.7)
        axes.axvline(threshold, color="0.2", linestyle="--", linewidth=1.2, label="threshold")
        axes.set_yticks([0, 1], [name for _, name, _ in looks])
        axes.set(ylim=(1.6, -0.6))
        axes.set_title(name, fontsize=10, loc="left")
    column[0].legend(fontsize=8, loc="upper right")
    column[-1].set_xlabel(quantity)
    widen_small_values(column[-1])
    figure.suptitle(title)
    return figure
