"""Starting TensorFlow, and running native code, quietly."""

import contextlib
import io
import json
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from .errors import UserError
from .terminal import one_line

#: What the networks here are made for; Keras' own settings, of ``keras.json``, may be others.
_BACKEND, _FLOATS, _CHANNELS = "tensorflow", "float32", "channels_last"


def load_keras():
    """Import Keras, and start TensorFlow, without its start-up lines and later notices on stderr.

    Whatever ``keras.json`` and variables such as ``KERAS_BACKEND`` say, Keras then runs on
    TensorFlow, with float32 and the channels last.

    Returns
    -------
    keras : module

    Raises
    ------
    UserError
        If TensorFlow or Keras cannot be imported, or Keras was imported before with another
        backend, or cannot read its settings.
    """
    keras = _started_keras()
    keras.config.set_floatx(_FLOATS)
    keras.config.set_dtype_policy(_FLOATS)
    keras.config.set_image_data_format(_CHANNELS)
    return keras


def keras_settings() -> dict[str, str]:
    """Return those of the user's Keras settings that `load_keras` does not follow, by name.

    Examples
    --------
    >>> isinstance(keras_settings(), dict)
    True
    """
    wanted = {"backend": _BACKEND, "floatx": _FLOATS, "image_data_format": _CHANNELS}
    try:
        told = json.loads(_settings_file().read_text())
        found = {name: str(told.get(name, wanted[name])) for name in wanted}
    except OSError:  # there are none
        found = {}
    except (ValueError, AttributeError):
        return {str(_settings_file()): "no JSON object"}
    if backend := os.environ.get("KERAS_BACKEND"):
        found["backend"] = backend
    if os.environ.get("TF_USE_LEGACY_KERAS") in ("1", "true", "True"):
        found["TF_USE_LEGACY_KERAS"] = os.environ["TF_USE_LEGACY_KERAS"]
    return {name: value for name, value in found.items() if value != wanted.get(name)}


def _settings_file() -> Path:
    folder = os.environ.get("KERAS_HOME") or os.path.expanduser("~/.keras")
    return Path(folder) / "keras.json"


@cache
def _started_keras():
    os.environ["TF_USE_LEGACY_KERAS"] = "0"  # TensorFlow asks for it later, too
    with quiet_stderr():
        try:
            with _variable("KERAS_BACKEND", _BACKEND):
                import keras
            import tensorflow
        except ImportError as error:
            raise UserError(
                f"TensorFlow is needed for this, and cannot be imported ({one_line(error)}); "
                "install it (pip install tensorflow), or take --weights builtin, which does "
                "without"
            ) from error
        except (AssertionError, AttributeError, TypeError, ValueError) as error:
            raise UserError(
                f"{_settings_file()}: Keras cannot read its settings ({one_line(error)}); "
                "mend or delete this file"
            ) from error
        tensorflow.config.list_logical_devices()
        tensorflow.get_logger().setLevel("WARNING")
    if (backend := keras.config.backend()) != _BACKEND:
        raise UserError(
            f"Keras was imported before adhelpers with the backend {backend}; restart, and set the "
            f"variable KERAS_BACKEND to {_BACKEND}"
        )
    return keras


@contextmanager
def _variable(name: str, value: str) -> Iterator[None]:
    """Set a variable of the environment inside the block."""
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        del os.environ[name]
        if before is not None:
            os.environ[name] = before


@contextmanager
def quiet_stderr() -> Iterator[None]:
    """Send what native code writes to stderr nowhere; Python's own errors still come through."""
    stderr = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
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
