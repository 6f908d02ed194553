"""Ground-truth masks: which file is that of an image, and which of its pixels are defective."""

from pathlib import Path

import cv2
import numpy as np

from ..ground import UserError
from ..images import check_file, check_pixels, read_header
from .listing import images_in, is_image, subfolders
from .names import MASK_NAMES, MASKS, TEST, called, plain


def mask_of(image: Path, below: Path, masks: Path | None) -> Path | None:
    """Return the mask of an image: a file, or a folder of files that are one mask together.

    Parameters
    ----------
    image : Path
    below : Path
        The folder of the images of this kind.
    masks : Path or None
        The folder of their masks, which has the same folders below it.
    """
    if masks is None:
        return None
    folder = masks / image.relative_to(below).parent
    found = {path.stem.casefold(): path for path in images_in(folder)}
    for name in MASK_NAMES:
        if (path := found.get(name.format(image.stem).casefold())) is not None:
            return path
    return folder / image.stem if images_in(folder / image.stem) else None


def masks_beside(images: list[Path]) -> list[Path]:
    """Return the images that are the masks of others in their folder, by their names."""
    there = {(path.parent, path.stem.casefold()) for path in images}
    patterns = [name.partition("{}")[::2] for name in MASK_NAMES if name != "{}"]
    return [
        path
        for path in images
        for start, end in patterns
        if path.stem.casefold().startswith(start)
        and path.stem.casefold().endswith(end)
        and (path.parent, path.stem.casefold().removeprefix(start).removesuffix(end)) in there
    ]


def advice(image: Path) -> str:
    """Return which mask of an image was expected, beside one that was found, in words."""
    test = next((x for x in image.parents if plain(x.name) in TEST), image.parents[1])
    kind = Path(*image.relative_to(test).parent.parts)
    places = called(subfolders(test.parent), MASKS) or [test.parent / "ground_truth"]
    wanted = places[0] / kind
    expected = f"expected {wanted / f'{image.stem}_mask.png'}"
    for place in (wanted, places[0]):
        if found := next((path for path in sorted(place.rglob("*")) if is_image(path)), None):
            return f"{expected}, found {found}, say"
    return f"{expected}, found no masks"


def read_mask(path: str | Path, shape: tuple[int, int]) -> np.ndarray:
    """Read a ground-truth mask.

    Parameters
    ----------
    path : str or Path
        An image file: zero where the object is normal, anything else where it is defective. In a
        JPEG, whose zeros are not exact, what is above half the range is defective; with an alpha
        channel, what is visible and not black (or only visible, if all that is visible is black).
        Or a folder of such files, whose defective pixels are joined.
    shape : (int, int)
        Height and width of the image that the mask belongs to, in pixels.

    Returns
    -------
    mask : ndarray of bool, shape `shape`
        True where the object is defective.

    Raises
    ------
    UserError
        If a file cannot be read as an image, is cut off, has more pixels than an image may have,
        is no ordinary file (a pipe, a device), or is not of the size `shape`.
    """
    files = images_in(Path(path)) or [path]
    return np.any([_read_file(file, shape) for file in files], axis=0)


def _read_file(path: str | Path, shape: tuple[int, int]) -> np.ndarray:
    try:
        check_file(path)
        data = Path(path).read_bytes()  # cv2.imread fails on non-ASCII paths on Windows
    except OSError as error:
        raise UserError(
            f"the mask {path} cannot be read ({error.strerror}): restore or remove it"
        ) from error
    header = read_header(data)
    if header.shape:
        check_pixels(header.shape, f"the mask {path}:")
    if not header.is_whole:
        raise UserError(f"the mask {path} is cut off: restore or remove it")
    # In colour and at full depth: grey would round faint colours to zero, and eight bits faint
    # 16-bit values.
    colours = _decoded(data, cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH)
    if colours is None:
        raise UserError(f"the mask {path} is not an image that can be read: restore or remove it")
    mask = _defective(data, colours, _decoded(data, cv2.IMREAD_UNCHANGED))
    if mask.shape != tuple(shape):
        raise UserError(
            f"the mask {path} is {_size(mask.shape)} but its image is {_size(shape)}: "
            "a mask must be of the size of its image; replace or remove it"
        )
    return mask


def _decoded(data: bytes, flags: int) -> np.ndarray | None:
    try:
        return cv2.imdecode(np.frombuffer(data, np.uint8), flags) if data else None
    except cv2.error:  # a header that promises too many pixels
        return None


def _defective(data: bytes, colours: np.ndarray, unchanged: np.ndarray | None) -> np.ndarray:
    """Return which pixels of a mask are defective; see `read_mask`."""
    if data.startswith(b"\xff\xd8") or data[8:16] == b"WEBPVP8 ":  # lossy
        return (colours > 127).any(axis=2)
    coloured = colours.any(axis=2)
    if unchanged is not None and unchanged.shape == (*coloured.shape, 4):
        visible = unchanged[..., 3] > 0
        if visible.any() and not visible.all():
            return visible & coloured if (visible & coloured).any() else visible
    elif coloured.all() and (background := _first_colour(data)) is not None:
        return (colours != background).any(axis=2)
    return coloured


def _first_colour(data: bytes) -> np.ndarray | None:
    """Return the colour, blue first, that a PNG's palette begins with: that of the background."""
    start = data.find(b"PLTE")
    if not data.startswith(b"\x89PNG") or data[25:26] != b"\x03" or start < 0:
        return None
    return np.frombuffer(data[start + 4 : start + 7], np.uint8)[::-1]


def _size(shape: tuple[int, int]) -> str:
    """Return a size in words."""
    return f"{shape[0]} pixels high and {shape[1]} wide"
