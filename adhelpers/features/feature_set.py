"""FeatureSet: the features of a set of images, and the files that hold them."""

import json
import pickle
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..datasets import GOOD
from ..ground import UserError, check_choice, checked_truth, chosen, reading, written_whole
from .origin import Origin

#: Of the ``.npz`` file's format. 1 had no number.
VERSION = 2


@dataclass(frozen=True)
class FeatureSet:
    """Features of N images at several levels of a network, and where they came from.

    Parameters
    ----------
    levels : dict of str to ndarray of float32, shape (N, D_l)
        By level name, from the network's first level to its last.
    labels : ndarray of int, shape (N,)
        0 normal, 1 anomalous.
    defect_types : sequence of str, length N
        ``"good"``, or the name of the defect.
    paths : sequence of str, length N
        The image files.
    digests : sequence of str, length N
        A hash of each file's bytes; empty strings where it is not known.
    origin : Origin or None
        None for plain arrays.

    Raises
    ------
    UserError
        If a label is neither 0 nor 1.

    Examples
    --------
    >>> features = FeatureSet.from_arrays({"level_1": np.zeros((4, 8)), "level_2": np.ones((4, 3))})
    >>> len(features), features.widths
    (4, {'level_1': 8, 'level_2': 3})
    """

    levels: dict[str, np.ndarray]
    labels: np.ndarray
    defect_types: Sequence[str]
    paths: Sequence[str]
    digests: Sequence[str]
    origin: Origin | None = None

    def __post_init__(self):
        checked_truth(self.labels)

    @classmethod
    def from_arrays(
        cls,
        levels: dict[str, np.ndarray],
        labels: Sequence[int] | None = None,
        origin: Origin | None = None,
    ) -> "FeatureSet":
        """Make a FeatureSet of plain arrays, shape (N, D_l) each."""
        count = len(next(iter(levels.values())))
        labels = np.zeros(count, dtype=int) if labels is None else checked_truth(labels)
        kinds = ["anomalous" if label else GOOD for label in labels]
        arrays = {name: np.asarray(x, dtype=np.float32) for name, x in levels.items()}
        return cls(arrays, labels, kinds, [""] * count, [""] * count, origin)

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def widths(self) -> dict[str, int]:
        """dict of str to int: the number of features at each level."""
        return {name: array.shape[1] for name, array in self.levels.items()}

    @property
    def groups(self) -> Sequence:
        """sequence, length N: what belongs together where images are held out.

        The digest of each row's file, so that equal files under other names are one image; changed
        copies have that of the image whose path they have. Where no digest is known, the path; or
        the row's number, where no file is.
        """
        known = dict(zip(self.paths, self.digests, strict=True))
        known |= {path: x for path, x in zip(self.paths, self.digests, strict=True) if x}
        return [
            digest or (path and known[path]) or path or row
            for row, (path, digest) in enumerate(zip(self.paths, self.digests, strict=True))
        ]

    @property
    def finite(self) -> np.ndarray:
        """ndarray of bool, shape (N,): whether all features of an image are finite numbers."""
        return np.all([np.isfinite(x).all(axis=1) for x in self.levels.values()], axis=0)

    def rows(self, indices: Sequence[int] | np.ndarray) -> "FeatureSet":
        """Return the images at `indices` (integers, or a mask of booleans), in that order."""
        order = np.arange(len(self))[indices]
        return FeatureSet(
            {name: array[order] for name, array in self.levels.items()},
            np.asarray(self.labels)[order],
            [self.defect_types[i] for i in order],
            [self.paths[i] for i in order],
            [self.digests[i] for i in order],
            self.origin,
        )

    def with_levels(self, names: Iterable[str]) -> "FeatureSet":
        """Return the same images with these levels alone."""
        names = list(names)
        for name in names:
            check_choice("level", name, self.levels)
        return replace(self, levels={name: self.levels[name] for name in names})

    def save(self, path: str | Path) -> None:
        """Write an ``.npz`` file (compact, everything in it) or a ``.pkl`` file.

        The ``.pkl`` is for others: it holds plain containers and NumPy arrays, and
        ``pickle.load`` reads it without this package. The file is written whole or not at all.

        Raises
        ------
        UserError
            If the suffix is neither, or a feature is NaN or infinite: kept, it would be taken for
            true by the next run.
        OSError
            If the folder cannot be written to.
        """
        write = chosen(f"suffix of {path}", Path(path).suffix, _WRITERS)
        if bad := int(np.sum(~self.finite)):
            first = self.paths[int(np.argmin(self.finite))] or "an image in memory"
            raise UserError(
                f"{bad} of {len(self)} images have NaN or infinite features, first {first}: not "
                f"written to {path}; look at the image, at the weights, and at Keras' settings"
            )
        with written_whole(path) as temporary, temporary.open("wb") as file:
            write(self, file)

    @classmethod
    def load(cls, path: str | Path) -> "FeatureSet":
        """Read an ``.npz`` file that `save` wrote.

        Raises
        ------
        UserError
            If the file is not there, cut off, of another kind or of another version.
        """
        check_choice(f"suffix of {path}", Path(path).suffix, (".npz",))
        with reading(path, "a features file", "delete it and extract again"):
            return _read_npz(path)

    def _record(self) -> dict:
        """Return all but the arrays, as plain containers."""
        return {
            "defect_types": list(self.defect_types),
            "paths": [str(path) for path in self.paths],
            "digests": list(self.digests),
            "origin": self.origin and self.origin.record,
        }


def joined(parts: Sequence[FeatureSet]) -> FeatureSet:
    """Return the rows of feature sets of one origin, one set after the other."""
    first = parts[0]
    return replace(
        first,
        levels={name: np.concatenate([p.levels[name] for p in parts]) for name in first.levels},
        labels=np.concatenate([p.labels for p in parts]),
        defect_types=[kind for p in parts for kind in p.defect_types],
        paths=[path for p in parts for path in p.paths],
        digests=[digest for p in parts for digest in p.digests],
    )


def _write_npz(features: FeatureSet, file) -> None:
    record = {"version": VERSION, "levels": list(features.levels), **features._record()}
    arrays = {f"level/{name}": array for name, array in features.levels.items()}
    np.savez(file, record=json.dumps(record), labels=features.labels, **arrays)


def _read_npz(path: str | Path) -> FeatureSet:
    with np.load(path, allow_pickle=False) as file:
        record = json.loads(str(file["record"]))
        if (version := record.pop("version", 1)) != VERSION:
            raise ValueError(f"its format has version {version}, expected {VERSION}")
        levels = {name: file[f"level/{name}"] for name in record.pop("levels")}
        origin = Origin.from_record(record.pop("origin"))
        features = FeatureSet(levels=levels, labels=file["labels"], origin=origin, **record)
    _check_form(features)
    return features


def _check_form(features: FeatureSet) -> None:
    """Raise a ValueError if what was read does not go together."""
    count = features.labels.shape
    if not features.levels:
        raise ValueError("it has no levels")
    for name, x in features.levels.items():
        if x.dtype != np.float32 or x.ndim != 2 or x.shape[:1] != count:
            raise ValueError(f"{name} is {x.dtype} of shape {x.shape}, and the labels of {count}")
    for name in ("defect_types", "paths", "digests"):
        column = getattr(features, name)
        if not isinstance(column, list) or (len(column),) != count or {*map(type, column)} - {str}:
            raise ValueError(f"{name} is no list of {count[0]} texts")


def _write_pkl(features: FeatureSet, file) -> None:
    labels = np.asarray(features.labels)
    record = {"levels": dict(features.levels), "labels": labels, **features._record()}
    pickle.dump(record, file, protocol=4)


_WRITERS = {".npz": _write_npz, ".pkl": _write_pkl}
