"""What people call the folders of a data set, whatever the case, the plural and the hyphens."""

import re
from collections.abc import Collection
from pathlib import Path


def _set_of(words: str) -> frozenset[str]:
    return frozenset(words.split())


#: Of normal images.
NORMAL = _set_of(
    "good ok okay normal nominal normals nodefect nodefects defectfree nondefective nonanomalous "
    "anomalyfree noanomaly intact passed healthy"
)

#: Of defective images, where nothing says which defect. Images in such a folder are never fitted.
DEFECTIVE = _set_of(
    "bad ko ng nok notok nogood notgood defect defects defective defected anomaly anomalies "
    "anomalous abnormal abnormals faulty faults failed fail reject rejects rejected broken damaged "
    "crack cracks scratch scratches dent dents outlier outliers logicalanomalies "
    "structuralanomalies"
)

#: Of masks.
MASKS = _set_of(
    "groundtruth mask masks gt groundtruths label labels annotation annotations segmentation "
    "segmentations"
)

TRAIN, TEST = ("train", "training"), ("test", "testing")
VALIDATION = ("validation", "valid", "val")

#: How masks of an image are called, with the image's name in the place of {}.
MASK_NAMES = ("{}_mask", "{}", "mask_{}", "{}_gt", "gt_{}", "{}_label", "{}_segmentation")


def plain(name: str) -> str:
    """Return a name in lower case, without what is no letter or digit.

    Examples
    --------
    >>> plain("Ground-Truth"), plain("no_defect")
    ('groundtruth', 'nodefect')
    """
    return re.sub(r"[\W_]+", "", name.casefold())


def bare(name: str) -> str:
    """Return a plain name without numbers about it, and without what follows it by habit.

    Examples
    --------
    >>> bare("0_Normal"), bare("OK (2)"), bare("good images - Copy"), bare("goods torn")
    ('normal', 'ok', 'good', 'goodstorn')
    """
    return re.sub(r"^\d+|(images?|samples?|parts?)?(\d|copy)*$", "", plain(name))


def is_normal(name: str) -> bool:
    """Tell whether a folder of this name holds normal images."""
    return bare(name) in NORMAL


def is_defective(name: str) -> bool:
    """Tell whether a folder of this name surely holds defective images."""
    return bare(name) in DEFECTIVE


def is_of_masks(name: str) -> bool:
    """Tell whether a folder of this name holds masks."""
    return plain(name) in MASKS


def called(folders: Collection[Path], names: Collection[str]) -> list[Path]:
    """Return the folders that have one of these plain names."""
    return [folder for folder in folders if plain(folder.name) in names]
