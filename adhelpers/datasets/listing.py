"""Which files are images: one rule for folders of any layout."""

import glob
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from ..ground import UserError
from .samples import GOOD, Samples

#: What an image file's name may end in, in lower or upper case.
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")


def is_image(path: Path) -> bool:
    """Tell by its name whether a file is an image."""
    return path.suffix.lower() in IMAGE_SUFFIXES


def visible(folder: Path) -> list[Path]:
    """Return what is directly in `folder` and not hidden, sorted; nothing where there is none."""
    if not folder.is_dir():
        return []
    return in_order(path for path in folder.iterdir() if not path.name.startswith("."))


def images_in(folder: Path) -> list[Path]:
    """Return the image files directly in `folder`, sorted."""
    return [path for path in visible(folder) if is_image(path) and not path.is_dir()]


def subfolders(folder: Path) -> list[Path]:
    """Return the folders directly in `folder`, sorted."""
    return [path for path in visible(folder) if path.is_dir()]


def files_below(folder: Path) -> list[Path]:
    """Return the files in `folder` and in all folders below it, but for hidden ones, sorted.

    Links to folders are not followed: one may lead back up.
    """
    found = []
    for path in visible(folder):
        if not path.is_dir():
            found.append(path)
        elif not path.is_symlink():
            found += files_below(path)
    return found


def in_order(paths: Iterable[Path]) -> list[Path]:
    """Sort by the parts of the path, upper before lower case: the same order on every system."""
    return sorted(paths, key=lambda path: path.parts)


def list_images(sources: Sequence[str | Path], kind: str = GOOD) -> tuple[Samples, str]:
    """List the images of folders (with all folders below them), of patterns, and single files.

    Parameters
    ----------
    sources : sequence of str or Path
        A pattern has ``*``, ``?`` or ``[``, as in ``"photos/2026-*/*.jpg"``. A file is taken
        whatever its name.
    kind : str
        What they show: "good", or a defect.

    Returns
    -------
    samples : Samples
        Each file once, sorted.
    left_out : str
        Which files of the folders were no images by their names, in words; empty if there were
        none.

    Raises
    ------
    UserError
        If a source is not there, or there is no image.
    """
    found, others = set(), Counter()
    for source in map(str, sources):
        try:
            below, files = _files_of(source)
        except OSError as error:  # a folder that may not be read, a name that is too long
            raise UserError(f"{error.filename}: {error.strerror}; cannot be listed") from error
        found |= {*files, *filter(is_image, below)}
        others.update(path.suffix or path.name for path in below if not is_image(path))
    if not found:
        names = ", ".join(map(str, sources))
        raise UserError(f"no images in {names}; expected files like {', '.join(IMAGE_SUFFIXES)}")
    paths = in_order(found)
    samples = Samples(paths, [kind] * len(paths), [None] * len(paths), "train")
    words = ", ".join(f"{count} {suffix}" for suffix, count in sorted(others.items()))
    return samples, f"left out, as no images by their names: {words}" if words else ""


def _files_of(source: str) -> tuple[list[Path], list[Path]]:
    """Return the files below the folders that a source names, and the files that it names."""
    named = [Path(source)] if Path(source).exists() else sorted(map(Path, glob.glob(source)))
    if not named:
        raise UserError(f"{source}: there is no such file or folder; name one with images")
    below = [path for folder in named if folder.is_dir() for path in files_below(folder)]
    return below, [path for path in named if not path.is_dir()]
