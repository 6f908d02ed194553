"""A backbone as a TFLite model: converted, quantized, and run without TensorFlow.

A model takes one RGB image, float32, (1, S, S, 3), 0-255, under the name ``image`` and gives the
pooled vector of each level, float32, (1, D_l), under the level's name. Outputs are read by these
names: their order in the file is another one.
"""

import contextlib
import io
import queue
import warnings
from collections.abc import Sequence

import numpy as np

from .errors import UserError
from .startup import load_keras, quiet_stderr

#: Precisions by name, in words for help texts.
PRECISIONS = {
    "float32": "the same numbers as TensorFlow",
    "float16": "weights stored in 16 bits, float arithmetic",
    "dynamic": "int8 weights, activations quantized image by image as they come",
    "int8-weights": "int8 weights, float arithmetic",
    "int8": "int8 weights and activations, with fixed ranges from calibration images",
    "int8-mixed": "int8 convolutions, but for those that it hurts; float between them",
}

#: Those that look at calibration images.
CALIBRATED = ("int8", "int8-mixed")


def check_precision(precision: str) -> None:
    """Raise a UserError that lists the precisions if there is none of that name."""
    if precision not in PRECISIONS:
        raise UserError(f"unknown precision {precision!r}; choose one of: {', '.join(PRECISIONS)}")


def check_calibration(precision: str, images: Sequence[np.ndarray]) -> None:
    """Raise a UserError if a precision needs calibration images and there are none."""
    check_precision(precision)
    if precision in CALIBRATED and not len(images):
        raise UserError(
            f"precision {precision} needs calibration images and there are none: give some normal "
            "images, or choose a precision that needs none (float16, dynamic, int8-weights)"
        )


def convert(backbone) -> bytes:
    """Convert a backbone, with the average of each level, to a float32 TFLite model.

    Parameters
    ----------
    backbone : Backbone

    Returns
    -------
    model : bytes
        The content of a ``.tflite`` file.
    """
    keras = load_keras()
    import tensorflow as tf

    side = backbone.input_size

    @tf.function(input_signature=[tf.TensorSpec((1, side, side, 3), tf.float32, name="image")])
    def pooled(image):
        maps = backbone.model(image, training=False)
        return {name: keras.ops.mean(x, axis=(1, 2)) for name, x in maps.items()}

    owner = (
        tf.Module()
    )  # of the function's variables; of a whole Keras model, it takes twice as long
    owner.kept = [variable.value for variable in backbone.model.variables]
    function = pooled.get_concrete_function()
    with quiet_stderr(), contextlib.redirect_stdout(io.StringIO()):
        return tf.lite.TFLiteConverter.from_concrete_functions([function], owner).convert()


def quantize(model: bytes, precision: str, images: Sequence[np.ndarray] = ()) -> bytes:
    """Quantize a float32 model.

    Parameters
    ----------
    model : bytes
        From `convert`.
    precision : str
        A key of `PRECISIONS`.
    images : sequence of ndarray of uint8, shape (S, S, 3)
        RGB images of normal parts, to calibrate the ranges of the activations with; 100 will
        do. For the precisions in `CALIBRATED` alone.

    Returns
    -------
    quantized : bytes

    Raises
    ------
    UserError
        If there is no such precision, or calibration images are needed and there are none.
    """
    check_calibration(precision, images)
    if precision == "float32":
        return model
    if precision == "int8":
        from . import static_int8

        return static_int8.quantize(model, images)
    if precision == "int8-mixed":
        from . import mixed_precision

        return mixed_precision.quantize(model, images)
    from ai_edge_quantizer import quantizer

    work = quantizer.Quantizer(model)
    _add_recipe(work, precision)
    with silence():
        return bytes(work.quantize(enable_progress_report=False).quantized_model)


def _add_recipe(work, precision: str) -> None:
    """Say what becomes of which operators."""
    from ai_edge_quantizer import qtyping, quantizer

    every = {"regex": ".*", "operation_name": qtyping.TFLOperationName.ALL_SUPPORTED}
    if precision == "float16":
        weights = qtyping.TensorQuantizationConfig(num_bits=16, dtype=qtyping.TensorDataType.FLOAT)
        work.update_quantization_recipe(
            **every,
            op_config=qtyping.OpQuantizationConfig(
                weight_tensor_config=weights,
                compute_precision=qtyping.ComputePrecision.FLOAT,
                explicit_dequantize=True,
            ),
            algorithm_key=quantizer.AlgorithmName.FLOAT_CASTING,
        )
    elif precision == "dynamic":
        work.add_dynamic_config(**every, num_bits=8)
    else:
        work.add_weight_only_config(**every, num_bits=8)


def take_bytes(model: bytes) -> bytes:
    """Make a model take uint8 images, as cameras and decoders give them; nothing else changes.

    Parameters
    ----------
    model : bytes
        From `convert` or `quantize`.

    Returns
    -------
    model : bytes
        The same numbers for the same image, 0-255.
    """
    from .tflite_graph import Graph

    graph = Graph(model)
    outputs = graph.outputs()
    graph.take_bytes("image")
    graph.set_signature("image", outputs)
    return graph.packed()


@contextlib.contextmanager
def silence():
    """Keep the quantizer's bars and the runtime's notices and warnings off the screen."""
    with quiet_stderr(), contextlib.redirect_stderr(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


class Runner:
    """Runs a model on several images at once: interpreters of one thread each.

    Parameters
    ----------
    model : bytes
        The content of a ``.tflite`` file with the names described above.
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
        self.levels = {name: int(outputs[name]["shape"][1]) for name in sorted(outputs)}

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
