"""The file of a fitted detector: an ``.npz`` archive of arrays and JSON text, without pickle."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ..features import Origin
from ..gaussian import AxisGaussian, DenseGaussian, LocalGaussian, LocalMoments, Moments
from ..ground import reading, written_whole

#: Of the file's format. 1 had no number, 2 an origin without a check, 3 pooled detectors alone.
VERSION = 4
#: Of each kind of part, its arrays and its numbers.
_KINDS = {
    AxisGaussian: (("mean", "axes", "variances"), ("floor", "shrinkage")),
    DenseGaussian: (("mean", "whitening"), ("floor", "shrinkage")),
    LocalGaussian: (("mean", "whitening", "axes", "variances", "floor"), ("shape", "weight")),
    Moments: (("mean", "scatter", "third"), ("count", "fourth")),
    LocalMoments: (("mean", "scatter", "third", "fourth"), ("shape", "count")),
}


def write(detector, path: str | Path) -> None:
    """Write a fitted detector: its Gaussians, or its moments if it was fitted in parts."""
    record, arrays = _contents(detector)
    with written_whole(path) as temporary, temporary.open("wb") as file:
        np.savez(file, record=json.dumps({"version": VERSION, **record}), **arrays)


def read(classes: Sequence[type], path: str | Path, inner: Sequence[type] = ()):
    """Return the detector that `write` wrote.

    Parameters
    ----------
    classes : sequence of type
        That it may be of.
    path : str or Path
    inner : sequence of type
        That the detectors inside it may be of, besides.

    Raises
    ------
    UserError
        If the file is not there, cut off, of another version, or no such detector.
    """
    with (
        reading(path, "a detector file", "fit and save the detector again"),
        np.load(path, allow_pickle=False) as file,
    ):
        record = json.loads(str(file["record"]))
        if (version := record.get("version", 1)) != VERSION:
            raise ValueError(f"its format has version {version}, expected {VERSION}")
        names = [one.__name__ for one in classes]
        if record["detector"] not in names:
            raise ValueError(f"it holds a {record['detector']}, expected a {' or '.join(names)}")
        return _restored({one.__name__: one for one in (*classes, *inner)}, record, file)


def _contents(detector) -> tuple[dict, dict[str, np.ndarray]]:
    """Return a detector's record, as JSON can hold it, and its arrays by name."""
    arrays, levels, inner = {}, {}, {}
    for name, one in getattr(detector, "detectors_", {}).items():
        inner[name], more = _contents(one)
        arrays |= {f"{name}/{key}": array for key, array in more.items()}
    parts = {} if inner else getattr(detector, "moments_", None) or detector.gaussians_
    for name, part in parts.items():
        array_names, number_names = _KINDS[type(part)]
        arrays |= {f"{name}/{key}": getattr(part, key) for key in array_names}
        numbers = {key: getattr(part, key) for key in number_names}
        levels[name] = {"kind": type(part).__name__, **numbers}
    if detector.held_out_scores_ is not None:
        arrays["held_out_scores"] = detector.held_out_scores_
    record = {
        "detector": type(detector).__name__,
        "parameters": detector.get_params(),
        "origin": detector.origin_ and detector.origin_.record,
        "n_train": detector.n_train_,
        "n_features": detector.n_features_in_,
        "scales": detector.scales_,
        "levels": levels,
        "detectors": inner,
    }
    return record, arrays


def _restored(classes: dict[str, type], record: dict, arrays: Mapping, start: str = ""):
    """Return the detector of a record; the names of its arrays begin with `start`."""
    detector = classes[record["detector"]](**record["parameters"])
    detector.origin_ = Origin.from_record(record["origin"])
    detector.n_train_, detector.n_features_in_ = record["n_train"], record["n_features"]
    detector.scales_ = {name: tuple(scale) for name, scale in record["scales"].items()}
    detector.held_out_scores_ = arrays.get(f"{start}held_out_scores")
    detector._threshold = None
    if record["detectors"]:
        detector.detectors_ = {
            name: _restored(classes, one, arrays, f"{start}{name}/")
            for name, one in record["detectors"].items()
        }
    parts = {name: _part(arrays, start + name, **x) for name, x in record["levels"].items()}
    in_parts = any(isinstance(part, Moments | LocalMoments) for part in parts.values())
    detector._gaussians = None if in_parts else parts
    if in_parts:
        detector.moments_ = parts
    if detector.threshold is not None and not hasattr(detector, "moments_"):
        detector._threshold = detector._find_threshold()
    return detector


def _part(arrays: Mapping, name: str, kind: str, **numbers):
    """Return one level of a file."""
    ((make, (array_names, _)),) = [item for item in _KINDS.items() if item[0].__name__ == kind]
    if "shape" in numbers:
        numbers["shape"] = tuple(numbers["shape"])
    return make(**{key: arrays[f"{name}/{key}"] for key in array_names}, **numbers)
