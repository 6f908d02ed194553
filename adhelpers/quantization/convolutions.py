"""The convolutions of a float TFLite model: found, measured, and given other weights."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.tools import flatbuffer_utils

from .ranges import activations


class Convolution(NamedTuple):
    """An operator CONV_2D whose result has more than one position.

    Parameters
    ----------
    name : str
        Of the tensor that it gives.
    source, weights : int
        Tensors, by their number in the main graph.
    shape : tuple of int
        Of the weights: (outputs, height, width, inputs).
    stride : tuple of int
        Vertical and horizontal.
    padded : bool
        "Same" padding, not "valid".
    multiply_adds : int
        Per image.
    """

    name: str
    source: int
    weights: int
    shape: tuple[int, ...]
    stride: tuple[int, int]
    padded: bool
    multiply_adds: int


def find(model: bytes) -> list[Convolution]:
    """Return the convolutions of a model, in its order.

    Those of squeeze-and-excite, which see one position, are left out, and so are dilated ones.

    Parameters
    ----------
    model : bytes
        The content of a ``.tflite`` file.
    """
    content = flatbuffer_utils.read_model_from_bytearray(bytearray(model))
    graph = content.subgraphs[0]
    found = []
    for operator in graph.operators:
        code = content.operatorCodes[operator.opcodeIndex].builtinCode
        if code != schema.BuiltinOperator.CONV_2D:
            continue
        options, result = operator.builtinOptions, graph.tensors[operator.outputs[0]]
        source, weights = (int(i) for i in operator.inputs[:2])
        shape = tuple(int(n) for n in graph.tensors[weights].shape)
        positions = int(np.prod(result.shape[1:3]))
        if positions > 1 and options.dilationHFactor == options.dilationWFactor == 1:
            found.append(
                Convolution(
                    result.name.decode(),
                    source,
                    weights,
                    shape,
                    (options.strideH, options.strideW),
                    options.padding == schema.Padding.SAME,
                    positions * int(np.prod(shape)),
                )
            )
    return found


def weights(model: bytes, convolutions: Sequence[Convolution]) -> dict[str, np.ndarray]:
    """Return the weights by the convolutions' names, float32."""
    content = bytearray(model)
    return {x.name: _stored(content, x).reshape(x.shape).copy() for x in convolutions}


def with_weights(
    model: bytes, convolutions: Sequence[Convolution], arrays: Mapping[str, np.ndarray]
) -> bytes:
    """Return the model with other weights in the convolutions that `arrays` names."""
    content = bytearray(model)
    for convolution in convolutions:
        if convolution.name in arrays:
            _stored(content, convolution)[:] = np.ravel(arrays[convolution.name])
    return bytes(content)


def patch_moments(
    model: bytes, convolutions: Sequence[Convolution], images: Sequence[np.ndarray]
) -> dict[str, np.ndarray]:
    """Sum the products of what each convolution sees, over positions and images.

    Parameters
    ----------
    model : bytes
    convolutions : sequence of Convolution
    images : sequence of ndarray of uint8, shape (S, S, 3)

    Returns
    -------
    moments : dict of str to ndarray of float32, shape (I, I)
        By name. I is height x width x inputs, in the order of the weights.
    """
    moments = {x.name: np.zeros((int(np.prod(x.shape[1:])),) * 2, np.float32) for x in convolutions}
    sources = [convolution.source for convolution in convolutions]
    for values in activations(model, sources, images):
        for convolution, value in zip(convolutions, values, strict=True):
            seen = patches(value[0], convolution)
            moments[convolution.name] += seen.T @ seen
    return moments


def patches(value: np.ndarray, convolution: Convolution) -> np.ndarray:
    """Return what a convolution sees at each of its positions, shape (positions, I).

    Parameters
    ----------
    value : ndarray of float32, shape (H, W, C)
    convolution : Convolution
    """
    kernel, stride = convolution.shape[1:3], convolution.stride
    if convolution.padded:
        missing = [
            max((-(-n // s) - 1) * s + k - n, 0)
            for n, k, s in zip(value.shape, kernel, stride, strict=False)
        ]
        value = np.pad(value, [(m // 2, m - m // 2) for m in missing] + [(0, 0)])
    windows = np.lib.stride_tricks.sliding_window_view(value, kernel, axis=(0, 1))
    windows = windows[:: stride[0], :: stride[1]].transpose(0, 1, 3, 4, 2)
    return windows.reshape(windows.shape[0] * windows.shape[1], -1)


def _stored(content: bytearray, convolution: Convolution) -> np.ndarray:
    """Return the stored float32 weights, flat: a view of the file's content."""
    root = schema.Model.GetRootAs(content, 0)
    number = root.Subgraphs(0).Tensors(convolution.weights).Buffer()
    return root.Buffers(number).DataAsNumpy().view(np.float32)
