"""FeatureSet: the features of a set of images, and the files that hold them."""

import json
import pickle
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from .errors import UserError
from .files import written_whole

#: What the features came from; two sets may be compared only where all of these agree.
ORIGIN_FIELDS = (
    "backbone",
    "weights",
    "input_size",
    "protocol",
    "engine",
    "precision",
    "calibration",
)


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
    origin : dict
        The fields of `ORIGIN_FIELDS`.

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
    origin: dict = field(default_factory=dict)

    @classmethod
    def from_arrays(
        cls, levels: dict[str, np.ndarray], labels: Sequence[int] | None = None, **origin
    ) -> "FeatureSet":
        """Make a FeatureSet of plain arrays, shape (N, D_l) each."""
        count = len(next(iter(levels.values())))
        labels = np.zeros(count, dtype=int) if labels is None else np.asarray(labels, dtype=int)
        kinds = ["anomalous" if label else "good" for label in labels]
        arrays = {name: np.asarray(x, dtype=np.float32) for name, x in levels.items()}
        return cls(arrays, labels, kinds, [""] * count, [""] * count, origin)

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def widths(self) -> dict[str, int]:
        """dict of str to int: the number of features at each level."""
        return {name: array.shape[1] for name, array in self.levels.items()}

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
        unknown = [name for name in names if name not in self.levels]
        if unknown:
            raise UserError(f"unknown level {unknown[0]!r}; there are: {', '.join(self.levels)}")
        return replace(self, levels={name: self.levels[name] for name in names})

    def save(self, path: str | Path) -> None:
        """Write an ``.npz`` file (compact, everything in it) or a ``.pkl`` file.

        The ``.pkl`` holds plain containers and NumPy arrays: ``pickle.load`` reads it without
        this package. The file is written whole or not at all.

        Raises
        ------
        UserError
            If the suffix is neither.
        OSError
            If the folder cannot be written to.
        """
        path = Path(path)
        if path.suffix not in _WRITERS:
            raise UserError(f"{path}: features are saved as .npz or .pkl, not {path.suffix!r}")
        with written_whole(path) as temporary, temporary.open("wb") as file:
            _WRITERS[path.suffix](self, file)

    @classmethod
    def load(cls, path: str | Path) -> "FeatureSet":
        """Read what `save` wrote; a ``.pkl`` may not make any object but plain ones.

        Raises
        ------
        UserError
            If the file is not there, cut off, of another kind, or holds forbidden objects.
        """
        path = Path(path)
        if path.suffix not in _READERS:
            raise UserError(f"{path}: features are read from .npz or .pkl, not {path.suffix!r}")
        if not path.exists():
            raise UserError(f"{path}: there is no such features file; extract them first")
        try:
            return _READERS[path.suffix](cls, path)
        except UserError:
            raise
        except (
            OSError,
            EOFError,
            KeyError,
            ValueError,
            TypeError,
            AttributeError,
            IndexError,
            ImportError,
            zipfile.BadZipFile,
            pickle.UnpicklingError,
        ) as error:
            raise UserError(
                f"{path}: not a features file, or cut off ({error}); delete it and extract again"
            ) from error


def differing_fields(one: dict, other: dict) -> list[str]:
    """Return, in words, the origin fields in which two feature sets differ.

    Examples
    --------
    >>> differing_fields({"precision": "float32"}, {"precision": "int8"})
    ["precision ('float32', 'int8')"]
    """
    return [
        f"{name} ({one.get(name)!r}, {other.get(name)!r})"
        for name in ORIGIN_FIELDS
        if one.get(name) != other.get(name)
    ]


def _write_npz(features: FeatureSet, file) -> None:
    record = {
        "levels": list(features.levels),
        "defect_types": list(features.defect_types),
        "paths": [str(path) for path in features.paths],
        "digests": list(features.digests),
        "origin": features.origin,
    }
    arrays = {f"level/{name}": array for name, array in features.levels.items()}
    np.savez(file, record=json.dumps(record), labels=features.labels, **arrays)


def _read_npz(cls, path: Path) -> FeatureSet:
    with np.load(path, allow_pickle=False) as file:
        record = json.loads(str(file["record"]))
        levels = {name: file[f"level/{name}"] for name in record.pop("levels")}
        return cls(levels=levels, labels=file["labels"], **record)


def _write_pkl(features: FeatureSet, file) -> None:
    record = {
        "levels": dict(features.levels),
        "labels": np.asarray(features.labels),
        "defect_types": list(features.defect_types),
        "paths": [str(path) for path in features.paths],
        "digests": list(features.digests),
        "origin": dict(features.origin),
    }
    pickle.dump(record, file, protocol=4)


class _PlainUnpickler(pickle.Unpickler):
    """An unpickler that makes NumPy arrays and plain containers, and nothing else."""

    _ALLOWED = frozenset(
        (module, name)
        for module in ("numpy", "numpy.core.multiarray", "numpy._core.multiarray")
        for name in ("ndarray", "dtype", "_reconstruct", "scalar")
    ) | {
        ("numpy._core.numeric", "_frombuffer"),
        ("numpy.core.numeric", "_frombuffer"),
        ("_codecs", "encode"),
    }

    def find_class(self, module: str, name: str):
        if (module, name) not in self._ALLOWED:
            raise UserError(
                f"{self.path}: refused, it would make a {module}.{name}; a features file holds "
                "NumPy arrays and plain containers alone (do not unpickle files of others)"
            )
        return super().find_class(module, name)

    def __init__(self, file, path: Path):
        super().__init__(file)
        self.path = path


def _read_pkl(cls, path: Path) -> FeatureSet:
    with path.open("rb") as file:
        return cls(**_PlainUnpickler(file, path).load())


_WRITERS = {".npz": _write_npz, ".pkl": _write_pkl}
_READERS = {".npz": _read_npz, ".pkl": _read_pkl}
