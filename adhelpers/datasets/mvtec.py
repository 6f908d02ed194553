"""MVTec AD, and any folder laid out like it or like another of the well-known data sets.

The layouts are those of `adhelpers.datasets.layouts`. People's own folders often hold less, so
everything but the training images may be missing: no masks, no defects, no test images, no folder
``good`` below ``train``, or no folders at all, only normal images.
"""

import os
from pathlib import Path

from ..ground import UserError, chosen
from . import names
from .layouts import EXPECTED, LAYOUTS, check_has_training, check_normal_names, layout_of
from .listing import is_results, listing, subfolders
from .masks import read_mask as read_mask
from .samples import Dataset


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
        If `root` is not a folder, holds no category, or images that are not normal by the names
        of their folders.
    """
    with listing():
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
    with listing():
        folders = _category_folders(root)
        folder = chosen(f"category of {root}", category, folders)
        train, test, notes = LAYOUTS[layout_of(folder) or "flat"].read(folder)
    check_has_training(folder, train)
    return Dataset(category, folder.parent, train, test, "; ".join(filter(None, notes)))


def _category_folders(root: str | Path) -> dict[str, Path]:
    """Return the folder of each category; `root` itself where it is the folder of one."""
    root = Path(root)
    if not root.is_dir():
        raise UserError(
            f"there is no data folder {root}: fetch MVTec AD with `adhelpers fetch mvtec`, "
            "or name your own folder with --data_path"
        )
    root = _of_the_category(root)
    below = {folder: layout_of(folder) for folder in subfolders(root)}
    layout = layout_of(root)
    # An image beside categories (a preview, say) does not make a category of the data set.
    if layout == "flat" and any(
        one in ("splits", "visa", "side by side") for one in below.values()
    ):
        layout = None
    if layout:
        _check_no_results(root, layout)
        found = {Path(os.path.abspath(root)).name: root}  # so that "." has a name
    else:
        found = {folder.name: folder for folder, one in below.items() if one}
    if not found:
        raise UserError(
            f"{root} holds no category: expected images, or {EXPECTED}; "
            "fetch MVTec AD with `adhelpers fetch mvtec`, or name another folder with --data_path"
        )
    flat = [folder for folder in found.values() if layout_of(folder) == "flat"]
    check_normal_names(root, flat)
    return found


def _of_the_category(root: Path) -> Path:
    """Return a category's folder where a folder within it was named, if that is clear."""
    whole = Path(os.path.abspath(root))
    if whole.name == "Images" and whole.parent.name == "Data":
        return whole.parent.parent
    if whole.name == "Data" and (whole / "Images").is_dir():
        return whole.parent
    split = names.plain(whole.name) in (*names.TRAIN, *names.TEST, *names.VALIDATION, *names.MASKS)
    if split and layout_of(whole.parent) == "splits" and layout_of(whole) != "splits":
        raise UserError(
            f"{root} is a part of the category {whole.parent.name}; name that: "
            f"--data_path {whole.parent}"
        )
    return root


def _check_no_results(root: Path, layout: str) -> None:
    if layout == "flat" and is_results(root):
        raise UserError(
            f"{root} holds results of adhelpers among the images; move these out of it, and give "
            "another --save_path"
        )
