"""The kinds of detector by name."""

from pathlib import Path
from typing import NamedTuple

from . import file
from .joint import JointDetector
from .local import LocalDetector
from .mahalanobis import MahalanobisDetector


class Kind(NamedTuple):
    """A kind of detector.

    Parameters
    ----------
    make : type
        Its class.
    words : str
        For help texts.
    needs_maps : bool
        Whether it takes feature maps, and not pooled features.
    """

    make: type
    words: str
    needs_maps: bool = True


#: The kinds of detector by name.
DETECTORS = {
    "pooled": Kind(
        MahalanobisDetector, "a Gaussian per level, of the mean over positions (the paper's)", False
    ),
    "local": Kind(LocalDetector, "a Gaussian per level and position, and the largest distance"),
    "both": Kind(JointDetector, "local, with the pooled distance as one more level"),
}


def kind_of(detector) -> str:
    """Return the name of a detector's kind."""
    (name,) = [name for name, kind in DETECTORS.items() if type(detector) is kind.make]
    return name


def load_detector(path: str | Path) -> MahalanobisDetector | LocalDetector | JointDetector:
    """Read a detector of any kind, as its `save` wrote it.

    Raises
    ------
    UserError
        If the file is not there, cut off, of another version, or no detector.
    """
    return file.read([kind.make for kind in DETECTORS.values()], path)
