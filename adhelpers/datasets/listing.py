"""Which files are images: one rule for folders of any layout.

A file is an image by its suffix. Folders are read to their depth; what begins with a dot, what the
system or the commands of this package have written there, and what is no image by its name is left
out, and the last is counted and named.
"""

import glob
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ..ground import UserError
from .samples import GOOD, Samples

#: What an image file's name may end in, in lower or upper case.
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".jfif", ".bmp", ".tif", ".tiff", ".webp")

_OF_THE_SYSTEM = ("lost+found", "__MACOSX", "$RECYCLE.BIN", "System Volume Information", "@eaDir")

_OF_RESULTS = re.compile(r"(distances|pixel_scores)_.*\.csv|where_.*")


def is_image(path: Path) -> bool:
    """Tell by its name whether a file is an image."""
    return path.suffix.lower() in IMAGE_SUFFIXES


def is_results(folder: Path) -> bool:
    """Tell whether a folder holds what the commands write below their save path."""
    if any(map(_OF_RESULTS.fullmatch, os.listdir(folder))):
        return not (folder / "train").is_dir()
    below = (folder / "feats").glob("*.npz"), (folder / "tables").glob("table_*")
    return any(next(found, None) for found in below)


def visible(folder: Path) -> list[Path]:
    """Return what is directly in `folder` and not hidden, sorted; nothing where there is none."""
    if not folder.is_dir():
        return []
    return in_order(
        path
        for path in folder.iterdir()
        if not path.name.startswith(".") and path.name not in _OF_THE_SYSTEM
    )


def images_in(folder: Path) -> list[Path]:
    """Return the image files directly in `folder`, sorted."""
    return [path for path in visible(folder) if path.is_file() and is_image(path)]


def subfolders(folder: Path) -> list[Path]:
    """Return the folders directly in `folder`, sorted, but for those of results."""
    return [path for path in visible(folder) if path.is_dir() and not is_results(path)]


def files_below(folder: Path) -> list[Path]:
    """Return the files in `folder` and in all folders below it, but for hidden ones, sorted.

    Links to folders are returned and not followed, as one may lead back up; results are no data.
    """
    found = []
    for path in visible(folder):
        if path.is_symlink() or not path.is_dir():
            found.append(path)
        elif not is_results(path):
            found += files_below(path)
    return found


def images_below(folder: Path, others: Counter) -> list[Path]:
    """Return the images in `folder` and in all folders below it, and count what else is there."""
    images = []
    for path in files_below(folder):
        if other := _no_image(path):
            others[other] += 1
        else:
            images.append(path)
    return images


def _no_image(path: Path) -> str:
    """Return what a file is that is no image, in words; empty for an image."""
    if path.is_dir():
        return "link to a folder"
    if not is_image(path):
        return path.suffix or path.name
    return f"{path.suffix} (no regular file)" if path.exists() and not path.is_file() else ""


def in_words(others: Counter) -> str:
    """Return how many files were no images by their names, by suffix; empty if there are none."""
    words = ", ".join(f"{count} {suffix}" for suffix, count in sorted(others.items()))
    return f"left out, as no images by their names: {words}" if words else ""


def in_order(paths: Iterable[Path]) -> list[Path]:
    """Sort by the parts of the path, upper before lower case: the same order on every system."""
    return sorted(paths, key=lambda path: path.parts)


@contextmanager
def listing() -> Iterator[None]:
    """Turn what the system says of a folder that cannot be listed into a UserError."""
    try:
        yield
    except OSError as error:  # a folder that may not be read, a name that is too long
        raise UserError(f"{error.filename}: {error.strerror}; cannot be listed") from error


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
        with listing():
            folders, files = _named(source)
            found.update(files, *(images_below(folder, others) for folder in folders))
    if not found:
        names = ", ".join(map(str, sources))
        raise UserError(f"no images in {names}; expected files like {', '.join(IMAGE_SUFFIXES)}")
    paths = in_order(found)
    samples = Samples(paths, [kind] * len(paths), [None] * len(paths), "train")
    return samples, in_words(others)


def _named(source: str) -> tuple[list[Path], list[Path]]:
    """Return the folders and the files that a source names."""
    named = [Path(source)] if Path(source).exists() else sorted(map(Path, glob.glob(source)))
    if not named:
        raise UserError(f"{source}: there is no such file or folder; name one with images")
    return [x for x in named if x.is_dir()], [x for x in named if not x.is_dir()]
