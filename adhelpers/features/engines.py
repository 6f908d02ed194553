"""What runs a network: the engine that is meant, and its runner."""

import time
from collections.abc import Callable, Sequence

import numpy as np

from .. import backbones
from ..ground import UserError, available_cores, check_choice
from ..quantization import PRECISIONS

#: What can be asked for; `chosen_engine` says what "auto" means.
ENGINES = ("auto", *backbones.RUNNERS)


def chosen_engine(engine: str, precision: str) -> str:
    """Return the engine that is meant, or raise a UserError if it cannot be had."""
    check_choice("precision", precision, PRECISIONS)
    check_choice("engine", engine, ENGINES)
    if engine == "keras" and precision != "float32":
        raise UserError(f"engine keras has float32 alone, not {precision}; choose engine tflite")
    if engine == "auto":
        return "keras" if precision == "float32" and backbones.has_gpu() else "tflite"
    return engine


def make_runner(
    model: bytes | None, backbone: Callable[[], backbones.Backbone], map_levels: Sequence[str] = ()
):
    """Return what runs a TFLite model, or the Keras network where there is none.

    Parameters
    ----------
    model : bytes or None
    backbone : callable
        Returns the Keras network.
    map_levels : sequence of str
        The levels whose maps are asked for besides the pooled features.

    Returns
    -------
    runner : KerasRunner or LiteRTRunner
    """
    if model is None:
        return backbones.KerasRunner(backbone(), map_levels)
    return backbones.LiteRTRunner(model, available_cores(), map_levels)


def milliseconds(runner, size: int, repeats: int) -> float:
    """Return the median time of a runner for one image of a size."""
    image = np.random.default_rng(0).integers(0, 256, (1, size, size, 3), dtype=np.uint8)
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        runner.pooled(image)
        seconds.append(time.perf_counter() - start)
    return 1e3 * float(np.median(seconds))
