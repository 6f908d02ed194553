"""The distances of an exported pooled detector, split over the positions of its maps.

The network's feature maps and the Gaussians are all in the file: the maps are taken from inside the
graph, and each level's distance is split over its positions as `adhelpers.explain` does.
"""

from typing import NamedTuple

import numpy as np

from .. import edge
from ..ground import UserError, silence


class _Level(NamedTuple):
    """A level's map inside the graph, and its Gaussian: see `adhelpers.export.build`.

    Parameters
    ----------
    tensor : int
        The map, (1, h, w, D).
    mean : ndarray, shape (D,)
    axes : ndarray, shape (R, D), or None
        None where the channels are the axes.
    scale : ndarray, shape (R,) or (D,)
    outside : float
    """

    tensor: int
    mean: np.ndarray
    axes: np.ndarray | None
    scale: np.ndarray
    outside: float

    def split(self, feature_map: np.ndarray) -> np.ndarray:
        """Split the distance over the positions of a map, (h, w, D); its mean is the distance."""
        centred = feature_map.astype(np.float64) - self.mean
        average = centred.mean(axis=(0, 1))
        weights = self._inverse(average)
        distance = np.sqrt(max(average @ weights, 0.0))
        return centred @ weights / distance if distance else np.zeros(feature_map.shape[:2])

    def _inverse(self, x: np.ndarray) -> np.ndarray:
        """Return the inverse covariance times a vector."""
        if self.axes is None:
            return self.scale**2 * x
        if not self.outside:
            return self.axes.T @ (self.scale**2 * (self.axes @ x))
        for _ in range(2):  # by the symmetric root, twice
            x = self.axes.T @ (self.scale * (self.axes @ x)) + self.outside * x
        return x


class SplitDistances:
    """Splits the distances of an exported pooled detector over the positions of its maps.

    Parameters
    ----------
    model : bytes
        A ``.tflite`` file as `adhelpers.export.build` makes it.

    Raises
    ------
    UserError
        If it is no such model, or combines its levels by other than their sum.
    """

    def __init__(self, model: bytes):
        from ai_edge_litert.interpreter import Interpreter

        record = edge.read_record(model)
        combination = record.get("parameters", {}).get("combination")
        if combination != "sum":
            raise UserError(
                f"the detector combines its levels by {combination!r}, but heat maps split the "
                "plain sum of the distances"
            )
        self.levels = _levels(model, record["levels"])
        with silence():
            self._interpreter = Interpreter(
                model_content=model, num_threads=1, experimental_preserve_all_tensors=True
            )
            self._interpreter.allocate_tensors()
        (self._source,) = self._interpreter.get_input_details()

    def __call__(self, pixels: np.ndarray) -> dict[str, np.ndarray]:
        """Split the distances of an image of the network's size.

        Parameters
        ----------
        pixels : ndarray of uint8, shape (S, S, 3)
            RGB.

        Returns
        -------
        levels : dict of str to ndarray of float64, shape (h_l, w_l)
            The mean of each is the level's distance; terms may be negative.
        """
        self._interpreter.set_tensor(self._source["index"], pixels[None])
        self._interpreter.invoke()
        return {
            name: level.split(self._interpreter.get_tensor(level.tensor)[0])
            for name, level in self.levels.items()
        }


def _levels(model: bytes, names: list[str]) -> dict[str, _Level]:
    """Find the levels' maps and constants by the names that `adhelpers.export.build` gives."""
    from ai_edge_litert import schema_py_generated as schema
    from ai_edge_litert.tools import flatbuffer_utils

    content = flatbuffer_utils.read_model_from_bytearray(bytearray(model))
    graph = content.subgraphs[0]
    places = {tensor.name.decode(): i for i, tensor in enumerate(graph.tensors)}
    made = {op.outputs[0]: op for op in graph.operators}

    def constant(name: str) -> np.ndarray | None:
        if name not in places:
            return None
        tensor = graph.tensors[places[name]]
        data = bytes(content.buffers[tensor.buffer].data)
        return np.frombuffer(data, np.float32).reshape(tensor.shape).astype(np.float64)

    def map_before(mean: int) -> int:
        """Return the map whose average this mean is subtracted from."""
        (tensor,) = (op.inputs[0] for op in graph.operators if mean in op.inputs[1:])
        while len(graph.tensors[tensor].shape) < 4:
            tensor = made[tensor].inputs[0]
        if graph.tensors[tensor].type != schema.TensorType.FLOAT32:
            raise UserError("the network's feature maps are no float32; export another precision")
        return int(tensor)

    found = {}
    for name in names:
        outside = constant(f"{name}/outside")
        found[name] = _Level(
            map_before(places[f"{name}/mean"]),
            constant(f"{name}/mean"),
            constant(f"{name}/axes"),
            constant(f"{name}/scale"),
            0.0 if outside is None else outside.item(),
        )
    return found
