"""Built-in weights of EfficientNet-B0: trained on drawn pictures, no download needed.

What they are good for, and what not: docs/builtin-weights.md. `tools/builtin_weights` made them.
"""

import hashlib
import json
import zipfile
import zlib
from pathlib import Path

import numpy as np

from ..ground import UserError

#: The network that there are weights of.
BACKBONE = "efficientnet-b0"
FILE = Path(__file__).parent / "efficientnet-b0_builtin.npz"
FRAME = Path(__file__).parent / "efficientnet-b0_frame.npz"
RECORD = "record"

_UNREADABLE = (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile, zlib.error)


def load_weights(path: str | Path = FILE) -> tuple[dict[str, np.ndarray], dict]:
    """Read weights and their record.

    Parameters
    ----------
    path : path
        A ``.npz`` file as `tools/builtin_weights` writes it.

    Returns
    -------
    arrays : dict of str to ndarray
        float16 (kernels) and float32, by variable path, as ``stem_conv/kernel``.
    record : dict
        What the file says of itself: version, teacher, training, checksum.

    Raises
    ------
    UserError
        If the file is missing, cut off, or its arrays do not have the checksum that it states.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            record = json.loads(file[RECORD].tobytes())
            arrays = {name: file[name] for name in file.files if name != RECORD}
        intact = checksum(arrays) == record["sha256"]
    except _UNREADABLE:
        intact = False
    if not intact:
        raise UserError(
            f"the built-in weights {path} are damaged or missing: install adhelpers again, "
            "or choose other --weights"
        )
    return arrays, record


def checksum(arrays: dict[str, np.ndarray]) -> str:
    """Return the SHA-256 over names, types, shapes and bytes, in the order of the names."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        x = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {x.dtype.str} {x.shape}\n".encode())
        digest.update(x.tobytes())
    return digest.hexdigest()


def load_into(network, path: str | Path = FILE) -> dict:
    """Give a network the weights of a file; its normalisation keeps its own values.

    Parameters
    ----------
    network : keras.Model
    path : path

    Returns
    -------
    record : dict

    Raises
    ------
    UserError
        If the file is damaged, or of another network.
    """
    arrays, record = load_weights(path)
    variables = named_weights(network)
    shapes = {path: tuple(variable.shape) for path, variable in variables.items()}
    if shapes != {path: array.shape for path, array in arrays.items()}:
        raise UserError(f"{path} holds weights of {record.get('network', 'another network')}")
    for name, variable in variables.items():
        variable.assign(arrays[name].astype(np.float32))
    return record


def named_weights(network) -> dict:
    """Return a network's variables by path, without those of its normalisation."""
    return {v.path: v for v in network.weights if not v.path.startswith("normalization")}


def tflite_model(frame: str | Path = FRAME) -> bytes:
    """Return the network as a TFLite model, as `conversion.convert` makes it, without TensorFlow.

    The frame is such a model whose kernels are blank. The converter multiplies each kernel by the
    scales of the normalisation that follows it; so does this, and every bit is the converter's.
    `tools/builtin_weights/frame.py` makes the frame.

    Returns
    -------
    model : bytes
        The content of a ``.tflite`` file, for images of the network's own size.

    Raises
    ------
    UserError
        If a file is damaged or missing.
    """
    arrays, _ = load_weights()
    try:
        with np.load(frame, allow_pickle=False) as file:
            model, record = bytearray(file["model"].tobytes()), json.loads(file[RECORD].tobytes())
            for name, start in record["offsets"].items():
                data = scaled_kernel(arrays[name], file[name]).tobytes()
                model[start : start + len(data)] = data
        intact = hashlib.sha256(model).hexdigest() == record["sha256"]
    except _UNREADABLE:
        intact = False
    if not intact:
        raise UserError(
            f"the built-in network {frame} is damaged or missing, or does not go with its weights: "
            "install adhelpers again, or choose other --weights"
        )
    return bytes(model)


def scaled_kernel(kernel: np.ndarray, scales: np.ndarray) -> np.ndarray:
    """Return a kernel as it stands in a TFLite model.

    Parameters
    ----------
    kernel : ndarray, shape (h, w, I, O), or (h, w, C, 1) of a convolution by channel
        As Keras has it.
    scales : ndarray of float32, shape (O,) or (C,)
        Of its outputs.

    Returns
    -------
    scaled : ndarray of float32, shape (O, h, w, I) or (1, h, w, C)
    """
    moved = kernel.astype(np.float32).transpose(3, 0, 1, 2)
    return moved * (scales if len(moved) == 1 else scales[:, None, None, None])
