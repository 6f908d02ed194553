"""Starting TensorFlow, and running native code, quietly."""

import contextlib
import io
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache


@cache
def load_keras():
    """Import Keras, and start TensorFlow, without its start-up lines and later notices on stderr.

    Returns
    -------
    keras : module
    """
    with quiet_stderr():
        import keras
        import tensorflow

        tensorflow.config.list_logical_devices()
        tensorflow.get_logger().setLevel("WARNING")
    return keras


@contextmanager
def quiet_stderr() -> Iterator[None]:
    """Send what native code writes to stderr nowhere; Python's own errors still come through."""
    stderr = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        os.close(nowhere)


@contextmanager
def silence() -> Iterator[None]:
    """Keep the quantizer's bars and LiteRT's notices and warnings off the screen."""
    with quiet_stderr(), contextlib.redirect_stderr(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
