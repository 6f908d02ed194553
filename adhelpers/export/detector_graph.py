"""The whole detector as one TensorFlow Lite model: image in, anomaly score out.

The network is taken as it was converted, bit for bit, up to the last level that the detector needs,
and the Gaussians follow it as float32 operators in the same graph. So the deployed detector sees
the very features that it was fitted on, whatever the precision of the network, and its tail is
never quantized: in int8 it would give every image the same score.
"""

import json
from collections.abc import Callable
from hashlib import sha256

import numpy as np

from .. import __version__, edge
from ..detector import POOLED, JointDetector, LocalDetector, MahalanobisDetector, kind_of
from ..gaussian import Gaussian
from ..ground import UserError, chosen, installed_version
from .local_graph import append_local
from .tail import Tail

Detector = MahalanobisDetector | LocalDetector | JointDetector

#: How far the graph's scores may be from the Python detector's, relatively.
TOLERANCE = 1e-3

_RECORDED = ("tensorflow", "keras", "ai-edge-litert", "ai-edge-quantizer", "numpy")


def build(network: bytes, detector: Detector, facts: dict | None = None) -> bytes:
    """Append a fitted detector to a network's model.

    Parameters
    ----------
    network : bytes
        A ``.tflite`` model of any precision, as `Extractor.model`: one image, (1, S, S, 3), RGB,
        0-255, to the pooled levels, (1, D_l) each, by the names in its signature.
    detector : MahalanobisDetector, LocalDetector or JointDetector
        Fitted on features, or maps, of this very network.
    facts : dict, optional
        More for the record inside: see `describe`.

    Returns
    -------
    model : bytes
        A ``.tflite`` model whose signature takes ``image``, uint8, (1, S, S, 3), RGB, and gives
        ``score``, float32, (1,), and ``distances``, float32, (1, L), by level; of a detector that
        looks at each position also ``heat_map``, float32, (1, h, w), as its `heat_maps`. The
        record of `describe` stands inside as JSON, under the name `adhelpers.edge.RECORD_NAME`.

    Raises
    ------
    UserError
        If the network lacks a level that the detector needs or has another width or another size
        of the map there, or the detector combines its levels in a way that the format has no
        operators for.
    """
    summands = chosen("combination for an export", detector.combination, _SUMMANDS)
    tail = Tail(network)
    outputs = _TAILS[kind_of(detector)](tail, tail.outputs(), detector)
    summed = summands(tail, outputs["distances"], detector)
    score = tail.total(summed, "score", keep_dims=False)
    tail.take_bytes("image")
    tail.set_signature("image", {"score": score, **outputs})
    tail.drop_unused()
    record = {**describe(detector, facts), "sealed": True}
    tail.attach(edge.RECORD_NAME, json.dumps(record).encode())
    return sealed(tail.packed())


def sealed(model: bytes) -> bytes:
    """Put a checksum of a model at its end, by which `adhelpers.edge` finds any damage."""
    model += edge.SEAL
    return model + sha256(model).digest()


def describe(detector: Detector, facts: dict | None = None) -> dict:
    """Return the record inside a model: what the detector is, and how it is used.

    Parameters
    ----------
    detector : MahalanobisDetector, LocalDetector or JointDetector
    facts : dict, optional
        What the detector does not know: ``category``, and ``image_shape`` (height and width of
        the training images, in pixels), so that images of another aspect are noticed.

    Returns
    -------
    record : dict
        These facts, the origin of the features, the detector's kind, the levels' names in the
        order of ``distances``, the threshold (None if the detector has none), the detector's
        parameters, the number of images fitted on, and the versions of the packages.
    """
    return {
        "format": 1,
        **(facts or {}),
        **(detector.origin_.record if detector.origin_ else {}),
        "detector": kind_of(detector),
        "levels": _names(detector),
        "threshold": detector.threshold_ if detector.has_threshold else None,
        "parameters": detector.get_params(),
        "n_train": detector.n_train_,
        "versions": {
            "adhelpers": __version__,
            **{name: version for name in _RECORDED if (version := installed_version(name))},
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
        If a score is no number or not float32, two scores are equal, or one is off by more than
        `TOLERANCE`.
    """
    try:
        detector = edge.Detector(model)
        scores = np.array([detector.run(image)[0] for image in images])
    except edge.EdgeError as error:
        raise UserError(f"the detector's graph does not run: {error}") from error
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


def _names(detector: Detector) -> list[str]:
    """Return what the distances are called, in their order."""
    if isinstance(detector, JointDetector):
        return [*detector.local_.gaussians_, POOLED]
    return list(detector.gaussians_)


def _pooled(tail: Tail, levels: dict[str, int], detector: MahalanobisDetector) -> dict[str, int]:
    """Append the distances of the pooled levels.

    With W the axes of a Gaussian as rows and v their variances, a level's distance is the norm of
    ``c / sqrt(floor) + W^T ((1 / sqrt(v) - 1 / sqrt(floor)) * W c)``, c being the centred feature
    vector: the symmetric square root of the inverse covariance times c. It needs R x D numbers,
    never more than the D x D of a Cholesky factor; and unlike with ``|c|^2 / floor - |.|^2``, no
    squares are subtracted from each other in float32. Where the axes span all that counts (R = D,
    or an infinite floor), it is the norm of ``W c / sqrt(v)``.
    """
    squared = []
    for name, gaussian in detector.gaussians_.items():
        if name not in levels:
            raise UserError(f"the network has no {name}; it has: {', '.join(levels)}")
        features = tail.as_float(levels[name])
        width, expected = tail.shape(features)[-1], len(gaussian.mean)
        if width != expected:
            raise UserError(
                f"the network's {name} has {width} features, but the detector was fitted on "
                f"{expected}; use the same backbone for both"
            )
        squared.append(_squared_distance(tail, name, features, gaussian))
    return {"distances": tail.sqrt(tail.concatenate(squared), "distances")}


def _local(tail: Tail, levels: dict[str, int], detector: LocalDetector) -> dict[str, int]:
    distances, heat_map = append_local(tail, levels, detector)
    return {"distances": distances, "heat_map": heat_map}


def _both(tail: Tail, levels: dict[str, int], detector: JointDetector) -> dict[str, int]:
    """Append the distances per position, and the sum of the pooled ones as one more."""
    outputs = _local(tail, levels, detector.local_)
    pooled = tail.total(_pooled(tail, levels, detector.pooled_)["distances"], POOLED)
    return {**outputs, "distances": tail.concatenate([outputs["distances"], pooled])}


#: What appends the outputs but for the score, by the kind of detector.
_TAILS: dict[str, Callable[[Tail, dict[str, int], Detector], dict[str, int]]] = {
    "pooled": _pooled,
    "local": _local,
    "both": _both,
}


def _squared_distance(tail: Tail, name: str, features: int, gaussian: Gaussian) -> int:
    """Append the squared distance, (1, 1), of a level's features, (1, D)."""
    axes, inside = gaussian.axes, gaussian.variances**-0.5
    outside = gaussian.floor**-0.5 if len(axes) < gaussian.dimensions else 0.0
    centred = tail.subtract(features, tail.constant(gaussian.mean, f"{name}/mean"))
    if np.count_nonzero(axes) == len(axes):  # the channels themselves are the axes
        scale = np.full(len(gaussian.mean), outside)
        scale[axes.nonzero()[1]] = inside
        white = tail.multiply(centred, tail.constant(scale, f"{name}/scale"))
    else:
        directions = tail.constant(axes, f"{name}/axes")
        scale = tail.constant(inside - outside, f"{name}/scale")
        white = tail.multiply(tail.matmul(centred, directions, transposed=True), scale)
        if outside:
            rest = tail.multiply(centred, tail.constant(np.array(outside), f"{name}/outside"))
            white = tail.add(tail.matmul(white, directions), rest)
    return tail.total(tail.multiply(white, white), f"{name}/squared")


def _as_they_are(tail: Tail, distances: int, detector: Detector) -> int:
    return distances


def _relative(tail: Tail, distances: int, detector: Detector) -> int:
    means, _ = _scales(detector)
    return tail.multiply(distances, tail.constant(1 / means, "score/scale"))


def _z_scores(tail: Tail, distances: int, detector: Detector) -> int:
    means, spreads = _scales(detector)
    centred = tail.subtract(distances, tail.constant(means, "score/means"))
    return tail.multiply(centred, tail.constant(1 / spreads, "score/scale"))


def _scales(detector: Detector) -> np.ndarray:
    """Return the means and the spreads of held-out distances, (2, L)."""
    return np.array([detector.scales_[name] for name in _names(detector)]).T


#: What each level adds to the score, (1, L), by the combination's name. Fisher's statistic has no
#: operators in the format.
_SUMMANDS = {"sum": _as_they_are, "relative": _relative, "z-score": _z_scores}
