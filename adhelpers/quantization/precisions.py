"""The precisions by name, and a backbone's TFLite model in each of them."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from ..ground import UserError, check_choice
from . import mixed_precision, recipes, static_int8


class Precision(NamedTuple):
    """What becomes of a float32 model.

    Parameters
    ----------
    words : str
        For help texts.
    quantize : callable
        Takes a float32 model and calibration images, and returns the quantized model.
    calibrated : bool
        Whether it looks at calibration images.
    """

    words: str
    quantize: Callable[[bytes, Sequence[np.ndarray]], bytes]
    calibrated: bool = False


def _unchanged(model: bytes, images: Sequence[np.ndarray]) -> bytes:
    return model


def _float16(model: bytes, images: Sequence[np.ndarray]) -> bytes:
    work = recipes.begun(model)
    recipes.add_float16(work)
    return recipes.finished(work)


def _dynamic(model: bytes, images: Sequence[np.ndarray]) -> bytes:
    work = recipes.begun(model)
    work.add_dynamic_config(**recipes.every(), num_bits=8)
    return recipes.finished(work)


def _int8_weights(model: bytes, images: Sequence[np.ndarray]) -> bytes:
    work = recipes.begun(model)
    work.add_weight_only_config(**recipes.every(), num_bits=8)
    return recipes.finished(work)


#: The precisions by name.
PRECISIONS = {
    "float32": Precision("the same numbers as TensorFlow", _unchanged),
    "float16": Precision("weights stored in 16 bits, float arithmetic", _float16),
    "dynamic": Precision(
        "int8 weights, activations quantized image by image as they come", _dynamic
    ),
    "int8-weights": Precision("int8 weights, float arithmetic", _int8_weights),
    "int8": Precision(
        "int8 weights and activations, with fixed ranges from calibration images",
        static_int8.quantize,
        calibrated=True,
    ),
    "int8-mixed": Precision(
        "int8 convolutions, but for those that it hurts; float between them",
        mixed_precision.quantize,
        calibrated=True,
    ),
}


def check_calibration(precision: str, images: Sequence[np.ndarray]) -> None:
    """Make sure that a precision can be had with these calibration images.

    Raises
    ------
    UserError
        If there is no such precision, or it needs calibration images and there are none.
    """
    check_choice("precision", precision, PRECISIONS)
    if PRECISIONS[precision].calibrated and not len(images):
        without = ", ".join(name for name, one in PRECISIONS.items() if not one.calibrated)
        raise UserError(
            f"precision {precision} needs calibration images and there are none: give some normal "
            f"images, or choose a precision that needs none ({without})"
        )


def quantize(model: bytes, precision: str, images: Sequence[np.ndarray] = ()) -> bytes:
    """Quantize a float32 model.

    Parameters
    ----------
    model : bytes
        From `adhelpers.backbones.convert`.
    precision : str
        A key of `PRECISIONS`.
    images : sequence of ndarray of uint8, shape (S, S, 3)
        RGB images of normal parts, to calibrate the ranges of the activations with; 100 will
        do. For the calibrated precisions alone.

    Returns
    -------
    quantized : bytes

    Raises
    ------
    UserError
        If there is no such precision, or calibration images are needed and there are none.
    """
    check_calibration(precision, images)
    return PRECISIONS[precision].quantize(model, images)
