"""A small network that converts in a second, for tests of what comes after the network."""

import keras

from adhelpers.backbones import Backbone


def small_backbone(size: int = 32) -> Backbone:
    """Return an untrained network of two levels, with 8 and 24 features."""
    image = keras.Input((size, size, 3))
    x = keras.layers.Rescaling(1 / 127.5, offset=-1)(image)
    levels = {}
    for i, width in enumerate((8, 24), start=1):
        start = keras.initializers.HeNormal(seed=i)
        x = keras.layers.Conv2D(width, 3, 2, activation="relu", kernel_initializer=start)(x)
        levels[f"level_{i}"] = x
    return Backbone("small", keras.Model(image, levels), size, "none (untrained, seed 0)")
