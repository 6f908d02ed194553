"""Writing the weights file, which `adhelpers.builtin` reads."""

import json
from pathlib import Path

import numpy as np

from adhelpers.backbones.builtin import RECORD, checksum


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
