"""Image files to RGB arrays of one size, in order, on all cores."""

import os
import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from pathlib import Path

import cv2
import numpy as np

from ..ground import UserError, available_cores, check_choice, ordered_map
from .protocols import PROTOCOLS, to_square

_thread = threading.local()
_PNG_START, _PNG_END = b"\x89PNG\r\n\x1a\n", b"IEND"


def decode(data: bytes | memoryview, name: str | Path = "image") -> np.ndarray:
    """Decode an image file's bytes.

    Grey images get three equal channels, an alpha channel is dropped, and 16-bit images keep
    their upper 8 bits (so a 12-bit image stored in 16 bits comes out dark: rescale it first).

    Parameters
    ----------
    data : bytes or memoryview
        A whole PNG, JPEG, BMP, TIFF or WebP file.
    name : str or Path
        What to call it in an error.

    Returns
    -------
    image : ndarray of uint8, shape (H, W, 3)
        RGB, 0-255.

    Raises
    ------
    UserError
        If the bytes are no image, or not all of it.
    """
    if not len(data):
        raise UserError(f"{name}: the file is empty (0 bytes); replace or remove it")
    starts_as_png = bytes(data[: len(_PNG_START)]) == _PNG_START
    truncated_png = starts_as_png and _PNG_END not in bytes(data[-1024:])
    image = None
    if not truncated_png:
        with suppress(cv2.error):  # a header that promises too many pixels
            image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)
    if image is None:
        raise UserError(
            f"{name}: not a readable image, or cut off ({len(data)} bytes); replace or remove it"
        )
    return image


def read(path: str | Path) -> np.ndarray:
    """Read an image file as RGB.

    Parameters
    ----------
    path : str or Path
        Any characters are allowed in it.

    Returns
    -------
    image : ndarray of uint8, shape (H, W, 3)
        RGB, 0-255.

    Raises
    ------
    UserError
        If the file cannot be read, is no image, or is cut off.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise _cannot_be_read(path, error) from error
    return decode(data, path)


def _cannot_be_read(path: str | Path, error: OSError) -> UserError:
    return UserError(f"{path}: {error.strerror}; cannot be read")


@dataclass(frozen=True)
class Picture:
    """What `stream` gives for one file.

    Parameters
    ----------
    index : int
        The file's place in the list.
    digest : str
        BLAKE2b (128 bits, hexadecimal) of the file's bytes.
    pixels : ndarray of uint8, shape (size, size, 3), or None
        None if the digest was known already, or the file could not be read.
    error : UserError or None
        Why it could not be read.
    """

    index: int
    digest: str
    pixels: np.ndarray | None
    error: UserError | None = None

    @property
    def is_known(self) -> bool:
        """Whether the digest was known already, so that there are no pixels."""
        return self.pixels is None and self.error is None


def stream(
    paths: Sequence[Path],
    size: int,
    protocol: str = "square",
    known: Collection[str] = (),
    workers: int | None = None,
) -> Iterator[Picture]:
    """Read, decode and resize files on all cores, in order, a few files ahead.

    Memory is bounded: at most two pictures per thread wait, however many files there are.

    Parameters
    ----------
    paths : sequence of Path
    size : int
        The side of the pictures, in pixels.
    protocol : str
        A key of `PROTOCOLS`.
    known : collection of str
        Digests of files that need no decoding.
    workers : int, optional
        The number of threads; all cores when not given.

    Yields
    ------
    picture : Picture
        One per path, in order. An unreadable file comes as a picture with its error.
    """
    check_choice("protocol", protocol, PROTOCOLS)
    work = partial(read_picture, size=size, protocol=protocol, known=known)
    yield from ordered_map(work, enumerate(paths), workers or available_cores())


def read_picture(
    item: tuple[int, Path], size: int, protocol: str, known: Collection[str] = ()
) -> Picture:
    """Read, decode and resize one file, given with its place in the list; see `stream`."""
    index, path = item
    try:
        data = _read_bytes(path)
        digest = blake2b(data, digest_size=16).hexdigest()
        pixels = None if digest in known else to_square(decode(data, path), size, protocol)
    except UserError as error:
        return Picture(index, "", None, error)
    except OSError as error:
        return Picture(index, "", None, _cannot_be_read(path, error))
    return Picture(index, digest, pixels)


def _read_bytes(path: Path) -> memoryview:
    """Read a file into a buffer of this thread's own, which its next call writes over.

    Fresh memory for every file is given back to the system each time, which holds up all threads:
    images would take a tenth longer from file to features.
    """
    with open(path, "rb", buffering=0) as file:
        size = os.fstat(file.fileno()).st_size
        if not hasattr(_thread, "buffer") or size > len(_thread.buffer):
            _thread.buffer = bytearray(2 * size)
        view, read = memoryview(_thread.buffer)[:size], 0
        while some := file.readinto(view[read:]):
            read += some
        return view[:read]
