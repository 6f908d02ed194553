"""TFLite models of backbones, converted once and kept in a cache folder.

Beside each lies its SHA-256: a damaged model would give other distances without a word.
"""

import hashlib
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..backbones import Backbone, builtin, convert, describe_weights, variant
from ..datasets import Samples
from ..ground import UserError, check_writable, installed_version, write_bytes
from ..images import MOST_BITS, stream
from ..quantization import check_calibration, quantize
from .origin import Origin

_RECIPES = 2  # raised whenever the same calibration images come to give another model

_TOOLS = ("tensorflow", "keras", "ai-edge-litert", "ai-edge-quantizer", "adhelpers")


def cache_folder() -> Path:
    """Return the folder of converted models: ``ADHELPERS_CACHE``, or below the user's cache.

    Raises
    ------
    UserError
        If there is neither this variable nor a home folder.
    """
    if folder := os.environ.get("ADHELPERS_CACHE"):
        return Path(folder)
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "adhelpers"
    except RuntimeError as error:
        raise UserError("there is no home folder; name one by ADHELPERS_CACHE") from error


def choose_calibration(samples: Samples, count: int = 100, seed: int = 0) -> Samples:
    """Draw the images to calibrate with from the training images.

    A fifth of the training images is always left over, so that the damage that quantizing does
    can be measured on normal images that it has not seen.

    Parameters
    ----------
    samples : Samples
        Normal training images.
    count : int
        How many to draw at most.
    seed : int

    Returns
    -------
    chosen : Samples
        In the order of `samples`.
    """
    count = min(count, len(samples) * 4 // 5)
    rows = np.random.default_rng(seed).choice(len(samples), size=count, replace=False)
    return samples.subset(np.sort(rows))


def calibration_images(
    samples: Samples, size: int, protocol: str, bits: int = MOST_BITS
) -> tuple[list, str]:
    """Read calibration images, and return them with a digest of them all and of how they are used.

    Unreadable files are left out: the extraction that follows reports them.

    Returns
    -------
    images : list of ndarray of uint8, shape (size, size, 3)
    digest : str
        12 hexadecimal digits.
    """
    pictures = stream(samples.paths, size, protocol, bits=bits)
    pictures = [picture for picture in pictures if picture.error is None]
    together = "".join([f"recipes {_RECIPES} ", *(picture.digest for picture in pictures)])
    digest = hashlib.sha256(together.encode()).hexdigest()[:12]
    return [picture.pixels for picture in pictures], digest


def in_float(origin: Origin) -> Origin:
    """Return the origin of the same network as it was converted, before any quantization."""
    return replace(origin, precision="float32", calibration=None)


def converted(
    load_backbone: Callable[[], Backbone], origin: Origin, images: Sequence[np.ndarray] = ()
) -> bytes:
    """Return a backbone's TFLite model, from the cache or converted now.

    The built-in network is at hand as it is, and not kept in the cache. What is damaged there is
    converted again, with a line on stderr.

    Parameters
    ----------
    load_backbone : callable
        Returns the `Backbone`; called only if something has to be converted.
    origin : Origin
        It tells models apart.
    images : sequence of ndarray of uint8, shape (S, S, 3)
        To calibrate with, where the precision needs it.

    Returns
    -------
    model : bytes

    Raises
    ------
    UserError
        If there are no images where they are needed, or the cache cannot be written.
    """
    check_calibration(origin.precision, images)
    if _is_at_hand(origin):
        return builtin.tflite_model()
    place = _place(origin)
    found = _time(place)
    if (model := _kept(place)) is not None:
        return model
    from filelock import FileLock  # it brings asyncio

    with _naming_the_variable():
        check_writable(place.parent)
    with FileLock(place.with_suffix(".lock")):  # another process may be at it
        if _time(place) != found and (model := _kept(place)) is not None:
            return model
        if origin.precision == "float32":
            model = convert(load_backbone())
        else:
            model = quantize(converted(load_backbone, in_float(origin)), origin.precision, images)
        _keep(place, model)
    return model


def _time(place: Path) -> int | None:
    """Return when a file was written, in ns; None where there is none to be seen."""
    with suppress(OSError):
        return place.stat().st_mtime_ns
    return None


def _is_at_hand(origin: Origin) -> bool:
    """Tell whether a model needs no conversion: the built-in network, in its own size."""
    name = builtin.BACKBONE
    facts = (origin.backbone, origin.input_size, origin.precision)
    return facts == (name, variant(name).input_size, "float32") and (
        origin.weights == describe_weights(name, "builtin", 0)
    )


def _kept(place: Path) -> bytes | None:
    """Return a model from the cache, if it is there and whole; else say why not."""
    try:
        if not os.path.lexists(place):
            return None
        if not place.is_file():
            raise ValueError("not a file")
        if not _checksum_place(place).exists():
            raise ValueError("no checksum beside it")
        model = place.read_bytes()
        if _checksum_place(place).read_text("ascii") != hashlib.sha256(model).hexdigest():
            raise ValueError("damaged")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        print(f"{place}: {reason}; the model is converted again", file=sys.stderr)
        return None
    return model


def _keep(place: Path, model: bytes) -> None:
    """Write a model to the cache, and its checksum beside it, unless something else is there."""
    if os.path.lexists(place) and not place.is_file():
        return
    with _naming_the_variable():
        write_bytes(_checksum_place(place), hashlib.sha256(model).hexdigest().encode())
        write_bytes(place, model)


@contextmanager
def _naming_the_variable() -> Iterator[None]:
    """Say, where the cache cannot be written, how to choose another folder."""
    try:
        yield
    except UserError as error:
        raise UserError(f"{error} for converted models by the variable ADHELPERS_CACHE") from error


def _checksum_place(place: Path) -> Path:
    return place.with_suffix(".sha256")


def _place(origin: Origin) -> Path:
    """Return the file that a model is kept in; its name depends on all that the model does."""
    record = origin.record
    names = ("backbone", "weights", "input_size", "precision", "calibration")
    facts = {name: record[name] for name in names} | {
        tool: installed_version(tool) for tool in _TOOLS
    }
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]
    return cache_folder() / f"{origin.backbone}_{origin.precision}_{digest}.tflite"
