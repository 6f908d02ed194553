"""Weights files: Keras' official ones, and any file that holds weights of the network at hand."""

import hashlib
import os
import socket
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np

from ..ground import UserError, load_keras

_DOWNLOAD_TIMEOUT = 30.0  # seconds without an answer


def imagenet_file(file_name: str, md5: str, url: str) -> Path:
    """Return Keras' official weights file, from its cache folder or downloaded into it.

    Parameters
    ----------
    file_name : str
    md5 : str
        Its sum, in hexadecimal: a file with another one is never used.
    url : str
        The address of the folder that the file is in.

    Returns
    -------
    path : Path

    Raises
    ------
    UserError
        If it can be neither found nor downloaded; the message says what to put where.
    """
    url += file_name
    folder = _keras_folder() / "models"
    place = folder / file_name
    what_to_do = (
        f"put {file_name} (MD5 {md5}, from {url}) into {folder}, "
        "or choose --weights FILE or --weights none (untrained)"
    )
    if place.exists():
        if (found := file_md5(place)) == md5:
            return place
        raise UserError(
            f"{place} is damaged or another file: its MD5 is {found}; delete it and {what_to_do}"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)  # or Keras would silently take /tmp/.keras
        with _socket_timeout(_DOWNLOAD_TIMEOUT):
            path = load_keras().utils.get_file(
                file_name,
                url,
                cache_dir=str(folder.parent),
                cache_subdir="models",
                file_hash=md5,
            )
    except Exception as error:  # Keras raises plain Exception for a failed download
        with suppress(OSError):
            place.unlink(missing_ok=True)  # what came with a wrong sum
        reason = " ".join(str(error).split())
        raise UserError(
            f"the ImageNet weights could not be downloaded ({reason}); {what_to_do}"
        ) from error
    return Path(path)


def _keras_folder() -> Path:
    """Return the folder that Keras keeps its files in."""
    folder = os.path.expanduser(os.environ.get("KERAS_HOME") or "~/.keras")
    if folder.startswith("~"):  # a container's user may have none
        raise UserError("there is no home folder; name a folder by the variable KERAS_HOME")
    return Path(folder)


@contextmanager
def _socket_timeout(seconds: float) -> Iterator[None]:
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def load_file(network, path: Path, name: str) -> None:
    """Load a weights file, and make sure that no kernel kept its random values.

    Parameters
    ----------
    network : keras.Model
        With random weights.
    path : Path
        A ``.h5`` or ``.weights.h5`` file.
    name : str
        What to call the network in an error.

    Raises
    ------
    UserError
        If the file is damaged, or of another network.
    """
    kernels = [variable for variable in network.weights if variable.name == "kernel"]
    before = [kernel.numpy() for kernel in kernels]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Keras warns of containers that hold no weights
            network.load_weights(path)
    except Exception as error:  # Keras and h5py raise many kinds for a file that does not fit
        reason = " ".join(str(error).split())[:160]
    else:
        kept = sum(np.array_equal(*pair) for pair in zip(before, kernels, strict=True))
        if not kept:
            return
        reason = f"{kept} of {len(kernels)} kernels are not in it"
    raise UserError(
        f"{path} does not hold weights of {name} without top ({reason}); "
        "give the file of this very network, or another --model_name"
    )


def describe(path: Path) -> str:
    """Return a file's name and the start of its SHA-256, which tell it from others."""
    with path.open("rb") as file:
        return f"{path.name} (SHA-256 {hashlib.file_digest(file, 'sha256').hexdigest()[:12]})"


def file_md5(path: Path) -> str:
    """Return a file's MD5, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()
