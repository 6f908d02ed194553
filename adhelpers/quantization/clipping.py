"""How much of a network's feature maps int8 cannot represent."""

from collections.abc import Sequence

import numpy as np

from ..backbones import in_order
from ..ground import silence


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
    from ..backbones import Graph

    graph = Graph(model)
    outputs = graph.outputs()
    places = {name: graph.map_before(outputs[name]) for name in in_order(outputs)}
    return {name: (place, graph.main.tensors[place]) for name, place in places.items()}


def _range(tensor) -> tuple[float, float]:
    """Return the least and the greatest value that a tensor can hold."""
    quantization = tensor.quantization
    if quantization is None or quantization.scale is None or not len(quantization.scale):
        return -np.inf, np.inf
    scale, zero = float(quantization.scale[0]), int(quantization.zeroPoint[0])
    return scale * (-128.5 - zero), scale * (127.5 - zero)
