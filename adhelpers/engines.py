"""What runs a network: TensorFlow here, LiteRT in `adhelpers.tflite`."""

from pathlib import Path

import numpy as np

from . import tflite
from .backbones import Backbone
from .errors import UserError
from .startup import load_keras

#: What can be asked for; `chosen_engine` says what ``"auto"`` means.
ENGINES = ("auto", "keras", "tflite")


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


def chosen_engine(engine: str, precision: str) -> str:
    """Return the engine that is meant, or raise a UserError if it cannot be had."""
    tflite.check_precision(precision)
    if engine not in ENGINES:
        raise UserError(f"unknown engine {engine!r}; choose one of: {', '.join(ENGINES)}")
    if engine == "keras" and precision != "float32":
        raise UserError(f"engine keras has float32 alone, not {precision}; choose engine tflite")
    if engine == "auto":
        return "keras" if precision == "float32" and has_gpu() else "tflite"
    return engine


def has_gpu() -> bool:
    """Return whether TensorFlow sees a GPU; it is imported only where there may be one."""
    if not any(Path("/dev").glob("nvidia[0-9]*")):
        return False
    load_keras()
    import tensorflow as tf

    return bool(tf.config.list_physical_devices("GPU"))
