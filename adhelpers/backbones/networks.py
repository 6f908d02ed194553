"""EfficientNet by name: its levels, its weights and its preprocessing.

This is the one place that knows Keras Applications. A *level* is the feature map at the end of
the stem, of a stage, or of the head (Rippel et al., arXiv 2005.14140, section III).
"""

import random
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from ..ground import UserError, chosen, load_keras
from . import builtin
from .weights import describe, imagenet_file, load_file

#: Statistics of ImageNet's training images, by channel (R, G, B), for values from 0 to 1.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class Variant(NamedTuple):
    """A network of Keras Applications, and its official ImageNet weights without top."""

    application: str
    input_size: int
    weights_file: str
    weights_md5: str


_V1, _V2 = "EfficientNet", "EfficientNetV2"
_TABLE = [
    (_V1, "B0", 224, "50bc09e76180e00e4465e1a485ddc09d"),
    (_V1, "B1", 240, "74c4e6b3e1f6a1eea24c589628592432"),
    (_V1, "B2", 260, "111f8e2ac8aa800a7a99e3239f7bfb39"),
    (_V1, "B3", 300, "af6d107764bb5b1abb91932881670226"),
    (_V1, "B4", 380, "ebc24e6d6c33eaebbd558eafbeedf1ba"),
    (_V1, "B5", 456, "38879255a25d3c92d5e44e04ae6cec6f"),
    (_V1, "B6", 528, "9ecce42647a20130c1f39a5d4cb75743"),
    (_V1, "B7", 600, "cbcfe4450ddf6f3ad90b1b398090fe4a"),
    (_V2, "B0", 224, "893217f2bb855e2983157299931e43ff"),
    (_V2, "B1", 240, "0e80663031ca32d657f9caa404b6ec37"),
    (_V2, "B2", 260, "1dfe2e7a5d45b6632553a8961ea609eb"),
    (_V2, "B3", 300, "f6abf7b5849ac99a89b50dd3fd532856"),
]

#: Variants by name: ``efficientnet-b0`` to ``-b7``, ``efficientnetv2-b0`` to ``-b3``.
VARIANTS = {
    f"{family}-{size}".lower(): Variant(
        family + size,
        pixels,
        f"{family}{'-' if family == _V2 else ''}{size}_notop.h5".lower(),
        md5,
    )
    for family, size, pixels, md5 in _TABLE
}

#: Where Keras keeps the official weights, by family.
WEIGHTS_URLS = {
    _V1: "https://storage.googleapis.com/keras-applications/",
    _V2: "https://storage.googleapis.com/tensorflow/keras-applications/efficientnet_v2/",
}


@dataclass(frozen=True)
class Backbone:
    """A network that gives its feature map at each level.

    Parameters
    ----------
    name : str
        A key of `VARIANTS`.
    model : keras.Model
        Takes RGB images, (N, S, S, 3), 0-255, and normalises them itself; returns a dict from
        level name to feature map, float32, (N, H_l, W_l, D_l).
    input_size : int
        The side S of its images, in pixels.
    weights : str
        What the weights are, for people and for comparing origins.
    """

    name: str
    model: object
    input_size: int
    weights: str

    @property
    def levels(self) -> dict[str, int]:
        """dict of str to int: the number of channels of each level, in order."""
        return {name: tensor.shape[-1] for name, tensor in self.model.output.items()}


def variant(name: str) -> Variant:
    """Return the variant of that name.

    Raises
    ------
    UserError
        If there is none; the message lists the names.

    Examples
    --------
    >>> variant("efficientnet-b4").input_size
    380
    """
    return chosen("model", name, VARIANTS)


def load_backbone(
    name: str = "efficientnet-b0",
    weights: str | Path = "imagenet",
    input_size: int | None = None,
    seed: int = 0,
) -> Backbone:
    """Build a network with its weights, its preprocessing and its levels.

    Parameters
    ----------
    name : str
        A key of `VARIANTS`.
    weights : {"imagenet", "builtin", "none"} or path
        ``"imagenet"`` takes Keras' file from its cache folder or downloads it; ``"builtin"`` are
        the package's own, of efficientnet-b0 alone; ``"none"`` leaves the network untrained; a
        path names an ``.h5`` or ``.weights.h5`` file without top, or an ``.npz`` file as
        `tools/builtin_weights` writes it.
    input_size : int, optional
        The side of the images, in pixels; the variant's own when not given.
    seed : int
        Of the untrained weights.

    Returns
    -------
    backbone : Backbone

    Raises
    ------
    UserError
        If the name is unknown, the weights cannot be had, or belong to another network.

    Notes
    -----
    Whatever the weights come from, the first convolution sees ``(x / 255 - mean) / std``. Keras'
    EfficientNet (not V2) does so only for ``weights="imagenet"``, literally: with the same file
    given by path, or with none, it leaves a part of the normalisation out and says nothing.
    """
    wanted = variant(name)
    size = input_size or wanted.input_size
    source = _weights_file(name, weights)
    network = _build(wanted, size, seed)
    if source is None:
        pass
    elif source.suffix == ".npz":
        builtin.load_into(network, source)
    else:
        load_file(network, source, name)
    label = describe_weights(name, weights, seed)
    _set_normalisation(network)
    model = load_keras().Model(network.input, level_outputs(network), name=network.name)
    return Backbone(name, model, size, label)


def describe_weights(name: str, weights: str | Path, seed: int = 0) -> str:
    """Return what weights are, for people and for comparing origins, without building a network.

    Parameters and errors are those of `load_backbone`.

    Examples
    --------
    >>> describe_weights("efficientnet-b4", "none")
    'none (untrained, seed 0)'
    """
    source = _weights_file(name, weights)
    if source is None:
        return f"none (untrained, seed {seed})"
    if weights == "imagenet":
        return "imagenet"
    label = describe(source)
    return label.replace(source.name, "built-in") if weights == "builtin" else label


def level_outputs(network) -> dict[str, object]:
    """Find the feature map at the end of the stem, of each stage, and of the head.

    The rule: a stage's last layer is the last one whose name starts with the stage's
    ``blockN``, in the order of the network.

    Parameters
    ----------
    network : keras.Model
        An EfficientNet of Keras Applications, without top.

    Returns
    -------
    outputs : dict of str to KerasTensor
        ``level_1`` (stem) to the last (head): nine for EfficientNet, eight for V2.
    """
    stages = {}
    for layer in network.layers:
        if stage := re.match(r"block\d+", layer.name):
            stages[stage[0]] = layer
    ends = [
        network.get_layer("stem_activation"),
        *stages.values(),
        network.get_layer("top_activation"),
    ]
    return {f"level_{i}": layer.output for i, layer in enumerate(ends, start=1)}


def in_order(levels: Iterable[str]) -> list[str]:
    """Sort the names of levels by their numbers.

    Examples
    --------
    >>> in_order(["level_10", "level_2", "level_9"])
    ['level_2', 'level_9', 'level_10']
    """
    return sorted(levels, key=lambda name: [int(n) for n in re.findall(r"\d+", name)])


def map_name(level: str) -> str:
    """Return what a level's map is called among a model's outputs."""
    return f"{level}/map"


def _build(variant: Variant, size: int, seed: int):
    """Build the network with random weights drawn from `seed`, leaving all other random states."""
    keras = load_keras()
    state = random.getstate()
    random.seed(seed)  # Keras draws the seeds of its initialisers from this generator
    try:
        application = getattr(keras.applications, variant.application)
        return application(weights=None, include_top=False, input_shape=(size, size, 3))
    finally:
        random.setstate(state)


def _set_normalisation(network) -> None:
    """Make the network's own normalisation (x / 255 - mean) / std, as it was trained with."""
    normalization = load_keras().layers.Normalization
    (layer,) = (x for x in network.layers if isinstance(x, normalization))
    if layer.input_mean is None:  # V1 keeps the statistics among its weights; V2 has them fixed
        layer.adapt_mean.assign(IMAGENET_MEAN)
        layer.adapt_variance.assign([std**2 for std in IMAGENET_STD])
        layer.finalize_state()


def _weights_file(name: str, weights: str | Path) -> Path | None:
    """Return the file that holds the weights, or None for untrained ones."""
    official = variant(name)
    if weights == "none":
        return None
    if weights == "builtin":
        if name != builtin.BACKBONE:
            raise UserError(
                f"there are built-in weights of {builtin.BACKBONE} alone, not of {name}; "
                "choose imagenet, none, or a weights file"
            )
        return builtin.FILE
    if weights == "imagenet":
        url = WEIGHTS_URLS[official.application[:-2]]
        return imagenet_file(official.weights_file, official.weights_md5, url)
    path = Path(weights)
    if not path.is_file():
        raise UserError(
            f"weights {str(weights)!r}: no such file; choose imagenet, builtin, none, or a .h5 file"
        )
    return path
