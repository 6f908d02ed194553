"""Scores of many images by a detector in one file, as Parquet, a file for each partition."""

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import cv2

from .. import edge
from ..export import Row, as_parquet, columns
from ..ground import UserError
from . import storage
from .blocks import fetched
from .engine import in_parallel
from .folders import shared_folder
from .urls import Source, list_urls
from .worker import detector_of, digest_of, versions

#: Images of a partition.
PARTITION = 512


class _Task(NamedTuple):
    images: list[Source]
    model: str
    threshold: float | None
    place: str


def score(
    urls: str | Path | Iterable,
    detector: bytes | str | Path,
    client=None,
    folder: str | None = None,
    threshold: float | None = None,
    partition: int = PARTITION,
):
    """Score images on a cluster.

    Parameters
    ----------
    urls : str, Path, or iterable of them or of Source
        See `list_urls`.
    detector : bytes, str or Path
        A ``.tflite`` file as `adhelpers.export.build` makes it: its content, or its path.
    client : distributed.Client, optional
        Where not given, all is done in this process.
    folder : str, optional
        Where the scores are written, a path or URL that all workers reach. A run that is given
        the same again goes on from the partitions that are there. A temporary one when not given.
    threshold : float, optional
        Scores above it are anomalous; the detector's own when not given.
    partition : int
        How many images are scored by one task.

    Returns
    -------
    scores : dask.dataframe.DataFrame
        A row per image, by URL: path, score, threshold, decision, the distances by level, and the
        error of an image that has no score.

    Raises
    ------
    UserError
        If there are no images, the detector is none, the cluster does not answer, or partitions
        are missing at the end.
    """
    import dask.dataframe as dd
    import pandas as pd

    places, levels = score_to(urls, detector, client, folder, threshold, partition)
    texts = {"path", "decision", "error"}
    meta = pd.DataFrame(
        {name: pd.Series(dtype="str" if name in texts else float) for name in columns(levels)}
    )
    return dd.from_map(_table, places, meta=meta)


def score_to(
    urls: str | Path | Iterable,
    detector: bytes | str | Path,
    client=None,
    folder: str | None = None,
    threshold: float | None = None,
    partition: int = PARTITION,
) -> tuple[list[str], list[str]]:
    """Do the same, and return the URLs of the Parquet files, in order, and the levels' names."""
    content = detector if isinstance(detector, bytes) else storage.read(str(detector)).getvalue()
    levels, own = _levels_and_threshold(content)
    threshold = own if threshold is None else threshold
    if threshold is not None and not math.isfinite(threshold):
        raise UserError(f"the threshold must be a finite number, not {threshold}")
    images = as_sources(urls)
    folder = f"{shared_folder(folder, client)}/scores"
    tasks = []
    for start in range(0, len(images), partition):
        some = images[start : start + partition]
        facts = [digest_of(content), threshold, versions(), [[x.url, x.version] for x in some]]
        name = sha256(json.dumps(facts).encode()).hexdigest()[:32]
        tasks.append(_Task(some, facts[0], threshold, f"{folder}/{name}.parquet"))
    there = storage.names_in(folder)
    missing = [task for task in tasks if task.place.rpartition("/")[2] not in there]
    in_parallel(client, _score_partition, missing, "score", content)
    return [task.place for task in tasks], levels


def read_rows(places: Iterable[str], levels: Sequence[str]) -> Iterator[Row]:
    """Yield the rows of the files that `score_to` names, one file after the other."""
    from pyarrow import parquet

    for place in places:
        for row in parquet.read_table(storage.read(place)).to_pylist():
            distances = {} if row["score"] is None else {name: row[name] for name in levels}
            yield Row(row["path"], row["score"], row["threshold"], distances, row["error"])


def as_sources(urls: str | Path | Iterable) -> list[Source]:
    """Return images as `list_urls` does, unless they are listed already."""
    urls = [urls] if isinstance(urls, str | Path) else list(urls)
    if urls and all(isinstance(url, Source) for url in urls):
        return sorted(set(urls))
    return list_urls(urls)[0]


def _levels_and_threshold(content: bytes) -> tuple[list[str], float | None]:
    try:
        detector = edge.Detector(content)
    except edge.EdgeError as error:
        raise UserError(str(error)) from None
    if "levels" not in detector.record:
        raise UserError("the detector tells nothing about itself; write it by adhelpers fit")
    return detector.record["levels"], detector.threshold


def _score_partition(task: _Task) -> None:
    """Score the images of a partition into a Parquet file."""
    detector = detector_of(task.model)
    rows = [
        _row(detector, image, content, task.threshold)
        for chunk, contents in fetched(task.images)
        for image, content in zip(chunk, contents, strict=True)
    ]
    storage.write(task.place, as_parquet(detector.record["levels"], rows))


def _row(
    detector: edge.Detector, image: Source, content: bytes | Exception, threshold: float | None
) -> Row:
    path = storage.shown(image.url)
    try:
        if isinstance(content, Exception):
            raise content
        score, distances = detector.score(edge.decode(content, path, detector.bits))
    except (OSError, ValueError, MemoryError, cv2.error) as error:
        return Row(path, None, threshold, error=storage.reason(error, path))
    return Row(path, score, threshold, distances)


def _table(place: str):
    import pandas as pd

    return pd.read_parquet(storage.read(place))
