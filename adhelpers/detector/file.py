"""The file of a fitted detector: an ``.npz`` archive of arrays and JSON text, without pickle.

A detector from a damaged file would call anything normal, so all is checked when it is read: each
array by its CRC-32, which the archive holds, and what it says by what a detector can be.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ..features import Origin
from ..gaussian import AxisGaussian, DenseGaussian, LocalGaussian, LocalMoments, Moments
from ..ground import reading, written_whole

#: Of the file's format. 1 had no number, 2 an origin without a check, 3 pooled detectors alone.
VERSION = 4
_HELD_OUT = "held_out_distances/"
#: Of each kind of part, the shapes of its arrays, a letter for each length, and its numbers.
_KINDS = {
    AxisGaussian: ({"mean": "D", "axes": "RD", "variances": "R"}, ("floor", "shrinkage")),
    DenseGaussian: ({"mean": "D", "whitening": "DD"}, ("floor", "shrinkage")),
    LocalGaussian: (
        {"mean": "PD", "whitening": "DD", "axes": "PRD", "variances": "PR", "floor": "P"},
        ("shape", "weight"),
    ),
    Moments: ({"mean": "D", "scatter": "DD", "third": "D"}, ("count", "fourth")),
    LocalMoments: (
        {"mean": "PD", "scatter": "PDD", "third": "PD", "fourth": "P"},
        ("shape", "count"),
    ),
}


def write(detector, path: str | Path, **more: np.ndarray) -> None:
    """Write a fitted detector: its Gaussians, or its moments if it was fitted in parts.

    Arrays that are given besides stand in the file under their own names.
    """
    record, arrays = _contents(detector)
    with written_whole(path) as temporary, temporary.open("wb") as file:
        np.savez(file, record=_json({"version": VERSION, **record}), **arrays, **more)


def plain_parameters(detector) -> dict:
    """Return a detector's parameters as a file gives them back: without tuples or NumPy's types."""
    return json.loads(_json(detector.get_params()))


def _json(record: dict) -> str:
    """Return a record as JSON, NumPy's numbers and arrays as plain ones."""
    return json.dumps(record, default=lambda value: value.tolist())


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
        If the file is not there, damaged, of another version, or no such detector.
    """
    with (
        reading(path, "a detector file", "fit and save the detector again"),
        np.load(path, allow_pickle=False) as file,
    ):
        return _verified(classes, file, inner)


def _verified(classes: Sequence[type], file: np.lib.npyio.NpzFile, inner: Sequence[type]):
    """Return the detector of an archive, all of whose bytes are those that were written."""
    if damaged := file.zip.testzip():
        raise ValueError(f"{damaged} is damaged")
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
    if hasattr(detector, "moments_") and detector.held_out_distances_:
        arrays |= {f"{_HELD_OUT}{key}": x for key, x in detector.held_out_distances_.items()}
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
    detector.check_parameters()
    detector.origin_ = Origin.from_record(record["origin"])
    detector.n_train_, detector.n_features_in_ = record["n_train"], record["n_features"]
    detector.scales_ = {name: tuple(scale) for name, scale in record["scales"].items()}
    detector.held_out_scores_ = arrays.get(f"{start}held_out_scores")
    held_out = {
        key.removeprefix(start + _HELD_OUT): arrays[key]
        for key in arrays
        if key.startswith(start + _HELD_OUT)
    }
    _checked_lengths(f"{start}held_out_distances", held_out, dict.fromkeys(held_out, "N"))
    detector.held_out_distances_ = held_out or None
    detector._threshold = None
    _check_decision(record, detector.held_out_scores_)
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
    if detector.has_threshold and not hasattr(detector, "moments_"):
        detector._threshold = detector._find_threshold()
    return detector


def _part(arrays: Mapping, name: str, kind: str, **numbers):
    """Return one level of a file."""
    ((make, (shapes, _)),) = [item for item in _KINDS.items() if item[0].__name__ == kind]
    own = {key: arrays[f"{name}/{key}"] for key in shapes}
    lengths = _checked_lengths(name, own, shapes)
    _check_numbers(name, numbers)
    if "shape" in numbers:
        numbers["shape"] = tuple(numbers["shape"])
        if np.prod(numbers["shape"]) != lengths["P"]:
            raise ValueError(f"{name} has {lengths['P']} positions, not {numbers['shape']}")
    _check_spread(name, {**own, **numbers}, lengths)
    return make(**own, **numbers)


def _check_decision(record: dict, held_out_scores: np.ndarray | None) -> None:
    """Raise a ValueError if there is nothing that scores rest on, or it is out of range."""
    inner = {"local", "pooled"} if record["detector"] == "JointDetector" else set()
    if set(record["detectors"]) != inner or bool(inner) == bool(record["levels"]):
        raise ValueError("it has no levels, or others than such a detector has")
    if held_out_scores is not None:
        _checked_lengths("held_out", {"scores": held_out_scores}, {"scores": "N"})
    for name, scale in record["scales"].items():
        if len(scale) != 2 or not all(0 < x < np.inf for x in scale):
            raise ValueError(f"the scale of {name} is {scale!r:.40}")


def _checked_lengths(
    name: str, arrays: Mapping[str, np.ndarray], shapes: Mapping[str, str]
) -> dict[str, int]:
    """Return the lengths by letter, of arrays that are finite and go together."""
    lengths: dict[str, int] = {}
    for key, letters in shapes.items():
        array = arrays[key]
        if array.ndim != len(letters) or array.dtype != np.float64:
            raise ValueError(f"{name}/{key} is {array.dtype} of {array.ndim} dimensions")
        if not np.isfinite(array).all():
            raise ValueError(f"{name}/{key} has numbers that are not finite")
        for letter, length in zip(letters, array.shape, strict=True):
            if lengths.setdefault(letter, length) != length or (not length and letter != "R"):
                raise ValueError(f"{name}/{key} has shape {array.shape}, unlike the other arrays")
    return lengths


def _check_numbers(name: str, numbers: Mapping) -> None:
    """Raise a ValueError if a number of a level is out of range."""
    for key, value in numbers.items():
        least, kinds = (1, (int,)) if key in ("shape", "count") else (0, (int, float))
        most = 1 if key in ("shrinkage", "weight") else np.inf
        for x in value if key == "shape" else [value]:
            if type(x) not in kinds or not least <= x <= most:
                raise ValueError(f"{name}: {key} is {value!r:.40}")


def _check_spread(name: str, values: Mapping, lengths: Mapping[str, int]) -> None:
    """Raise a ValueError if a Gaussian has no spread in a direction, or is blind to all."""
    floor, axes = values.get("floor", 1.0), values.get("axes")
    if np.any(values.get("variances", 1.0) <= 0) or np.any(floor < 0):
        raise ValueError(f"{name} has variances that are not above 0")
    if axes is not None:
        if lengths["R"] < lengths["D"] and not np.all(floor > 0):
            raise ValueError(f"{name} has a floor that is not above 0")
        if not lengths["R"] and np.any(np.isinf(floor)):
            raise ValueError(f"{name} has no directions that count")
        if not np.allclose(np.square(axes).sum(axis=-1), 1, atol=1e-6):
            raise ValueError(f"{name} has axes that are no unit vectors")
    if np.any(np.diagonal(values.get("whitening", np.eye(1))) <= 0):
        raise ValueError(f"{name} has no whitening in some directions")
