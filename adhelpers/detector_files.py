"""The file of a fitted detector: an ``.npz`` archive of arrays and JSON text, without pickle."""

import json
import zipfile
from pathlib import Path

import numpy as np

from .errors import UserError
from .files import written_whole
from .gaussian import DenseGaussian, Gaussian
from .moments import Moments

#: Of the file's format. 1 had no number, and Ledoit and Wolf's covariance alone.
VERSION = 2
#: Of each kind of part, its arrays and its numbers.
_KINDS = {
    Gaussian: (("mean", "axes", "variances"), ("floor", "shrinkage")),
    DenseGaussian: (("mean", "whitening"), ("floor", "shrinkage")),
    Moments: (("mean", "scatter", "third"), ("count", "fourth")),
}


def write(
    path: str | Path,
    record: dict,
    parts: dict[str, Gaussian | DenseGaussian | Moments],
    scores: np.ndarray | None,
) -> None:
    """Write a detector.

    Parameters
    ----------
    path : str or Path
    record : dict
        Plain values: the parameters and what else JSON can hold.
    parts : dict of str to Gaussian, DenseGaussian or Moments
        By level name: the Gaussians, or the moments of a detector that was fitted in parts.
    scores : ndarray, shape (N,), or None
        Of held-out images.
    """
    arrays, levels = {}, {}
    for name, part in parts.items():
        array_names, number_names = _KINDS[type(part)]
        arrays |= {f"{name}/{key}": getattr(part, key) for key in array_names}
        numbers = {key: getattr(part, key) for key in number_names}
        levels[name] = {"kind": type(part).__name__, **numbers}
    if scores is not None:
        arrays["held_out_scores"] = scores
    record = {"version": VERSION, **record, "levels": levels}
    with written_whole(path) as temporary, temporary.open("wb") as file:
        np.savez(file, record=json.dumps(record), **arrays)


def read(
    path: str | Path,
) -> tuple[dict, dict[str, Gaussian | DenseGaussian | Moments], np.ndarray | None]:
    """Read what `write` wrote: record, parts and scores.

    Raises
    ------
    UserError
        If the file is not there, cut off, of another version, or no detector.
    """
    path = Path(path)
    if not path.exists():
        raise UserError(f"{path}: there is no such detector file; fit and save one first")
    try:
        with np.load(path, allow_pickle=False) as file:
            record = json.loads(str(file["record"]))
            version = record.get("version", 1)
            if version != VERSION:
                raise UserError(
                    f"{path}: its format has version {version}, this program reads version "
                    f"{VERSION}; fit and save the detector again"
                )
            parts = {name: _part(file, name, **record) for name, record in record["levels"].items()}
            scores = file.get("held_out_scores")
    except UserError:
        raise
    except (
        OSError,
        EOFError,
        KeyError,
        ValueError,
        TypeError,
        AttributeError,
        zipfile.BadZipFile,
    ) as error:
        raise UserError(
            f"{path}: not a detector file, or cut off ({error}); fit and save it again"
        ) from error
    return record, parts, scores


def _part(file, name: str, kind: str, **numbers) -> Gaussian | DenseGaussian | Moments:
    """Return one level of a file."""
    ((make, (array_names, _)),) = [item for item in _KINDS.items() if item[0].__name__ == kind]
    return make(**{key: file[f"{name}/{key}"] for key in array_names}, **numbers)
