"""Pictures with their rows of features, several at a time, in order."""

from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path

import numpy as np
from tqdm import tqdm

from ..datasets import Samples
from ..ground import ordered_map
from ..images import Picture, read_picture, stream
from .table import Row

Found = list[tuple[Picture, Row | None]]


def rows_of_files(
    extract, samples: Samples, known: dict[str, Row], workers: int
) -> Iterator[tuple[Picture, Row]]:
    """Yield every readable picture with its row, in order; decoding overlaps the network.

    Parameters
    ----------
    extract : Extractor
    samples : Samples
    known : dict of str to Row
        The rows that are there already, by the digests of their files.
    workers : int
        How many threads run the network.

    Raises
    ------
    UserError
        If an image cannot be read (unless the extractor skips such).
    """
    batches = _batches(extract, samples, known, workers)
    with tqdm(total=len(samples), desc="extract", unit="image", disable=None) as bar:
        for picture, row in chain.from_iterable(batches):
            bar.update()
            if row is not None:
                yield picture, row
            elif not extract.skip_bad_images:
                raise picture.error


def _batches(extract, samples: Samples, known: dict[str, Row], workers: int) -> Iterator[Found]:
    """Yield pictures with their rows, batch by batch, computed on several threads.

    A TFLite model takes one image at a time, and the thread that runs it decodes it as well: with
    threads of their own for either, more threads than cores would get into each other's way.
    """
    origin = extract.origin
    how = (origin.input_size, origin.protocol, known.keys())

    def one(item: tuple[int, Path]) -> Found:
        return _with_rows(extract, [read_picture(item, *how, origin.bits)], known)

    def several(pictures: list[Picture]) -> Found:
        return _with_rows(extract, pictures, known)

    if extract.model:
        return ordered_map(one, enumerate(samples.paths), workers)
    pictures = stream(samples.paths, *how, bits=origin.bits)
    batches = iter(lambda: list(islice(pictures, extract.batch_size)), [])
    return ordered_map(several, batches, workers)


def _with_rows(extract, pictures: list[Picture], known: dict[str, Row]) -> Found:
    """Return each picture with its row: known, or computed now; None if it is unreadable."""
    new = [picture for picture in pictures if picture.pixels is not None]
    rows = {picture.index: known[picture.digest] for picture in pictures if picture.is_known}
    if new:
        levels = extract.pooled(np.stack([picture.pixels for picture in new]))
        for i, picture in enumerate(new):
            rows[picture.index] = {name: x[i] for name, x in levels.items()}
    return [(picture, rows.get(picture.index)) for picture in pictures]
