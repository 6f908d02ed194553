"""What quantizing does to each level: the quantized features against those of float32."""

import csv
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np

from .evaluation import is_defined, roc_auc
from .features import FeatureSet
from .files import written_whole
from .tflite import silence


@dataclass(frozen=True)
class LevelDamage:
    """How one level's features in a lower precision differ from those in float32.

    Parameters
    ----------
    level, precision : str
    relative_error : float
        The error's standard deviation over that of the float features: 0 is no error, 1 an error
        as large as what tells normal images apart. A constant offset of a channel does not count,
        as fitting on the quantized features takes it out.
    correlation : float
        Pearson's, of float and quantized features about their channels' means: -1 to 1.
    clipped : float
        The share of the feature map's values that the int8 range cannot represent, 0 to 1.
    auroc_float, auroc : float or None
        The area, from 0 to 1, that this level alone reaches in float32 and in the precision.
    """

    level: str
    precision: str
    relative_error: float
    correlation: float
    clipped: float
    auroc_float: float | None
    auroc: float | None


def damage(
    full: FeatureSet,
    quantized: FeatureSet,
    clipped: dict[str, float],
    test_labels: np.ndarray,
    full_distances: dict[str, np.ndarray],
    quantized_distances: dict[str, np.ndarray],
) -> list[LevelDamage]:
    """Compare the features of held-out normal images, and the test images' areas, by level.

    Parameters
    ----------
    full, quantized : FeatureSet
        Of the same normal images, none of which calibrated the quantized network.
    clipped : dict of str to float
        From `clipped_shares`.
    test_labels : ndarray of int, shape (N,)
    full_distances, quantized_distances : dict of str to ndarray, shape (N,)
        Of the test images, by level; each from a detector fitted in its own precision.
    """
    rows = []
    for level in full.levels:
        relative_error, correlation = _agreement(full.levels[level], quantized.levels[level])
        areas = [None, None]
        if is_defined(test_labels):
            distances = (full_distances[level], quantized_distances[level])
            areas = [roc_auc(test_labels, x) for x in distances]
        precision = quantized.origin["precision"]
        rows.append(
            LevelDamage(level, precision, relative_error, correlation, clipped[level], *areas)
        )
    return rows


def _agreement(full: np.ndarray, quantized: np.ndarray) -> tuple[float, float]:
    """Return the relative error and the correlation of two arrays of features."""
    full, quantized = np.asarray(full, np.float64), np.asarray(quantized, np.float64)
    a, b = full - full.mean(axis=0), quantized - quantized.mean(axis=0)
    spread = np.sqrt(np.mean(a**2))
    if spread == 0 or not np.any(b):
        return float("nan"), float("nan")
    relative_error = np.sqrt(np.mean((b - a) ** 2)) / spread
    return float(relative_error), float(np.sum(a * b) / np.sqrt(np.sum(a**2) * np.sum(b**2)))


def clipped_shares(full: bytes, quantized: bytes, images: Sequence[np.ndarray]) -> dict[str, float]:
    """Return the share of each level's map that lies outside the quantized network's range.

    Parameters
    ----------
    full, quantized : bytes
        TFLite models of the same backbone, in float32 and in a lower precision.
    images : sequence of ndarray of uint8, shape (S, S, 3)

    Returns
    -------
    shares : dict of str to float
        0 where the map stays in float.
    """
    ranges = {name: _range(tensor) for name, (_, tensor) in _map_tensors(quantized).items()}
    places = {name: index for name, (index, _) in _map_tensors(full).items()}
    outside = {name: [] for name in places}
    from ai_edge_litert.interpreter import Interpreter

    with silence():
        interpreter = Interpreter(model_content=full, experimental_preserve_all_tensors=True)
        runner = interpreter.get_signature_runner()
        for image in images:
            runner(image=image[None].astype(np.float32))
            for name, index in places.items():
                low, high = ranges[name]
                values = interpreter.get_tensor(index)
                outside[name].append(np.mean((values < low) | (values > high)))
    return {name: float(np.mean(shares)) for name, shares in outside.items()}


def _map_tensors(model: bytes) -> dict[str, tuple[int, object]]:
    """Return, by level, the index and the description of the tensor that is averaged."""
    from ai_edge_litert.tools import flatbuffer_utils

    parsed = flatbuffer_utils.read_model_from_bytearray(bytearray(model))
    graph = parsed.subgraphs[parsed.signatureDefs[0].subgraphIndex]
    made = {op.outputs[0]: op for op in graph.operators}
    kinds = {i: flatbuffer_utils.opcode_to_name(parsed, op.opcodeIndex) for i, op in made.items()}
    found = {}
    for output in parsed.signatureDefs[0].outputs:
        index = output.tensorIndex
        while len(graph.tensors[index].shape) < 4 or kinds[index] == "DEQUANTIZE":
            index = made[index].inputs[0]
        found[output.name.decode()] = (index, graph.tensors[index])
    return dict(sorted(found.items()))


def _range(tensor) -> tuple[float, float]:
    """Return the least and the greatest value that a tensor can hold."""
    quantization = tensor.quantization
    if quantization is None or quantization.scale is None or not len(quantization.scale):
        return -np.inf, np.inf
    scale, zero = float(quantization.scale[0]), int(quantization.zeroPoint[0])
    return scale * (-128.5 - zero), scale * (127.5 - zero)


def write_damage(rows: Sequence[LevelDamage], path: str | Path) -> None:
    """Write a CSV with a row per level and precision."""
    with (
        written_whole(path) as temporary,
        temporary.open("w", newline="", encoding="utf-8") as file,
    ):
        writer = csv.DictWriter(file, [f.name for f in fields(LevelDamage)])
        writer.writeheader()
        writer.writerows(asdict(row) for row in rows)
