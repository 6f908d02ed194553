"""A backbone as a float32 TFLite model.

A model takes one RGB image, float32, (1, S, S, 3), 0-255, under the name ``image`` and gives the
pooled vector of each level, float32, (1, D_l), under the level's name. Outputs are read by these
names: their order in the file is another one.
"""

import contextlib
import io

from ..ground import load_keras, passing_time, quiet_stderr
from .networks import Backbone

_SECONDS_A_MEGABYTE = 0.5  # on two cores, from B0 to B4


def convert(backbone: Backbone) -> bytes:
    """Convert a backbone, with the average of each level, to a float32 TFLite model.

    A terminal shows how much of the time has passed that it may take.

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
    seconds = _SECONDS_A_MEGABYTE * 4e-6 * backbone.model.count_params()
    words = f"convert {backbone.name} to TFLite"
    with passing_time(words, seconds), quiet_stderr(), contextlib.redirect_stdout(io.StringIO()):
        return tf.lite.TFLiteConverter.from_concrete_functions([function], owner).convert()
