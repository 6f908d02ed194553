"""Another record in a detector's file, and nothing else changed."""

import json
import struct
from hashlib import sha256

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from .. import edge
from ..detector.thresholds import conformal
from ..ground import UserError, timestamp
from .detector_graph import sealed

#: How a new threshold is set from scores of new normal images.
RECALIBRATIONS = {
    "conformal": conformal,
    "quantile": lambda scores, share: float(np.quantile(scores, share)),
}


def recalibrated(model: bytes, scores: np.ndarray, threshold: float, how: str) -> bytes:
    """Put a new threshold into a sealed detector, and where it comes from.

    The file grows by the new record, to which the one buffer of the old then points; not a byte
    of the graph or its numbers changes.

    Parameters
    ----------
    model : bytes
        As `adhelpers.export.build` makes it.
    scores : ndarray, shape (N,)
        Of the new normal images.
    threshold : float
    how : str
        In words, for the record.

    Raises
    ------
    UserError
        If it is no detector with a seal.
    """
    try:
        edge.Detector(model)
    except edge.EdgeError as error:
        raise UserError(str(error).removeprefix("the model: ")) from error
    record = edge.read_record(model)
    if not record.get("sealed"):
        raise UserError("it has no seal; export it again by this version")
    record = {**record, "threshold": threshold, "history": history(model, how, len(scores))}
    return sealed(_with_record(model[:-48], record))


def history(model: bytes, what: str, n_images: int) -> list[dict]:
    """Return the history of what is made of a detector: its own, and this change of it.

    Parameters
    ----------
    model : bytes
        A detector's file.
    what : str
        In words.
    n_images : int
        How many new images the change rests on.

    Returns
    -------
    changes : list of dict
        Of each what it was, its date, the number of images, the SHA-256 of the file that it was
        made to (``parent``), and the threshold, and number of images fitted on, of that.
    """
    record = edge.read_record(model)
    change = {
        "what": what,
        "date": timestamp(),
        "images": n_images,
        "parent": sha256(model).hexdigest(),
        "threshold_before": record.get("threshold"),
        "n_train_before": record.get("n_train"),
    }
    return [*record.get("history", ()), change]


def _with_record(model: bytes, record: dict) -> bytes:
    """Append a record, and let the offset in the buffer of the old one lead to it."""
    root = schema.Model.GetRootAs(model, 0)
    entries = map(root.Metadata, range(root.MetadataLength()))
    place = next(entry.Buffer() for entry in entries if entry.Name() == edge.RECORD_NAME)
    table = root.Buffers(place)._tab
    offset = table.Pos + table.Offset(4)  # its field data
    text = json.dumps(record).encode()
    changed = bytearray(model)
    changed += bytes(-(len(changed) + 4) % 16)  # the schema aligns the data by 16
    struct.pack_into("<I", changed, offset, len(changed) - offset)
    return bytes(changed + struct.pack("<I", len(text)) + text)
