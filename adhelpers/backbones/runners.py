"""What runs a network on a batch of images: TensorFlow, or LiteRT."""

import queue
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..ground import UserError, load_keras, ordered_map, silence
from .networks import Backbone, in_order, map_name

Arrays = dict[str, np.ndarray]


class KerasRunner:
    """Runs a backbone with TensorFlow.

    Parameters
    ----------
    backbone : Backbone
    map_levels : sequence of str
        The levels whose maps `run` returns as well.
    """

    workers = 2  # keeps the cores busy where a layer is too small to fill them

    def __init__(self, backbone: Backbone, map_levels: Sequence[str] = ()):
        import tensorflow as tf

        side = backbone.input_size

        @tf.function(input_signature=[tf.TensorSpec((None, side, side, 3), tf.float32)])
        def run(images):
            maps = backbone.model(images, training=False)
            pooled = {name: tf.reduce_mean(x, axis=(1, 2)) for name, x in maps.items()}
            return pooled, {name: maps[name] for name in map_levels}

        self.levels = backbone.levels
        # Traced here, once, and not by several threads at once.
        self._run = run.get_concrete_function()
        self.map_shapes = {
            name: tuple(backbone.model.output[name].shape[1:]) for name in map_levels
        }

    def pooled(self, images: np.ndarray) -> Arrays:
        """Return the pooled levels of a batch; see `LiteRTRunner.pooled`."""
        return self.run(images)[0]

    def run(self, images: np.ndarray) -> tuple[Arrays, Arrays]:
        """Return the pooled levels and the maps of a batch; see `LiteRTRunner.run`."""
        import tensorflow as tf

        pooled, maps = self._run(tf.constant(images, tf.float32))
        return (
            {name: pooled[name].numpy() for name in self.levels},
            {name: maps[name].numpy() for name in self.map_shapes},
        )


class LiteRTRunner:
    """Runs a model on several images at once: interpreters of one thread each.

    Parameters
    ----------
    model : bytes
        As `conversion.convert` returns it, or quantized.
    workers : int
        The number of interpreters; as many threads may call it at once without waiting.
    map_levels : sequence of str
        The levels whose maps `run` returns as well.

    Attributes
    ----------
    levels : dict of str to int
        The number of features per level.
    map_shapes : dict of str to (int, int, int)
        Height, width and channels of the maps.

    Raises
    ------
    UserError
        If it is no TFLite model, or has other inputs or outputs.
    """

    def __init__(self, model: bytes, workers: int = 1, map_levels: Sequence[str] = ()):
        from ai_edge_litert.interpreter import Interpreter

        self.workers = workers
        self._free: queue.LifoQueue = queue.LifoQueue()
        if map_levels:
            from .graph import with_maps

            model = with_maps(model, map_levels)
        try:
            with silence():
                for _ in range(workers):
                    interpreter = Interpreter(model_content=model, num_threads=1)
                    runner = interpreter.get_signature_runner("serving_default")
                    image = runner.get_input_details()["image"]
                    runner(image=np.zeros(image["shape"], image["dtype"]))
                    self._free.put(runner)
            outputs = runner.get_output_details()
        except (ValueError, RuntimeError, KeyError) as error:
            reason = " ".join(str(error).split())[:160]
            raise UserError(f"not a TFLite model of a backbone ({reason})") from error
        self._input_type = image["dtype"]
        self._map_names = {name: map_name(name) for name in map_levels}
        pooled = in_order(set(outputs) - set(self._map_names.values()))
        self.levels = {name: int(outputs[name]["shape"][1]) for name in pooled}
        self.map_shapes = {
            name: tuple(outputs[full]["shape"].tolist()[1:])
            for name, full in self._map_names.items()
        }

    def pooled(self, images: np.ndarray) -> Arrays:
        """Return the pooled levels of a batch.

        Parameters
        ----------
        images : ndarray of uint8 or float32, shape (N, S, S, 3)
            RGB, 0-255.

        Returns
        -------
        features : dict of str to ndarray of float32, shape (N, D_l)
        """
        return self.run(images)[0]

    def run(self, images: np.ndarray) -> tuple[Arrays, Arrays]:
        """Return the pooled levels of a batch, and the maps of the levels asked for.

        Parameters
        ----------
        images : ndarray of uint8 or float32, shape (N, S, S, 3)
            RGB, 0-255.

        Returns
        -------
        features : dict of str to ndarray of float32, shape (N, D_l)
        maps : dict of str to ndarray of float32, shape (N, h_l, w_l, D_l)
        """
        shapes = {name: (width,) for name, width in self.levels.items()}
        shapes |= {full: self.map_shapes[name] for name, full in self._map_names.items()}
        outputs = {
            name: np.empty((len(images), *shape), np.float32) for name, shape in shapes.items()
        }
        runner = self._free.get()
        try:
            for i, image in enumerate(images):
                for name, array in runner(image=image[None].astype(self._input_type)).items():
                    outputs[name][i] = array[0]
        finally:
            self._free.put(runner)
        return (
            {name: outputs[name] for name in self.levels},
            {name: outputs[full] for name, full in self._map_names.items()},
        )


#: What runs a network, by the engine's name.
RUNNERS = {"keras": KerasRunner, "tflite": LiteRTRunner}


def pooled_in_batches(
    runner: KerasRunner | LiteRTRunner, images: np.ndarray, batch_size: int = 16
) -> dict[str, np.ndarray]:
    """Run many images through a network, a batch at a time, on all of the runner's workers.

    Parameters
    ----------
    runner : KerasRunner or LiteRTRunner
    images : ndarray of uint8 or float32, shape (N, S, S, 3)
        RGB, 0-255.
    batch_size : int

    Returns
    -------
    features : dict of str to ndarray of float32, shape (N, D_l)
    """
    batches = (images[start : start + batch_size] for start in range(0, len(images), batch_size))
    parts = list(ordered_map(runner.pooled, batches, runner.workers))
    if not parts:
        return {name: np.empty((0, width), np.float32) for name, width in runner.levels.items()}
    return {name: np.concatenate([part[name] for part in parts]) for name in runner.levels}


def has_gpu() -> bool:
    """Return whether TensorFlow sees a GPU; it is imported only where there may be one."""
    if not any(Path("/dev").glob("nvidia[0-9]*")):
        return False
    load_keras()
    import tensorflow as tf

    return bool(tf.config.list_physical_devices("GPU"))
