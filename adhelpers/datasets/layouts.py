"""Layouts of one category's folder, and how each is read.

MVTec AD's is ``train/good``, ``test/good``, ``test/DEFECT`` and ``ground_truth/DEFECT`` [1]_; BTAD
[2]_ and MVTec LOCO [3]_ differ from it in names and in how masks are nested. VisA [4]_ has
``Data/Images/Normal``, ``Data/Images/Anomaly`` and ``Data/Masks/Anomaly``, with the split of
``split_csv/1cls.csv`` beside the categories. Others put ``good``, ``DEFECT`` and ``mask`` side by
side. Or there are images alone, all of them normal.

References
----------
.. [1] P. Bergmann et al., "The MVTec Anomaly Detection Dataset", IJCV 129, 2021.
.. [2] P. Mishra et al., "VT-ADL", ISIE 2021.
.. [3] P. Bergmann et al., "Beyond Dents and Scratches", IJCV 130, 2022.
.. [4] Y. Zou et al., "SPot-the-Difference Self-Supervised Pre-training", ECCV 2022.
"""

import csv
import os
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from ..ground import UserError
from . import names
from .listing import IMAGE_SUFFIXES, images_below, images_in, in_order, in_words, subfolders
from .masks import mask_of, masks_beside
from .names import called, is_normal, is_of_masks
from .samples import GOOD, Samples

#: Without a split, every so many-th normal image is tested and not fitted to.
TESTED = 5

Read = tuple[Samples, Samples, list[str]]  # to fit on, to test, and what there is to say


class Layout(NamedTuple):
    """A layout of a category's folder.

    Parameters
    ----------
    fits : callable
        Takes a folder, and tells whether it is laid out like this.
    read : callable
        Takes such a folder, and returns its training and test samples, and notes in words.
    """

    fits: Callable[[Path], bool]
    read: Callable[[Path], Read]


def _labelled(
    kinds: Sequence[tuple[str, Path]], mask_folders: dict[str, Path], others: Counter
) -> Samples:
    """Return the images below folders, each of one kind, with their masks; normal ones have none.

    Files that are no images are counted in `others`.
    """
    rows = []
    for kind, folder in kinds:
        images = images_below(folder, others)
        _check_no_masks(folder, images)
        masks = None if kind == GOOD else mask_folders.get(kind)
        rows += [(path, kind, mask_of(path, folder, masks)) for path in images]
    rows.sort(key=lambda row: row[0].parts)
    return Samples([r[0] for r in rows], [r[1] for r in rows], [r[2] for r in rows], "test")


def _normal(images: Sequence[Path]) -> Samples:
    """Return images to fit on."""
    return Samples(list(images), [GOOD] * len(images), [None] * len(images), "train")


def _check_no_masks(folder: Path, images: list[Path]) -> None:
    if masks := masks_beside(images):
        raise UserError(
            f"{folder} holds {len(masks)} mask(s) among the images, first {masks[0]}: move masks "
            "to ground_truth/DEFECT"
        )


def _kind(folder: Path) -> str:
    """Return what the images in a folder show: its name, or "good" for any name of normal ones."""
    return GOOD if is_normal(folder.name) else folder.name


# --- train/good, test/good, test/DEFECT, ground_truth/DEFECT --------------------------------------


def _has_splits(folder: Path) -> bool:
    return bool(called(subfolders(folder), (*names.TRAIN, *names.TEST)))


def _read_splits(folder: Path) -> Read:
    below, others = subfolders(folder), Counter()
    train = _train_images(folder, called(below, names.TRAIN), others)
    test = _test_samples(called(below, names.TEST), called(below, names.MASKS), others)
    notes = [in_words(others)]
    for unused in called(below, names.VALIDATION):
        count = len(images_below(unused, Counter()))
        notes.append(f"{count} image(s) in {unused.name} are not used")
    return _normal(train), test, notes


def _train_images(folder: Path, trains: list[Path], others: Counter) -> list[Path]:
    if not trains:
        return images_in(folder)
    images = []
    for train in trains:
        strangers = [sub.name for sub in subfolders(train) if not is_normal(sub.name)]
        if strangers:
            raise UserError(
                f"{train} holds {', '.join(strangers)}, but only normal images train: keep "
                f"{train.name}/{GOOD} there and move the others to {folder / 'test'}"
            )
        found = images_below(train, others)
        _check_no_masks(train, found)
        images += found
    return in_order(images)


def _test_samples(tests: list[Path], masks: list[Path], others: Counter) -> Samples:
    for test in tests:
        if images_in(test):
            raise UserError(
                f"{test} holds images whose label is not known: move them to test/{GOOD} or to "
                "test/DEFECT, a folder named after the defect"
            )
    kinds = [(_kind(sub), sub) for test in tests for sub in subfolders(test)]
    folders = {sub.name: sub for mask in reversed(masks) for sub in subfolders(mask)}
    return _labelled(kinds, folders, others)


# --- good, DEFECT and mask side by side -----------------------------------------------------------


def _is_side_by_side(folder: Path) -> bool:
    below = subfolders(folder)
    if any(_has_splits(sub) or _is_visa(sub) for sub in below):  # categories
        return False
    return any(images_below(sub, Counter()) for sub in below if is_normal(sub.name))


def _read_side_by_side(folder: Path) -> Read:
    below, others = subfolders(folder), Counter()
    masks = called(below, names.MASKS)
    kinds = [(_kind(sub), sub) for sub in below if sub not in masks]
    defects = [kind for kind, _ in kinds if kind != GOOD]
    folders = {sub.name: sub for mask in reversed(masks) for sub in subfolders(mask)}
    if len(defects) == 1 and masks:
        folders.setdefault(defects[0], masks[0])
    train, test, notes = _divided(_labelled(kinds, folders, others))
    if beside := len(images_in(folder)):
        notes.append(f"{beside} image(s) directly in {folder} are not used")
    return train, test, [*notes, in_words(others)]


def _divided(samples: Samples) -> Read:
    """Divide samples without a split: every fifth normal image is tested, if there are others."""
    normal = [i for i, kind in enumerate(samples.defect_types) if kind == GOOD]
    tested = normal[TESTED - 1 :: TESTED] if len(normal) < len(samples) else []
    fitted = [i for i in normal if i not in set(tested)]
    rest = [i for i in range(len(samples)) if i not in set(fitted)]
    if not rest:
        return _normal(samples.paths), samples.subset([]), []
    note = (
        f"no train and test, but folders of normal and other images: {len(fitted)} normal images "
        f"are fitted to, every {TESTED}th ({len(tested)}) is tested"
    )
    return _normal([samples.paths[i] for i in fitted]), samples.subset(rest), [note]


# --- VisA -----------------------------------------------------------------------------------------


def _is_visa(folder: Path) -> bool:
    return (folder / "Data" / "Images").is_dir()


def _read_visa(folder: Path) -> Read:
    others, data = Counter(), folder / "Data"
    kinds = [(_kind(sub), sub) for sub in subfolders(data / "Images")]
    samples = _labelled(kinds, {sub.name: sub for sub in subfolders(data / "Masks")}, others)
    table = Path(os.path.abspath(folder)).parent / "split_csv" / "1cls.csv"
    train, test, notes = _split_by(table, folder, samples) or _divided(samples)
    return train, test, [*notes, in_words(others)]


def _split_by(table: Path, folder: Path, samples: Samples) -> Read | None:
    """Divide samples as a CSV with the columns object, split and image says; None without it."""
    if not table.is_file():
        return None
    root, name = os.path.split(os.path.abspath(folder))
    with table.open(newline="", encoding="utf-8", errors="replace") as file:
        rows = [row for row in csv.DictReader(file) if row.get("object") == name]
    splits = {os.path.join(root, str(row.get("image"))): row.get("split") for row in rows}
    if not splits:
        return None
    numbers = {split: [] for split in ("train", "test", None)}
    for i, path in enumerate(samples.paths):
        split = splits.get(os.path.abspath(path))
        numbers[split if split in numbers else None].append(i)
    defective = [i for i in numbers["train"] if samples.labels[i]]
    if defective:
        raise UserError(
            f"{table} trains on {len(defective)} anomalous images, first "
            f"{samples.paths[defective[0]]}; only normal images train"
        )
    train = _normal([samples.paths[i] for i in numbers["train"]])
    note = f"split as in {table}"
    note += f"; {len(numbers[None])} images are not in it" if numbers[None] else ""
    return train, samples.subset(numbers["test"]), [note]


# --- images alone ---------------------------------------------------------------------------------


def _is_flat(folder: Path) -> bool:
    return bool(images_in(folder))


def _read_flat(folder: Path) -> Read:
    images = images_in(folder)
    _check_no_masks(folder, images)
    deeper = {sub.name: len(images_below(sub, Counter())) for sub in subfolders(folder)}
    notes = [f"{count} image(s) in {name} are left out" for name, count in deeper.items() if count]
    return _normal(images), Samples([], [], [], "test"), notes


#: The layouts by name; the first that fits is taken.
LAYOUTS = {
    "splits": Layout(_has_splits, _read_splits),
    "visa": Layout(_is_visa, _read_visa),
    "side by side": Layout(_is_side_by_side, _read_side_by_side),
    "flat": Layout(_is_flat, _read_flat),
}

#: What is expected, for errors.
EXPECTED = (
    "folders like CATEGORY/train/good and CATEGORY/test/DEFECT, VisA's CATEGORY/Data/Images/Normal,"
    " good/ beside DEFECT/ and mask/, or normal images alone"
)


def layout_of(folder: Path) -> str | None:
    """Return the name of a folder's layout; None where it is no category."""
    return next((name for name, layout in LAYOUTS.items() if layout.fits(folder)), None)


def check_normal_names(root: Path, flat: list[Path]) -> None:
    """Raise a UserError if folders of images alone are masks or defects by their names."""
    for folder in flat:
        name = folder.resolve().name
        beside = [sub.name for sub in subfolders(folder.resolve().parent) if is_normal(sub.name)]
        if is_of_masks(name) or names.is_defective(name) or (beside and not is_normal(name)):
            lies = f", beside {beside[0]}," if beside else ""
            raise UserError(
                f"{root}: the images in {name}{lies} do not look like normal ones, to fit to; "
                f"expected {EXPECTED}"
            )


def check_has_training(folder: Path, train: Samples) -> None:
    """Raise a UserError if there is nothing to fit on."""
    if not len(train):
        raise UserError(
            f"{folder} has no training image: put normal images ({', '.join(IMAGE_SUFFIXES)}) "
            f"into {folder / 'train' / GOOD}"
        )
