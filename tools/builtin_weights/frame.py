"""Make the frame of the built-in network's TFLite model: its graph, with blank kernels.

    python -m tools.builtin_weights.frame

`adhelpers.backbones.builtin.tflite_model` puts the kernels back, bit for bit, so that nobody who
uses the built-in weights has to convert them. Needs TensorFlow.
"""

import hashlib
import json

import numpy as np

from adhelpers.backbones import Graph, builtin, convert, load_backbone


def main() -> None:
    model = convert(load_backbone(weights="builtin"))
    np.savez_compressed(builtin.FRAME, **frame_of(model))
    assert builtin.tflite_model() == model
    print(f"{builtin.FRAME}: {builtin.FRAME.stat().st_size / 1e6:.2f} MB")


def frame_of(model: bytes) -> dict[str, np.ndarray]:
    """Return a converted model with blank kernels, where each belongs, and what it is scaled by.

    Parameters
    ----------
    model : bytes
        The built-in network's, as `adhelpers.backbones.convert` makes it.

    Returns
    -------
    arrays : dict of str to ndarray
        ``model``, uint8; the scales by the kernels' names; and the record.
    """
    weights, _ = builtin.load_weights()
    blank, offsets, scales, graph = bytearray(model), {}, {}, Graph(model)
    for name in (name for name in weights if name.endswith("/kernel")):
        start, scales[name] = placed(graph, model, name, weights[name])
        offsets[name] = start
        size = 4 * weights[name].size
        blank[start : start + size] = bytes(size)
    record = {"sha256": hashlib.sha256(model).hexdigest(), "offsets": offsets}
    return {
        "model": np.frombuffer(blank, np.uint8),
        **scales,
        builtin.RECORD: np.frombuffer(json.dumps(record).encode(), np.uint8),
    }


def placed(graph: Graph, model: bytes, name: str, kernel: np.ndarray) -> tuple[int, np.ndarray]:
    """Return where a kernel's numbers begin in a model, and what its outputs are scaled by."""
    layer, by_channel = name.partition("/")[0], kernel.shape[-1] == 1
    shape = [kernel.shape[i] for i in (3, 0, 1, 2)]
    (tensor,) = [
        tensor
        for tensor in graph.main.tensors
        if f"/{layer}_1/" in tensor.name.decode() and list(tensor.shape) == shape
    ]
    data = bytes(graph.model.buffers[tensor.buffer].data)
    assert model.count(data) == 1
    outputs = -1 if by_channel else 0
    found = np.moveaxis(np.frombuffer(data, np.float32).reshape(shape), outputs, 0)
    plain = np.moveaxis(kernel.astype(np.float32).transpose(3, 0, 1, 2), outputs, 0)
    pairs = zip(found.reshape(len(found), -1), plain.reshape(len(plain), -1), strict=True)
    return model.find(data), np.array([_scale(*pair) for pair in pairs], np.float32)


def _scale(found: np.ndarray, plain: np.ndarray) -> np.float32:
    """Return the factor that makes all of one output's numbers, to the last bit."""
    largest = np.argmax(np.abs(plain))
    near = np.float32(found[largest]) / np.float32(plain[largest])
    for _ in range(4):
        near = np.nextafter(near, np.float32(-np.inf))
    for _ in range(9):
        if np.array_equal(plain * near, found):
            return near
        near = np.nextafter(near, np.float32(np.inf))
    raise AssertionError("the converter does not multiply as it did")


if __name__ == "__main__":
    main()
