"""The file of a fitted detector: an ``.npz`` archive of arrays and JSON text, without pickle."""

import json
from pathlib import Path

import numpy as np

from ..features import Origin
from ..gaussian import AxisGaussian, DenseGaussian, Gaussian, Moments
from ..ground import reading, written_whole

#: Of the file's format. 1 had no number, 2 an origin without a check.
VERSION = 3
#: Of each kind of part, its arrays and its numbers.
_KINDS = {
    AxisGaussian: (("mean", "axes", "variances"), ("floor", "shrinkage")),
    DenseGaussian: (("mean", "whitening"), ("floor", "shrinkage")),
    Moments: (("mean", "scatter", "third"), ("count", "fourth")),
}


def write(detector, path: str | Path) -> None:
    """Write a fitted detector: its Gaussians, or its moments if it was fitted in parts."""
    arrays, levels = {}, {}
    parts = getattr(detector, "moments_", None) or detector.gaussians_
    for name, part in parts.items():
        array_names, number_names = _KINDS[type(part)]
        arrays |= {f"{name}/{key}": getattr(part, key) for key in array_names}
        numbers = {key: getattr(part, key) for key in number_names}
        levels[name] = {"kind": type(part).__name__, **numbers}
    if detector.held_out_scores_ is not None:
        arrays["held_out_scores"] = detector.held_out_scores_
    record = {
        "version": VERSION,
        "parameters": detector.get_params(),
        "origin": detector.origin_ and detector.origin_.record,
        "n_train": detector.n_train_,
        "n_features": detector.n_features_in_,
        "scales": detector.scales_,
        "levels": levels,
    }
    with written_whole(path) as temporary, temporary.open("wb") as file:
        np.savez(file, record=json.dumps(record), **arrays)


def read(detector_class: type, path: str | Path):
    """Return the detector that `write` wrote.

    Raises
    ------
    UserError
        If the file is not there, cut off, of another version, or no detector.
    """
    with (
        reading(path, "a detector file", "fit and save the detector again"),
        np.load(path, allow_pickle=False) as file,
    ):
        record = json.loads(str(file["record"]))
        if (version := record.get("version", 1)) != VERSION:
            raise ValueError(f"its format has version {version}, expected {VERSION}")
        parts = {name: _part(file, name, **part) for name, part in record["levels"].items()}
        return _restored(detector_class, record, parts, file.get("held_out_scores"))


def _restored(detector_class: type, record: dict, parts: dict, scores: np.ndarray | None):
    detector = detector_class(**record["parameters"])
    detector.origin_ = Origin.from_record(record["origin"])
    detector.n_train_, detector.n_features_in_ = record["n_train"], record["n_features"]
    detector.scales_ = {name: tuple(scale) for name, scale in record["scales"].items()}
    detector.held_out_scores_, detector._threshold = scores, None
    in_parts = all(isinstance(part, Moments) for part in parts.values())
    detector._gaussians = None if in_parts else parts
    if in_parts:
        detector.moments_ = parts
    elif detector.threshold is not None:
        detector._threshold = detector._find_threshold()
    return detector


def _part(file, name: str, kind: str, **numbers) -> Gaussian | Moments:
    """Return one level of a file."""
    ((make, (array_names, _)),) = [item for item in _KINDS.items() if item[0].__name__ == kind]
    return make(**{key: file[f"{name}/{key}"] for key in array_names}, **numbers)
