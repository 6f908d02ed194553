"""Many images scored by a detector in one file: on all cores, and going on after a stop.

The detector runs by `adhelpers.edge` alone, an interpreter for each thread, so the scores are the
device's to the last bit, and nothing of TensorFlow is imported.
"""

import json
import math
import os
import threading
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from errno import EINVAL
from functools import partial
from hashlib import sha256
from pathlib import Path
from stat import S_ISREG

import cv2

from .. import edge, images
from ..ground import UserError, available_cores, ordered_map

Identity = tuple[str, int, int]  # an image file's path, size in bytes, and time of change in ns
Scores = tuple[float, dict[str, float]]  # the score, and the distances by level

_UNREADABLE = (OSError, ValueError, MemoryError, cv2.error)
_starting = threading.Lock()  # edge.Detector turns stderr off as it starts: one at a time


@dataclass(frozen=True, slots=True)
class Row:
    """What a detector says of one image.

    Parameters
    ----------
    path : str
    score : float or None
        Finite, higher is more anomalous; None with an error.
    threshold : float or None
        None if the detector has none and none was given.
    distances : dict of str to float
        By level; empty with an error.
    error : str or None
        Why there is no score, in one line.

    Examples
    --------
    >>> Row("a.png", 12.5, threshold=10.0).decision
    'ANOMALY'
    """

    path: str
    score: float | None = None
    threshold: float | None = None
    distances: dict[str, float] = field(default_factory=dict)
    error: str | None = None

    @property
    def decision(self) -> str | None:
        """``"normal"``, ``"ANOMALY"``, or None without a score or a threshold."""
        if self.score is None or self.threshold is None:
            return None
        return "normal" if self.score <= self.threshold else "ANOMALY"


def score_files(
    detector: bytes | str | Path,
    paths: Iterable[str | Path],
    threads: int | None = None,
    threshold: float | None = None,
    checkpoint: str | Path | None = None,
) -> Iterator[Row]:
    """Score image files; the parameters are those of `Scorer` and of its `rows`.

    Examples
    --------
    >>> for row in score_files("detector.tflite", ["a.png", "b.png"]):  # doctest: +SKIP
    ...     print(row.path, row.score, row.decision)
    """
    return Scorer(detector, threads, threshold).rows(paths, checkpoint)


class Scorer:
    """A detector in one file that scores images on several threads.

    Parameters
    ----------
    detector : bytes, str or Path
        A ``.tflite`` file as `adhelpers.export.build` makes it: its content, or its path.
    threads : int, optional
        How many images are under way at once, each on one thread; all cores when not given.
    threshold : float, optional
        Scores above it are anomalous; the detector's own when not given.
    image_statistics : bool
        Whether to add each image's light and sharpness to its distances.

    Attributes
    ----------
    levels : list of str
        The names of the distances, in their order, and of the statistics.
    threshold : float or None
    threads : int

    Raises
    ------
    UserError
        If the file cannot be read, is damaged, is no detector, or has no record; if `threads` or
        `threshold` is out of range.
    """

    def __init__(
        self,
        detector: bytes | str | Path,
        threads: int | None = None,
        threshold: float | None = None,
        image_statistics: bool = False,
    ):
        self._statistics = image_statistics
        self.threads = available_cores() if threads is None else threads
        most = edge.MOST_THREADS
        if not 1 <= self.threads <= most:
            raise UserError(f"{self.threads} threads: choose a whole number from 1 to {most}")
        if threshold is not None and not math.isfinite(threshold):
            raise UserError(f"the threshold must be a finite number, not {threshold}")
        self._name = "the detector" if isinstance(detector, bytes) else str(detector)
        self._content = detector if isinstance(detector, bytes) else _content(Path(detector))
        first = self._started()
        if not first.record:
            raise UserError(
                f"{self._name}: tells nothing about itself; write it by adhelpers fit or export"
            )
        self._idle = [first]
        more = images.STATISTICS if image_statistics else ()
        self.levels = [*first.record.get("levels", ()), *more]
        self.threshold = first.threshold if threshold is None else threshold

    def rows(
        self, paths: Iterable[str | Path], checkpoint: str | Path | None = None
    ) -> Iterator[Row]:
        """Score image files.

        Parameters
        ----------
        paths : iterable of str or Path
            Read only as far as the threads look ahead.
        checkpoint : path, optional
            A file to which each score is appended before its row is yielded. Scores that an
            earlier run left there are used again if they are of this detector (by its SHA-256),
            this threshold, and the same image, as its path, its size in bytes and its time of
            change in nanoseconds tell: like make and git, and unlike with a digest, no image has
            to be read twice. Errors are not kept, but looked into again. The file stays there;
            remove it once the rows are safe.

        Yields
        ------
        row : Row
            One per path, in their order; an image that cannot be scored comes with its error.

        Raises
        ------
        UserError
            If the checkpoint cannot be read or written.
        """
        if checkpoint is None:
            for _, row in ordered_map(partial(self._row, known={}), paths, self.threads):
                yield row
            return
        kind = " with statistics" if self._statistics else ""
        owner = f"{sha256(self._content).hexdigest()} {self.threshold!r}{kind}"
        with closing(_Checkpoint(checkpoint, owner)) as saved:
            work = partial(self._row, known=saved.known)
            for identity, row in ordered_map(work, paths, self.threads):
                if identity and identity not in saved.known:
                    saved.append(identity, (row.score, row.distances))
                yield row

    def _row(
        self, path: str | Path, known: Mapping[Identity, Scores]
    ) -> tuple[Identity | None, Row]:
        """Return what an image file is known by, None if it has no score, and its row."""
        with self._detector() as detector:
            try:
                identity, (score, distances) = _scores(detector, path, known, self._statistics)
            except _UNREADABLE as error:
                return None, Row(str(path), None, self.threshold, error=_reason(error, path))
        return identity, Row(str(path), score, self.threshold, distances)

    @contextmanager
    def _detector(self) -> Iterator[edge.Detector]:
        """Lend a detector that no other thread uses: an idle one, or else a new one."""
        try:
            detector = self._idle.pop()
        except IndexError:
            detector = self._started()
        try:
            yield detector
        finally:
            self._idle.append(detector)

    def _started(self) -> edge.Detector:
        try:
            with _starting:
                return edge.Detector(self._content, threads=1)
        except edge.EdgeError as error:
            reason = str(error).removeprefix("the model: ")
            raise UserError(f"{self._name}: {reason}") from error


def _content(path: Path) -> bytes:
    try:
        _check_regular(path)
        return path.read_bytes()
    except OSError as error:
        raise UserError(
            f"{path}: {error.strerror}; name a detector that adhelpers fit or export wrote"
        ) from error


def _scores(
    detector: edge.Detector, path: str | Path, known: Mapping[Identity, Scores], statistics: bool
) -> tuple[Identity, Scores]:
    """Score an image file, unless its scores are known."""
    _check_regular(path)
    with open(path, "rb") as file:
        status = os.fstat(file.fileno())
        identity = (str(path), status.st_size, status.st_mtime_ns)
        if identity in known:
            return identity, known[identity]
        image = edge.decode(file.read(), str(path), detector.bits)
    score, distances = detector.score(image)
    more = images.light_and_sharpness(image) if statistics else {}
    return identity, (score, {**distances, **more})


def _check_regular(path: str | Path) -> None:
    """Raise an OSError for a pipe, which would hang, or a device, which may have no end."""
    if not S_ISREG(os.stat(path).st_mode):
        raise OSError(EINVAL, "not a regular file")


def _reason(error: Exception, path: str | Path) -> str:
    """Return what an error says, in one line, without the path, which has its own column."""
    words = (isinstance(error, OSError) and error.strerror) or str(error) or type(error).__name__
    return " ".join(words.removeprefix(f"{path}: ").split())


class _Checkpoint:
    """Scores in a file that is only ever appended to, by one run or by several at once.

    A line stands for itself: a check sum, and as JSON what owns it, the image's identity, and its
    scores. So nothing is taken from a line that is cut off, or that another detector left there.
    The break before a line, not after it, keeps it apart from one that was cut off.

    Parameters
    ----------
    path : str or Path
    owner : str
        What the scores depend on, apart from the image.

    Attributes
    ----------
    known : dict of Identity to Scores
        What the file held at the start.
    """

    def __init__(self, path: str | Path, owner: str):
        self._path, self._owner = Path(path), owner
        try:
            self._file = open(path, "ab", buffering=0)  # noqa: SIM115 (closed by close)
            with open(path, "rb") as lines:
                self.known = dict(filter(None, map(self._parsed, lines)))
        except OSError as error:
            raise self._broken(error) from error

    def append(self, identity: Identity, scores: Scores) -> None:
        """Append the scores of one image, in one piece, so that they outlive this process."""
        text = json.dumps([self._owner, identity, scores]).encode()
        try:
            self._file.write(b"\n%08x %s" % (zlib.crc32(text), text))
        except OSError as error:
            raise self._broken(error) from error

    def close(self) -> None:
        self._file.close()

    def _parsed(self, line: bytes) -> tuple[Identity, Scores] | None:
        """Return what a line holds; None if it is not whole, or not of this owner."""
        check, _, text = line.rstrip(b"\n").partition(b" ")
        if check != b"%08x" % zlib.crc32(text):
            return None
        owner, identity, (score, distances) = json.loads(text)
        return (tuple(identity), (score, distances)) if owner == self._owner else None

    def _broken(self, error: OSError) -> UserError:
        return UserError(
            f"{self._path}: cannot be written ({error.strerror}); make room, or remove it"
        )
