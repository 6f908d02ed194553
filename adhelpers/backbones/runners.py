"""What runs a network on a batch of images: TensorFlow, or LiteRT."""

import queue
from pathlib import Path

import numpy as np

from ..ground import UserError, load_keras, ordered_map, silence
from .networks import Backbone, in_order


class KerasRunner:
    """Runs a backbone with TensorFlow."""

    workers = 2  # keeps the cores busy where a layer is too small to fill them

    def __init__(self, backbone: Backbone):
        import tensorflow as tf

        side = backbone.input_size

        @tf.function(input_signature=[tf.TensorSpec((None, side, side, 3), tf.float32)])
        def pooled(images):
            maps = backbone.model(images, training=False)
            return {name: tf.reduce_mean(x, axis=(1, 2)) for name, x in maps.items()}

        self.levels = backbone.levels
        # Traced here, once, and not by several threads at once.
        self._pooled = pooled.get_concrete_function()

    def pooled(self, images: np.ndarray) -> dict[str, np.ndarray]:
        import tensorflow as tf

        levels = self._pooled(tf.constant(images, tf.float32))
        return {name: levels[name].numpy() for name in self.levels}


class LiteRTRunner:
    """Runs a model on several images at once: interpreters of one thread each.

    Parameters
    ----------
    model : bytes
        As `conversion.convert` returns it, or quantized.
    workers : int
        The number of interpreters; as many threads may call it at once without waiting.

    Raises
    ------
    UserError
        If it is no TFLite model, or has other inputs or outputs.
    """

    def __init__(self, model: bytes, workers: int = 1):
        from ai_edge_litert.interpreter import Interpreter

        self.workers = workers
        self._free: queue.LifoQueue = queue.LifoQueue()
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
        self.levels = {name: int(outputs[name]["shape"][1]) for name in in_order(outputs)}

    def pooled(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """Return the pooled levels of a batch.

        Parameters
        ----------
        images : ndarray of uint8 or float32, shape (N, S, S, 3)
            RGB, 0-255.

        Returns
        -------
        features : dict of str to ndarray of float32, shape (N, D_l)
        """
        features = {
            name: np.empty((len(images), width), np.float32) for name, width in self.levels.items()
        }
        runner = self._free.get()
        try:
            for i, image in enumerate(images):
                for name, vector in runner(image=image[None].astype(self._input_type)).items():
                    features[name][i] = vector[0]
        finally:
            self._free.put(runner)
        return features


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
