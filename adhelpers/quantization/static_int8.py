"""Static int8: weights and activations in 8 bits, with ranges fixed from calibration images.

The network's normalisation of its input and the averages of the levels stay float: a few
operators that cost nothing, but whose 8-bit results every level would suffer from.
"""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from ..ground import silence
from . import ranges as measured
from . import recipes

_DARKEST, _BRIGHTEST = 0, 255
_COLOURS = 3  # the channels of what the normalisation gives


class Operator(NamedTuple):
    """An operator that may become int8.

    Parameters
    ----------
    kind : str
        Its type, as in ``"CONV_2D"``.
    name : str
        Of the tensor that it gives.
    shape : tuple of int
        Of that tensor, (1, H, W, C).
    """

    kind: str
    name: str
    shape: tuple[int, ...]


def quantize(model: bytes, images: Sequence[np.ndarray], rule: str = "percentile") -> bytes:
    """Quantize a float32 model to static int8.

    Parameters
    ----------
    model : bytes
        From `adhelpers.backbones.convert`.
    images : sequence of ndarray of uint8, shape (S, S, 3)
        RGB images of normal parts; 100 will do.
    rule : str
        How ranges are chosen: a key of `adhelpers.quantization.ranges.RULES`.

    Returns
    -------
    quantized : bytes
        With float32 input and outputs.
    """
    return with_int8(model, operators(model), ranges(model, images, rule))


def ranges(
    model: bytes, images: Sequence[np.ndarray], rule: str = "percentile"
) -> dict[str, tuple[float, float]]:
    """Choose the range of what every operator gives, by the tensor's name.

    That of the normalised image is the range of all images, whatever these ones hold.
    """
    chosen = measured.ranges(model, images, rule)
    ends = [np.full_like(images[0], pixel) for pixel in (_DARKEST, _BRIGHTEST)]
    of_all = measured.ranges(model, ends, "minmax")
    normalised = {x.name for x in _image_operators(model) if x.shape[-1] == _COLOURS}
    return chosen | {name: of_all[name] for name in normalised}


def operators(model: bytes) -> list[Operator]:
    """Return the operators of the network proper, in the model's order."""
    return [x for x in _image_operators(model) if x.shape[-1] != _COLOURS]


def _image_operators(model: bytes) -> list[Operator]:
    """Return the operators that give maps."""
    from ai_edge_litert.tools import flatbuffer_utils

    content = flatbuffer_utils.read_model_from_bytearray(bytearray(model))
    graph = content.subgraphs[0]
    found = []
    for operator in graph.operators:
        result = graph.tensors[operator.outputs[0]]
        kind = flatbuffer_utils.opcode_to_name(content, operator.opcodeIndex)
        shape = tuple(int(n) for n in result.shape)
        if len(shape) == 4:
            found.append(Operator(kind, result.name.decode(), shape))
    return found


def with_int8(
    model: bytes,
    chosen: Sequence[Operator],
    ranges: Mapping[str, tuple[float, float]],
) -> bytes:
    """Make some operators static int8, and leave all others float.

    Parameters
    ----------
    model : bytes
    chosen : sequence of Operator
    ranges : dict of str to (float, float)
        From the function of that name.
    """
    from ai_edge_quantizer import qtyping

    eight_bits = {"activation_num_bits": 8, "weight_num_bits": 8}
    structure = recipes.begun(model)
    structure.add_static_config(**recipes.every(), **eight_bits)
    work = recipes.begun(model)
    for kind in sorted({operator.kind for operator in chosen}):
        names = "|".join(re.escape(x.name) for x in chosen if x.kind == kind)
        # The quantizer calls an operator by what it gives, with a semicolon behind.
        work.add_static_config(
            f"^({names});$", getattr(qtyping.TFLOperationName, kind), **eight_bits
        )
    with silence():
        source = _source(model)
        black = np.zeros(source["shape"], np.float32)
        found = structure.calibrate({"serving_default": [{"image": black}]})
    of_all = {**ranges, source["name"]: (_DARKEST, _BRIGHTEST)}
    return recipes.finished(work, measured.quantizer_ranges(found, of_all))


def _source(model: bytes) -> dict:
    """Return what the interpreter says about the model's input."""
    from ai_edge_litert.interpreter import Interpreter

    (source,) = Interpreter(model_content=model).get_input_details()
    return source
