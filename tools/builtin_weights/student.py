"""The student, EfficientNet-B0, made ready for training, and cut into stages."""

import keras
import tensorflow as tf

from adhelpers import backbones

NAME = "efficientnet-b0"


class FusedBatchNormalization(keras.layers.BatchNormalization):
    """Batch normalisation in one operation; Keras takes a dozen, each a pass through memory."""

    def call(self, inputs, training=None, mask=None):
        if not training:
            return super().call(inputs, training=False)
        outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=inputs,
            scale=self.gamma,
            offset=self.beta,
            mean=tf.zeros(0),
            variance=tf.zeros(0),
            epsilon=self.epsilon,
            is_training=True,
        )
        for moving, new in ((self.moving_mean, mean), (self.moving_variance, variance)):
            moving.assign(moving + (1 - self.momentum) * (new - moving))
        return outputs


def build(seed: int) -> keras.Model:
    """Build the student with random weights, for images of any even size.

    Parameters
    ----------
    seed : int
        Of the random weights.

    Returns
    -------
    model : keras.Model
        From images (N, S, S, 3), RGB, 0-255, to a dict of feature maps by level. It drops nothing
        at random, since it imitates a network that does not.
    """
    plain = backbones.load_backbone(NAME, "none", seed=seed).model
    model = keras.models.clone_model(
        plain, input_tensors=keras.Input((None, None, 3)), clone_function=_trainable_clone
    )
    model.set_weights(plain.get_weights())
    for layer in model.layers:
        if isinstance(layer, keras.layers.Normalization):
            layer.finalize_state()
    return model


def stages(model: keras.Model) -> list[keras.Model]:
    """Cut a student at its levels: stem, seven stages, head; each maps one level to the next."""
    inputs = [model.input, *model.output.values()]
    return [
        keras.Model(start, end) for start, end in zip(inputs, model.output.values(), strict=False)
    ]


def _trainable_clone(layer):
    config = layer.get_config()
    if isinstance(layer, keras.layers.BatchNormalization):
        return FusedBatchNormalization.from_config(config)
    if isinstance(layer, keras.layers.Dropout):
        config["rate"] = 0.0
    return type(layer).from_config(config)
