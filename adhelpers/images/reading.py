"""Image files to RGB arrays of one size, in order, on all cores."""

import os
import stat
import threading
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from pathlib import Path

import cv2
import numpy as np

from ..ground import UserError, available_cores, check_choice, ordered_map
from .depth import DEPTHS, MOST_BITS, decoded, in_8_bits, without_a_range
from .headers import LIMIT_VARIABLE, check_pixels, max_bytes, read_header
from .protocols import PROTOCOLS, to_square

_thread = threading.local()


def decode(
    data: bytes | memoryview, name: str | Path = "image", bits: int = MOST_BITS
) -> np.ndarray:
    """Decode an image file's bytes.

    Grey images get three equal channels, an alpha channel is dropped, and of images of 10 to 16
    bits the upper 8 of those bits are kept that are in use.

    Parameters
    ----------
    data : bytes or memoryview
        A whole PNG, JPEG, BMP, TIFF or WebP file.
    name : str or Path
        What to call it in an error.
    bits : int
        How many of an image's 16 bits are in use, from the lowest on: 12 of a camera's that gives
        0-4095 (see `adhelpers.images.bits_in_use`). It does not matter to images of 8 bits.

    Returns
    -------
    image : ndarray of uint8, shape (H, W, 3)
        RGB, 0-255.

    Raises
    ------
    UserError
        If the bytes are no image, not all of it, have samples without a known range (32 bits,
        floats) or beyond these bits, or more pixels than `headers.max_pixels` allows; the message
        says which.
    """
    if not len(data):
        raise UserError(f"{name}: the file is empty (0 bytes); replace or remove it")
    header = read_header(data)
    if header.shape:
        check_pixels(header.shape, f"{name}:")
    if not header.is_whole:
        raise UserError(
            f"{name}: cut off: the end of a {header.kind} file is missing ({len(data)} bytes); "
            "replace or remove it"
        )
    if header.bits > MOST_BITS:
        raise without_a_range(name, header.bits)
    image = decoded(data, header)
    if image is None:
        found = f"{header.kind} file of {len(data)} bytes" if header.kind else f"{len(data)} bytes"
        raise UserError(f"{name}: not a readable image, or cut off ({found}); replace or remove it")
    return cv2.cvtColor(in_8_bits(image, name, bits), cv2.COLOR_BGR2RGB)


def read(path: str | Path, bits: int = MOST_BITS) -> np.ndarray:
    """Read an image file as RGB.

    Parameters
    ----------
    path : str or Path
        Any characters are allowed in it.
    bits : int
        See `decode`.

    Returns
    -------
    image : ndarray of uint8, shape (H, W, 3)
        RGB, 0-255.

    Raises
    ------
    UserError
        If the file cannot be read, is no ordinary file (a pipe, a device), is longer than an image
        can be, or for the reasons of `decode`.
    """
    try:
        check_file(path)
        data = Path(path).read_bytes()
    except OSError as error:
        raise _cannot_be_read(path, error) from error
    return decode(data, path, bits)


def check_file(path: str | Path) -> None:
    """Make sure, before a file is opened, that it is an ordinary one, and no longer than an image.

    To open a pipe may take for ever, and a device may have no end.
    """
    found = os.stat(path)
    if stat.S_ISDIR(found.st_mode):
        raise UserError(f"{path}: a folder, not an image file; rename or remove it")
    if not stat.S_ISREG(found.st_mode):
        raise UserError(f"{path}: a pipe, socket or device, not an image file; remove it")
    if found.st_size > max_bytes():
        raise UserError(
            f"{path}: {found.st_size} bytes, longer than an image within the size limit can be "
            f"({max_bytes()}); remove it, or raise the limit by the variable {LIMIT_VARIABLE}"
        )


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
    bits: int = MOST_BITS,
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
    bits : int
        See `decode`.

    Yields
    ------
    picture : Picture
        One per path, in order. An unreadable file comes as a picture with its error.
    """
    check_choice("protocol", protocol, PROTOCOLS)
    work = partial(read_picture, size=size, protocol=protocol, known=known, bits=bits)
    yield from ordered_map(work, enumerate(paths), workers or available_cores())


def read_picture(
    item: tuple[int, Path],
    size: int,
    protocol: str,
    known: Collection[str] = (),
    bits: int = MOST_BITS,
) -> Picture:
    """Read, decode and resize one file, given with its place in the list; see `stream`."""
    index, path = item
    try:
        data = _read_bytes(path)
        digest = blake2b(data, digest_size=16).hexdigest()
        new = digest not in known
        pixels = _squared(decode(data, path, bits), size, protocol, path) if new else None
    except UserError as error:
        return Picture(index, "", None, error)
    except OSError as error:
        return Picture(index, "", None, _cannot_be_read(path, error))
    return Picture(index, digest, pixels)


def bits_in_use(paths: Iterable[Path]) -> int:
    """Return how many bits the 16-bit images among some files use, all of them together.

    Cameras write 10, 12 or 14 bits as whole numbers from 0 on, into files of 16. A folder's
    images are to be read alike, so that the brightness of one can be compared with another's.

    Parameters
    ----------
    paths : iterable of Path
        What cannot be read is passed over; reading it for its pixels tells why.

    Returns
    -------
    bits : int
        The smallest of `DEPTHS` that the largest sample of all fits in; 16 without 16-bit images.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = cv2.imwrite(str(folder / "a.png"), np.full((8, 8), 1023, np.uint16))
    >>> bits_in_use([folder / "a.png"])
    10
    """
    return _bits_of(ordered_map(_largest_of_file, paths, available_cores()))


def bits_in_use_in(contents: Iterable[bytes]) -> int:
    """Return the same of files' contents."""
    return _bits_of(map(_largest_of_16_bits, contents))


def _bits_of(samples: Iterable[int]) -> int:
    largest = 0
    for sample in samples:
        largest = max(largest, sample)
        if largest >> DEPTHS[-2]:
            break
    return next(bits for bits in DEPTHS if not largest >> bits) if largest else MOST_BITS


def _largest_of_file(path: Path) -> int:
    """Return the largest sample of a 16-bit image; 0 of another one, or if it cannot be read."""
    with suppress(OSError, UserError):
        check_file(path)
        with open(path, "rb") as file:
            data = file.read(32)
            if (start := read_header(data)).kind == "TIFF" or start.bits > 8:
                data += file.read()
        return _largest_of_16_bits(data)
    return 0


def _largest_of_16_bits(data: bytes) -> int:
    with suppress(UserError):
        header = read_header(data)
        if header.bits > 8 and header.shape:
            check_pixels(header.shape, "")
            image = decoded(data, header)
            if image is not None and image.dtype == np.uint16:
                return int(image.max())
    return 0


def _squared(image: np.ndarray, size: int, protocol: str, path: Path) -> np.ndarray:
    """Bring an image to the network's size; an error names its file."""
    try:
        return to_square(image, size, protocol)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error


def _read_bytes(path: Path) -> memoryview:
    """Read a file into a buffer of this thread's own, which its next call writes over.

    Fresh memory for every file is given back to the system each time, which holds up all threads:
    images would take a tenth longer from file to features.
    """
    check_file(path)
    with open(path, "rb", buffering=0) as file:
        size = os.fstat(file.fileno()).st_size
        if not hasattr(_thread, "buffer") or size > len(_thread.buffer):
            _thread.buffer = bytearray(2 * size)
        view, read = memoryview(_thread.buffer)[:size], 0
        while some := file.readinto(view[read:]):
            read += some
        return view[:read]
