"""Images that travel with a detector, with their scores: does it score the same elsewhere?"""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from .. import edge
from ..ground import UserError, write_bytes


def write_reference(path: Path, model: bytes, images: Sequence[Path]) -> None:
    """Write image files, as they are, and their scores here, for `adhelpers.edge.verify`.

    Parameters
    ----------
    path : Path
        A ``.npz`` file.
    model : bytes
        As `adhelpers.export.build` makes it.
    images : sequence of Path

    Raises
    ------
    UserError
        If an image cannot be scored.
    """
    detector = edge.Detector(model)
    contents = [image.read_bytes() for image in images]
    try:
        scores = [
            detector.score(edge.decode(content, str(image), detector.bits))[0]
            for image, content in zip(images, contents, strict=True)
        ]
    except edge.EdgeError as error:
        raise UserError(str(error)) from error
    file = io.BytesIO()
    np.savez(
        file,
        detector=detector.digest,
        names=[image.name.encode("utf-8", "backslashreplace").decode() for image in images],
        scores=np.array(scores),
        ends=np.cumsum([len(content) for content in contents]),
        data=np.frombuffer(b"".join(contents), np.uint8),
    )
    write_bytes(path, file.getvalue())
