"""MVTec AD, and any folder laid out like it.

The layout is ``ROOT/CATEGORY/train/good``, ``ROOT/CATEGORY/test/good``,
``ROOT/CATEGORY/test/DEFECT`` and ``ROOT/CATEGORY/ground_truth/DEFECT`` [1]_. People's own folders
often hold less of it, so everything but the training images may be missing: no masks, no defects,
no test images, no folder ``good`` below ``train``, or no folders at all, only normal images.

References
----------
.. [1] P. Bergmann et al., "The MVTec Anomaly Detection Dataset", IJCV 129, 2021.
"""

import os
from pathlib import Path

import cv2
import numpy as np

from ..ground import UserError, chosen
from .listing import IMAGE_SUFFIXES, images_in, in_order, subfolders
from .samples import GOOD, Dataset, Samples


def categories(root: str | Path) -> list[str]:
    """List the categories below `root`, sorted.

    Parameters
    ----------
    root : str or Path
        A data set's folder, or the folder of a single category.

    Returns
    -------
    names : list of str
        Never empty. For the folder of a single category: its own name.

    Raises
    ------
    UserError
        If `root` is not a folder, or holds no category.
    """
    return sorted(_category_folders(root))


def load_mvtec(root: str | Path, category: str) -> Dataset:
    """List the images of one category, with what is known of each; no image is read.

    Parameters
    ----------
    root : str or Path
        A data set's folder, or the folder of a single category.
    category : str
        One of ``categories(root)``.

    Returns
    -------
    dataset : Dataset
        Samples in the order of their paths. `test` is empty where there is no folder ``test``; a
        mask is None where there is no mask file.

    Raises
    ------
    UserError
        If `root` is not a folder or holds no category, if `category` is not one of them, has no
        training image, or holds images whose label its folders leave open.
    """
    folders = _category_folders(root)
    folder = chosen(f"category of {root}", category, folders)
    return Dataset(category, folder.parent, _train_samples(folder), _test_samples(folder))


def read_mask(path: str | Path, shape: tuple[int, int]) -> np.ndarray:
    """Read a ground-truth mask.

    Parameters
    ----------
    path : str or Path
        An image file: zero where the object is normal, anything else where it is defective.
    shape : (int, int)
        Height and width of the image that the mask belongs to, in pixels.

    Returns
    -------
    mask : ndarray of bool, shape `shape`
        True where the object is defective.

    Raises
    ------
    UserError
        If the file cannot be read as an image, or is not of the size `shape`.
    """
    try:
        encoded = np.fromfile(path, np.uint8)  # cv2.imread fails on non-ASCII paths on Windows
    except OSError as error:
        raise UserError(
            f"the mask {path} cannot be read ({error.strerror}): restore or remove it"
        ) from error
    # In colour and at full depth: grey would round faint colours to zero, and eight bits faint
    # 16-bit values; an alpha channel is no part of the mask.
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH
    pixels = cv2.imdecode(encoded, flags) if encoded.size else None
    if pixels is None:
        raise UserError(f"the mask {path} is not an image that can be read: restore or remove it")
    mask = pixels.any(axis=2)
    if mask.shape != tuple(shape):
        raise UserError(
            f"the mask {path} is {_size(mask.shape)} but its image is {_size(shape)}: "
            "a mask must be of the size of its image; replace or remove it"
        )
    return mask


def _size(shape: tuple[int, int]) -> str:
    """Return a size in words."""
    return f"{shape[0]} pixels high and {shape[1]} wide"


def _category_folders(root: str | Path) -> dict[str, Path]:
    """Return the folder of each category; `root` itself where it is the folder of one."""
    root = Path(root)
    if not root.is_dir():
        raise UserError(
            f"there is no data folder {root}: fetch MVTec AD with `adhelpers fetch mvtec`, "
            "or name your own folder with --data_path"
        )
    below = subfolders(root)
    # An image beside categories (a preview, say) does not make a category of the data set.
    flat = images_in(root) and not any((folder / "train").is_dir() for folder in below)
    if _has_splits(root) or flat:
        return {Path(os.path.abspath(root)).name: root}  # so that "." has a name
    found = {folder.name: folder for folder in below if _has_splits(folder) or images_in(folder)}
    if not found:
        raise UserError(
            f"{root} holds no category: expected images, or folders like CATEGORY/train/good; "
            "fetch MVTec AD with `adhelpers fetch mvtec`, or name another folder with --data_path"
        )
    return found


def _has_splits(folder: Path) -> bool:
    """Return whether `folder` looks like a category: it holds ``train`` or ``test``."""
    return any((folder / split).is_dir() for split in ("train", "test"))


def _train_samples(folder: Path) -> Samples:
    """Return the normal images to fit on, of the category in `folder`."""
    train = folder / "train"
    if train.is_dir():
        strangers = [sub.name for sub in subfolders(train) if sub.name != GOOD]
        if strangers:
            raise UserError(
                f"{train} holds {', '.join(strangers)}, but only normal images train: keep "
                f"train/{GOOD} there and move the others to {folder / 'test'}"
            )
        images = in_order([*images_in(train), *images_in(train / GOOD)])
    else:
        images = images_in(folder)
    if not images:
        raise UserError(
            f"{folder} has no training image: put normal images ({', '.join(IMAGE_SUFFIXES)}) "
            f"into {train / GOOD}"
        )
    return Samples(images, [GOOD] * len(images), [None] * len(images), "train")


def _test_samples(folder: Path) -> Samples:
    """Return the test images of the category in `folder`, with their masks."""
    test = folder / "test"
    if images_in(test):
        raise UserError(
            f"{test} holds images whose label is not known: move them to test/{GOOD} or to "
            "test/DEFECT, a folder named after the defect"
        )
    paths, defect_types, mask_paths = [], [], []
    for subfolder in subfolders(test):
        defect = subfolder.name
        images = images_in(subfolder)
        masks = {} if defect == GOOD else _masks(folder / "ground_truth" / defect)
        paths += images
        defect_types += [defect] * len(images)
        mask_paths += [masks.get(f"{path.stem}_mask", masks.get(path.stem)) for path in images]
    return Samples(paths, defect_types, mask_paths, "test")


def _masks(folder: Path) -> dict[str, Path]:
    """Return the masks in `folder` by name without suffix."""
    return {path.stem: path for path in images_in(folder)}
