"""The whole detector as one TensorFlow Lite model: image in, anomaly score out.

The network is taken as it was converted, bit for bit, and the Gaussians follow it as float32
operators in the same graph. So the deployed detector sees the very features that it was fitted on,
whatever the precision of the network, and its tail is never quantized: in int8 it would give every
image the same score.
"""

import json
from importlib.metadata import version

import numpy as np

from .. import __version__, edge
from ..detector import MahalanobisDetector
from ..gaussian import Gaussian
from ..ground import UserError, chosen
from .graph import Graph

#: How far the graph's scores may be from the Python detector's, relatively.
TOLERANCE = 1e-3

_RECORDED_VERSIONS = ("tensorflow", "keras", "ai-edge-litert", "ai-edge-quantizer", "numpy")


def build(network: bytes, detector: MahalanobisDetector, facts: dict | None = None) -> bytes:
    """Append a fitted detector to a network's model.

    Parameters
    ----------
    network : bytes
        A ``.tflite`` model of any precision, as `Extractor.model`: one image, (1, S, S, 3), RGB,
        0-255, to the pooled levels, (1, D_l) each, by the names in its signature.
    detector : MahalanobisDetector
        Fitted on features of this very network.
    facts : dict, optional
        More for the record inside: see `describe`.

    Returns
    -------
    model : bytes
        A ``.tflite`` model whose signature takes ``image``, uint8, (1, S, S, 3), RGB, and gives
        ``score``, float32, (1,), and ``distances``, float32, (1, L), by level. The record of
        `describe` stands inside as JSON, under the name `adhelpers.edge.RECORD_NAME`.

    Raises
    ------
    UserError
        If the network lacks a level that the detector needs or has another width there, or the
        detector combines its levels in a way that the format has no operators for.

    Notes
    -----
    With W the axes of a Gaussian as rows and v their variances, a level's distance is the norm of
    ``c / sqrt(floor) + W^T ((1 / sqrt(v) - 1 / sqrt(floor)) * W c)``, c being the centred feature
    vector: the symmetric square root of the inverse covariance times c. It needs R x D numbers,
    never more than the D x D of a Cholesky factor; and unlike with ``|c|^2 / floor - |.|^2``, no
    squares are subtracted from each other in float32. Where the axes span all that counts (R = D,
    or an infinite floor), it is the norm of ``W c / sqrt(v)``.
    """
    summands = chosen("combination for an export", detector.combination, _SUMMANDS)
    graph = Graph(network)
    levels = graph.outputs()
    squared = []
    for name, gaussian in detector.gaussians_.items():
        if name not in levels:
            raise UserError(f"the network has no {name}; it has: {', '.join(levels)}")
        features = graph.as_float(levels[name])
        width, expected = graph.shape(features)[-1], len(gaussian.mean)
        if width != expected:
            raise UserError(
                f"the network's {name} has {width} features, but the detector was fitted on "
                f"{expected}; use the same backbone for both"
            )
        squared.append(_squared_distance(graph, name, features, gaussian))
    distances = graph.sqrt(graph.concatenate(squared), "distances")
    score = graph.total(summands(graph, distances, detector), "score", keep_dims=False)
    graph.take_bytes("image")
    graph.set_signature("image", {"score": score, "distances": distances})
    graph.attach(edge.RECORD_NAME, json.dumps(describe(detector, facts)).encode())
    return graph.packed()


def describe(detector: MahalanobisDetector, facts: dict | None = None) -> dict:
    """Return the record inside a model: what the detector is, and how it is used.

    Parameters
    ----------
    detector : MahalanobisDetector
    facts : dict, optional
        What the detector does not know: ``category``, and ``image_shape`` (height and width of
        the training images, in pixels), so that images of another aspect are noticed.

    Returns
    -------
    record : dict
        These facts, the origin of the features, the levels' names in the order of ``distances``,
        the threshold (None if the detector has none), the detector's parameters, the number of
        images fitted on, and the versions of the packages.
    """
    return {
        "format": 1,
        **(facts or {}),
        **(detector.origin_.record if detector.origin_ else {}),
        "levels": list(detector.gaussians_),
        "threshold": None if detector.threshold is None else detector.threshold_,
        "parameters": detector.get_params(),
        "n_train": detector.n_train_,
        "versions": {
            "adhelpers": __version__,
            **{package: version(package) for package in _RECORDED_VERSIONS},
        },
    }


def check(model: bytes, images: np.ndarray, expected: np.ndarray) -> float:
    """Make sure that a model gives the scores that it should, and tells images apart.

    Parameters
    ----------
    model : bytes
        As `build` returns it.
    images : ndarray of uint8, shape (N, S, S, 3)
        RGB; no two of them equal.
    expected : ndarray of float64, shape (N,)
        The scores of the Python detector.

    Returns
    -------
    error : float
        The largest difference, relative to the score (or to 1 for scores below it).

    Raises
    ------
    UserError
        If the score is not float32, two scores are equal, or one is off by more than `TOLERANCE`.
    """
    detector = edge.Detector(model)
    scores = np.array([detector.run(image)[0] for image in images])
    error = float(np.max(np.abs(scores - expected) / np.maximum(np.abs(expected), 1)))
    if detector.score_type != np.float32:
        problem = f"its score is {np.dtype(detector.score_type)}, not float32"
    elif (different := len(np.unique(scores))) < len(scores):
        problem = f"{len(scores)} images get {different} different score(s)"
    elif not error <= TOLERANCE:
        problem = f"a score is off by {error:.2%}, more than {TOLERANCE:.2%}"
    else:
        return error
    raise UserError(
        f"the detector's graph does not do what the Python detector does: {problem}; is its tail "
        "quantized, or was the detector fitted on features of another network?"
    )


def _squared_distance(graph: Graph, name: str, features: int, gaussian: Gaussian) -> int:
    """Append the squared distance, (1, 1), of a level's features, (1, D)."""
    axes, inside = gaussian.axes, gaussian.variances**-0.5
    outside = gaussian.floor**-0.5 if len(axes) < gaussian.dimensions else 0.0
    centred = graph.subtract(features, graph.constant(gaussian.mean, f"{name}/mean"))
    if np.count_nonzero(axes) == len(axes):  # the channels themselves are the axes
        scale = np.full(len(gaussian.mean), outside)
        scale[axes.nonzero()[1]] = inside
        white = graph.multiply(centred, graph.constant(scale, f"{name}/scale"))
    else:
        directions = graph.constant(axes, f"{name}/axes")
        scale = graph.constant(inside - outside, f"{name}/scale")
        white = graph.multiply(graph.matmul(centred, directions, transposed=True), scale)
        if outside:
            rest = graph.multiply(centred, graph.constant(np.array(outside), f"{name}/outside"))
            white = graph.add(graph.matmul(white, directions), rest)
    return graph.total(graph.multiply(white, white), f"{name}/squared")


def _as_they_are(graph: Graph, distances: int, detector: MahalanobisDetector) -> int:
    return distances


def _z_scores(graph: Graph, distances: int, detector: MahalanobisDetector) -> int:
    means, spreads = np.array([detector.scales_[name] for name in detector.gaussians_]).T
    centred = graph.subtract(distances, graph.constant(means, "score/means"))
    return graph.multiply(centred, graph.constant(1 / spreads, "score/scale"))


#: What each level adds to the score, (1, L), by the combination's name. Fisher's statistic has no
#: operators in the format.
_SUMMANDS = {"sum": _as_they_are, "z-score": _z_scores}
