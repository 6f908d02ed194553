"""The weights file: arrays by variable path, a record of where they come from, and a checksum."""

import hashlib
import json
from pathlib import Path

import numpy as np

RECORD = "record"


def save(path: str | Path, arrays: dict[str, np.ndarray], record: dict) -> None:
    """Write weights: kernels as float16, the few others as float32.

    Parameters
    ----------
    path : path
        A ``.npz`` file.
    arrays : dict of str to ndarray
        By variable path, as ``stem_conv/kernel``.
    record : dict
        What JSON can hold; the checksum is added as ``sha256``.
    """
    stored = {
        name: np.asarray(x, np.float16 if name.endswith("kernel") else np.float32)
        for name, x in arrays.items()
    }
    record = {**record, "sha256": checksum(stored)}
    text = np.frombuffer(json.dumps(record, indent=1).encode(), np.uint8)
    with Path(path).open("wb") as file:
        np.savez_compressed(file, **{RECORD: text}, **stored)


def load(path: str | Path) -> tuple[dict[str, np.ndarray], dict]:
    """Read weights and their record.

    Raises
    ------
    ValueError
        If the checksum does not fit the arrays.
    """
    with np.load(path, allow_pickle=False) as file:
        record = json.loads(file[RECORD].tobytes())
        arrays = {name: file[name] for name in file.files if name != RECORD}
    if checksum(arrays) != record["sha256"]:
        raise ValueError(f"{path} is damaged: its arrays do not have the checksum it states")
    return arrays, record


def checksum(arrays: dict[str, np.ndarray]) -> str:
    """Return the SHA-256 over names, types, shapes and bytes, in the order of the names."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        x = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {x.dtype.str} {x.shape}\n".encode())
        digest.update(x.tobytes())
    return digest.hexdigest()


def assign(model, arrays: dict[str, np.ndarray]) -> None:
    """Give a network its weights.

    Parameters
    ----------
    model : keras.Model
        Its normalisation keeps its own values.
    arrays : dict of str to ndarray
        By variable path.
    """
    for path, variable in named_weights(model).items():
        variable.assign(arrays[path].astype(np.float32))


def named_weights(model) -> dict:
    """Return a network's variables by path, without those of its normalisation."""
    return {v.path: v for v in model.weights if not v.path.startswith("normalization")}
