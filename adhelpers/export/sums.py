"""What is kept beside a detector's file, so that it can be fitted to more images."""

from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import numpy as np

from .. import edge
from ..detector import load_detector
from ..detector.file import write
from ..ground import UserError, reading
from .detector_graph import Detector

_WHAT_TO_DO = "fit the detector again with --sums"


class Kept(NamedTuple):
    """What a detector can be refitted from.

    Parameters
    ----------
    detector : detector
        As `adhelpers.detector.summed` returns it.
    network : bytes
        Its network's TFLite model, which new images go through.
    digests : frozenset of str
        Of the images in the sums.
    """

    detector: Detector
    network: bytes
    digests: frozenset[str]


def write_sums(path: Path, kept: Kept, model: bytes) -> None:
    """Write what a detector can be refitted from: a detector's file with more in it.

    Parameters
    ----------
    path : Path
        A ``.npz`` file.
    kept : Kept
    model : bytes
        The ``.tflite`` file that it goes with.
    """
    write(
        kept.detector,
        path,
        network=np.frombuffer(kept.network, np.uint8),
        digests=np.array(sorted(kept.digests), dtype=str),
        goes_with=np.array(sha256(model).hexdigest()),
    )


def read_sums(path: Path, model: bytes) -> Kept:
    """Read what `write_sums` wrote.

    Parameters
    ----------
    path : Path
    model : bytes
        The ``.tflite`` file that was written with it, or one recalibrated since.

    Raises
    ------
    UserError
        If the file is not there, damaged, or of another detector.
    """
    detector = load_detector(path)
    with reading(path, "a detector's sums", _WHAT_TO_DO), np.load(path) as file:
        network, digests = file["network"].tobytes(), frozenset(file["digests"].tolist())
        goes_with = str(file["goes_with"])
    if goes_with not in _ancestors(model):
        raise UserError(
            f"{path}: sums of another detector (SHA-256 {goes_with[:12]}...); take those that were "
            "written with it"
        )
    return Kept(detector, network, digests)


def _ancestors(model: bytes) -> list[str]:
    """Return the SHA-256 of a detector's file, and of those that it was recalibrated from."""
    found = [sha256(model).hexdigest()]
    for change in reversed(edge.read_record(model).get("history", ())):
        if not change["what"].startswith("recalibrate"):
            break
        found.append(change["parent"])
    return found
