"""What the tensors of a float TFLite model hold on calibration images, and ranges for them.

`ranges` gives the ranges that static int8 needs, by two rules. Memory is bounded: the images are
gone through twice, for the extremes and for histograms between them.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from ..ground import UserError, chosen, silence

_BINS = 2048


class Histogram(NamedTuple):
    """The values of a tensor, counted between the least and the greatest.

    Parameters
    ----------
    low, high : float
    counts : ndarray of int64, shape (B,)
        In bins of equal width.
    """

    low: float
    high: float
    counts: np.ndarray

    @property
    def edges(self) -> np.ndarray:
        """ndarray of float64, shape (B + 1,): where the bins begin and end."""
        return np.linspace(self.low, self.high, len(self.counts) + 1)


def activations(
    model: bytes, tensors: Sequence[int], images: Sequence[np.ndarray]
) -> Iterator[list[np.ndarray]]:
    """Run a float model and give what tensors hold, image by image.

    Parameters
    ----------
    model : bytes
        The content of a ``.tflite`` file with one input.
    tensors : sequence of int
        Their numbers in the main graph.
    images : sequence of ndarray, shape (S, S, 3)
        RGB, 0-255.

    Yields
    ------
    values : list of ndarray of float32
        As many as `tensors`, with a first axis of length 1; copies.
    """
    from ai_edge_litert.interpreter import Interpreter

    with silence():
        interpreter = Interpreter(
            model_content=model, num_threads=1, experimental_preserve_all_tensors=True
        )
        interpreter.allocate_tensors()
    (source,) = interpreter.get_input_details()
    for image in images:
        interpreter.set_tensor(source["index"], image[None].astype(np.float32))
        interpreter.invoke()
        yield [interpreter.get_tensor(tensor) for tensor in tensors]


def ranges(
    model: bytes, images: Sequence[np.ndarray], rule: str = "percentile"
) -> dict[str, tuple[float, float]]:
    """Choose a range for what every operator of a float model gives.

    Parameters
    ----------
    model : bytes
        The content of a ``.tflite`` file.
    images : sequence of ndarray of uint8, shape (S, S, 3)
        RGB images of normal parts; 100 will do.
    rule : str
        A key of `RULES`.

    Returns
    -------
    ranges : dict of str to (float, float)
        By the tensor's name in the file. Zero always lies within.

    Raises
    ------
    UserError
        If there is no such rule, or there are no images.
    """
    choose = chosen("rule for ranges", rule, RULES)
    if not len(images):
        raise UserError("ranges need calibration images and there are none; give some normal ones")
    found = {name: choose(histogram) for name, histogram in histograms(model, images).items()}
    return {name: (min(low, 0.0), max(high, 0.0)) for name, (low, high) in found.items()}


def histograms(model: bytes, images: Sequence[np.ndarray]) -> dict[str, Histogram]:
    """Count the values of what every operator of a float model gives, by the tensor's name."""
    names = _results(model)
    tensors = list(names)
    low, high = np.full(len(tensors), np.inf), np.full(len(tensors), -np.inf)
    for values in activations(model, tensors, images):
        low = np.minimum(low, [x.min() for x in values])
        high = np.maximum(high, [x.max() for x in values])
    scale = _BINS / np.where(high > low, high - low, 1)
    counts = np.zeros((len(tensors), _BINS), np.int64)
    for values in activations(model, tensors, images):
        for i, x in enumerate(values):
            bins = ((x.ravel() - low[i]) * scale[i]).astype(np.int32)
            counts[i] += np.bincount(np.minimum(bins, _BINS - 1), minlength=_BINS)
    return {
        name: Histogram(float(low[i]), float(high[i]), counts[i])
        for i, name in enumerate(names.values())
    }


def whole_range(histogram: Histogram) -> tuple[float, float]:
    """Return the least and the greatest value seen."""
    return histogram.low, histogram.high


def percentile_range(histogram: Histogram, share: float = 1e-4) -> tuple[float, float]:
    """Leave out a share of the values at each end, to the width of a bin.

    Examples
    --------
    >>> percentile_range(Histogram(0.0, 4.0, np.array([1, 49, 49, 1])), 0.02)
    (1.0, 3.0)
    """
    below = np.cumsum(histogram.counts) / histogram.counts.sum()
    first = int(np.searchsorted(below, share, side="right"))
    last = int(np.searchsorted(below, 1 - share, side="left"))
    return float(histogram.edges[first]), float(histogram.edges[last + 1])


#: How a tensor's range is chosen from its histogram, by name.
RULES = {"minmax": whole_range, "percentile": percentile_range}


def quantizer_ranges(
    structure: Mapping[str, Mapping[str, np.ndarray]], ranges: Mapping[str, tuple[float, float]]
) -> dict[str, dict[str, np.ndarray]]:
    """Put ranges into a calibration result of ai-edge-quantizer.

    Parameters
    ----------
    structure : dict
        What its ``calibrate`` gives for one image: the constants' ranges and all shapes.
    ranges : dict of str to (float, float)
        From `ranges`.

    Returns
    -------
    result : dict
    """
    result = {name: dict(entry) for name, entry in structure.items()}
    for name in result.keys() & ranges.keys():
        for key, end in zip(("min", "max"), ranges[name], strict=True):
            result[name][key] = np.full_like(result[name][key], end)
    return result


def _results(model: bytes) -> dict[int, str]:
    """Return number and name of every tensor that an operator gives."""
    from ai_edge_litert.tools import flatbuffer_utils

    graph = flatbuffer_utils.read_model_from_bytearray(bytearray(model)).subgraphs[0]
    return {
        int(i): graph.tensors[i].name.decode()
        for operator in graph.operators
        for i in operator.outputs
    }
