"""What an image file says of itself, read from its bytes before anything is decoded."""

import os
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from ..ground import UserError

#: The variable that sets how many pixels an image may have.
LIMIT_VARIABLE = "ADHELPERS_MAX_PIXELS"

_USUAL_LIMIT = 2**28  # 16,384 x 16,384: 0.8 GB as RGB, on each thread
_MOST_BYTES = 8  # of a pixel in a file: 16 bits of red, green, blue and alpha

_PNG_START, _JPEG_START = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"
_PNG_END = re.compile(re.escape(b"IEND\xaeB`\x82"))
# A marker with a segment after it, or the end's; not the 00, RST and fill bytes within a scan.
_JPEG_MARKER = re.compile(rb"\xff([\x02-\xcf\xd9-\xfe])")
_JPEG_SIZES = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # segments with height and width
_TIFF_NUMBERS = {1: "B", 3: "H", 4: "I"}
_WIDTH, _HEIGHT, _BITS, _EXTRA = 256, 257, 258, 338  # of TIFF's tags
_UNASSOCIATED, _ASSOCIATED = 2, 1


@dataclass(frozen=True)
class Header:
    """What a file says of itself.

    Parameters
    ----------
    kind : str
        "PNG", "JPEG", "TIFF", "BMP", or "" for any other.
    shape : (int, int) or None
        Height and width in pixels; None if the file does not say, or another kind of file.
    is_whole : bool
        Whether the end is there that a PNG or a JPEG file has, whatever follows it. Of other kinds
        OpenCV tells.
    bits : int
        Of a sample, as far as a PNG or a TIFF says; 8 of any other.
    """

    kind: str
    shape: tuple[int, int] | None
    is_whole: bool = True
    bits: int = 8


def read_header(data: bytes | memoryview) -> Header:
    """Return what a file says of itself."""
    start = bytes(data[:32])
    if start.startswith(_PNG_START):
        shape = struct.unpack(">II", start[16:24])[::-1] if len(start) >= 24 else None
        return Header("PNG", shape, _PNG_END.search(data) is not None, max(start[24:25], default=8))
    if start.startswith(_JPEG_START):
        return _jpeg_header(data)
    if start[:4] in (b"II*\0", b"MM\0*"):
        tags = {tag: value for tag, value, _ in _tiff_tags(data)}
        shape = (tags.get(_HEIGHT), tags.get(_WIDTH))
        return Header("TIFF", None if None in shape else shape, bits=tags.get(_BITS, 8))
    if start.startswith(b"BM") and len(start) >= 26:
        width, height = struct.unpack("<ii", start[18:26])
        return Header("BMP", (abs(height), abs(width)))
    return Header("", None)


def _jpeg_header(data: bytes | memoryview) -> Header:
    """Walk from marker to marker: a segment may hold another JPEG, with an end of its own."""
    shape, marker = None, _JPEG_MARKER.search(data, 2)
    while marker and marker[1] != b"\xd9":
        start = marker.end()
        if marker[1][0] in _JPEG_SIZES and len(data) >= start + 7:
            shape = struct.unpack(">HH", data[start + 3 : start + 7])
        length = int.from_bytes(data[start : start + 2], "big")
        marker = _JPEG_MARKER.search(data, start + length)
    return Header("JPEG", shape, marker is not None)


def _tiff_tags(data: bytes | memoryview) -> Iterator[tuple[int, int, int]]:
    """Yield the tags of the first image in a TIFF file: number, first value, place of the value.

    Only tags of whole numbers are. A value stands in the table itself, or where the table says.
    """
    order = "<" if bytes(data[:1]) == b"I" else ">"
    try:
        (table,) = struct.unpack_from(f"{order}I", data, 4)
        (count,) = struct.unpack_from(f"{order}H", data, table)
        for place in range(table + 2, table + 2 + 12 * count, 12):
            tag, kind, length = struct.unpack_from(f"{order}HHI", data, place)
            if length and kind in _TIFF_NUMBERS:
                form = order + _TIFF_NUMBERS[kind]
                at = place + 8
                if length * struct.calcsize(form) > 4:
                    (at,) = struct.unpack_from(f"{order}I", data, at)
                yield tag, struct.unpack_from(form, data, at)[0], at
    except struct.error:  # the table is cut off
        return


def without_alpha_in_colours(data: bytes | memoryview) -> bytes | memoryview:
    """Return a TIFF file whose colours no decoder multiplies by its alpha.

    LibTIFF, and OpenCV with it, does so where the file says that they are not yet multiplied. In a
    copy of such a file, the header says that they are.
    """
    for tag, value, place in _tiff_tags(data):
        if tag == _EXTRA and value == _UNASSOCIATED:
            order = "little" if bytes(data[:1]) == b"I" else "big"
            changed = bytearray(data)
            changed[place : place + 2] = _ASSOCIATED.to_bytes(2, order)
            return bytes(changed)
    return data


def max_pixels() -> int:
    """Return how many pixels an image may have: 2**28, or what ``ADHELPERS_MAX_PIXELS`` says."""
    text = os.environ.get(LIMIT_VARIABLE, "")
    if text and not (text.isdecimal() and int(text) > 0):
        raise UserError(f"{LIMIT_VARIABLE} must be a number of pixels, not {text!r}")
    return int(text) if text else _USUAL_LIMIT


def max_bytes() -> int:
    """Return how long a file may be: no image of `max_pixels` is longer."""
    return _MOST_BYTES * max_pixels() + 2**20


def check_pixels(shape: tuple[int, int], what: str) -> None:
    """Raise a UserError if something of this height and width has more pixels than allowed."""
    height, width = shape
    if height * width > max_pixels():
        raise UserError(
            f"{what} {height} x {width} pixels, above the limit of {max_pixels()}; make it "
            f"smaller, or raise the limit by the variable {LIMIT_VARIABLE}"
        )
