#!/usr/bin/env python3
"""Tell normal images from anomalous ones with a detector in one .tflite file.

This file needs nothing of its package. Copy it and the detector to a device with Python 3.8 or
newer, `pip install numpy opencv-python-headless ai-edge-litert`, and run::

    python edge.py detector.tflite image.png             # or several images, or folders
    find . -name '*.png' | python edge.py detector.tflite -
    python edge.py detector.tflite 0                     # the first camera, until Ctrl-C
    python edge.py detector.tflite --benchmark image.png
    python edge.py detector.tflite --overlay drawn image.png   # where, if the detector knows
    python edge.py detector.tflite --verify reference.npz      # the same scores as elsewhere?

or, in a program, `edge.Detector("detector.tflite").score(rgb_image)`. The command ends with 0; 2
if something was wrong with the detector or an image (a line each on stderr); 130 after Ctrl-C.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import io
import json
import math
import os
import re
import stat
import struct
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path

os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")  # our errors name the file; OpenCV's don't

import cv2
import numpy as np

#: The name under which a detector's file holds its record, a JSON text.
RECORD_NAME = b"ADHELPERS_DETECTOR"
#: What an exported file ends with, where no runtime looks, before the SHA-256 of all until there.
SEAL = b"ADHELPERS_SHA256"
#: How far scores may differ between machines, of their size, to count as the same.
TOLERANCE = 1e-3
#: More do no good, and a million end in a segmentation fault.
MOST_THREADS = 256

_CROP_RESIZE, _CROP_SIZE, _MOST_PIXELS = 256, 224, 2**28
_OPACITY, _COLOUR = 0.8, (230, 20, 20)
_SUFFIXES = {".bmp", ".jfif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}
_OF_THE_SYSTEM = {"lost+found", "__MACOSX", "$RECYCLE.BIN", "System Volume Information", "@eaDir"}
_OF_RESULTS = re.compile(r"(distances|pixel_scores)_.*\.csv|where_.*")
_PNG_START, _PNG_END = b"\x89PNG\r\n\x1a\n", b"IEND\xaeB`\x82"
_JPEG_START = b"\xff\xd8\xff"
_JPEG_MARKER = re.compile(rb"\xff([\x02-\xcf\xd9-\xfe])")  # of a segment, or the end
_RUNTIMES = ("ai_edge_litert.interpreter", "tflite_runtime.interpreter", "tensorflow.lite")


class EdgeError(ValueError):
    """Something that the user can put right, in one line."""


class Detector:
    """A detector, ready to score images.

    Parameters
    ----------
    model : path or bytes
        A ``.tflite`` file as `adhelpers export` writes it, or its content. Another model is taken
        if its shapes fit: one square RGB image in, one number out.
    threads : int
        Of the network.
    threshold : float, optional
        Scores above it are anomalous; the model's own when not given.

    Attributes
    ----------
    digest : str
        The SHA-256 that a sealed model ends with, hexadecimal; empty for another.
    record : dict
        What the model tells about itself; empty if it tells nothing.
    threshold : float or None
    bits : int
        How many bits of 16-bit images are in use.
    size : int
        The side of the network's images, in pixels.
    score_type : numpy type
        Of the score in the model.
    heat_map : ndarray of float32, shape (h, w), or None
        How far each part of the last image scored is from normal; None if the model has no such
        output.

    Raises
    ------
    EdgeError
        If the file cannot be read, is damaged, or is no such model, or a number is out of range.
    """

    def __init__(self, model, threads: int = 1, threshold: float | None = None):
        name = "the model" if isinstance(model, bytes) else str(model)
        content = model if isinstance(model, bytes) else _read(Path(model))
        if not 1 <= threads <= MOST_THREADS:
            raise EdgeError(f"{threads} threads: choose a whole number from 1 to {MOST_THREADS}")
        if not (threshold is None or _is_number(threshold)):
            raise EdgeError(f"the threshold must be a finite number, not {threshold}")
        interpreter_class = _runtime()
        try:
            self.record = _verified_record(content)
            with _quiet_stderr():
                interpreter = interpreter_class(model_content=content, num_threads=threads)
                self._invoke = interpreter.get_signature_runner()
                self._input, self._output = _signature(self._invoke)
                image = self._invoke.get_input_details()[self._input]
                score = self._invoke.get_output_details()[self._output]
                self.size, self._image_type = int(image["shape"][-2]), image["dtype"]
                self.score_type = score["dtype"]
                self.run(np.zeros((self.size, self.size, 3), np.uint8))  # the first run is slow
        except Exception as error:  # the runtimes raise all kinds
            raise EdgeError(f"{name}: not a detector that runs here ({_line(error)})") from error
        self.digest = content[-32:].hex() if content[-48:-32] == SEAL else ""
        self.bits = self.record.get("bits", 16)
        self.threshold = self.record.get("threshold") if threshold is None else float(threshold)

    def score(self, image: np.ndarray) -> tuple[float, dict[str, float]]:
        """Score an image of any size: RGB, uint8, shape (H, W, 3).

        Returns
        -------
        score : float
            Higher is more anomalous.
        distances : dict of str to float
            By level.
        """
        return self.run(self.prepare(image))

    def prepare(self, image: np.ndarray) -> np.ndarray:
        """Bring an image to the network's size, as it was done with the training images."""
        return to_square(image, self.size, self.record.get("protocol", "square"))

    def run(self, pixels: np.ndarray) -> tuple[float, dict[str, float]]:
        """Score an image of the network's size: RGB, uint8, shape (S, S, 3).

        A score that is no finite number, as of a damaged detector, is an EdgeError.
        """
        outputs = self._invoke(**{self._input: pixels[None].astype(self._image_type, copy=False)})
        self.heat_map = outputs["heat_map"][0] if "heat_map" in outputs else None
        distances = np.ravel(outputs.get("distances", ())).tolist()
        levels = zip(self.record.get("levels", ()), distances)  # noqa: B905 (newer than 3.8)
        score = outputs[self._output].item()
        if not math.isfinite(score):
            raise EdgeError(f"the score is {score}, not a finite number; is the detector damaged?")
        return score, dict(levels)

    def place(self, image: np.ndarray) -> list[int]:
        """Return where the image just scored is hottest: x and y, in its pixels."""
        top, left, height, width = self._window(image)
        rows, columns = self.heat_map.shape
        row, column = divmod(int(self.heat_map.argmax()), columns)
        return [
            int(left + (column + 0.5) * width / columns),
            int(top + (row + 0.5) * height / rows),
        ]

    def heat(self, image: np.ndarray, score: float, distances: dict[str, float]) -> np.ndarray:
        """Lay the heat of the image just scored over it, shape (H, W); 0 where it was not seen.

        It is in the unit of the score: the hottest that a place can be, the sum of the distances
        (but for the whole image's), counts as much as the score.
        """
        top, left, height, width = self._window(image)
        rows, columns = _pixels(top, height), _pixels(left, width)
        heat = np.zeros(image.shape[:2], np.float32)
        seen = heat[rows, columns]
        seen[:] = cv2.resize(self.heat_map, seen.shape[::-1], interpolation=cv2.INTER_LINEAR)
        most = sum(x for name, x in distances.items() if name != "pooled")
        return heat * (score / max(most, heat.max(), 1e-12))

    def overlay(self, image: np.ndarray, score: float, distances: dict[str, float]) -> np.ndarray:
        """Draw the heat of the image just scored over it, RGB."""
        return painted(image, strength(self.heat(image, score, distances), self.threshold))

    def _window(self, image: np.ndarray) -> tuple[float, float, float, float]:
        return seen_window(image.shape[:2], self.size, self.record.get("protocol", "square"))


def _signature(invoke) -> tuple[str, str]:
    """Return the names of a model's image and of its score, or raise a ValueError."""
    inputs, outputs = invoke.get_input_details(), invoke.get_output_details()
    image, score = next(iter(inputs)), "score" if "score" in outputs else min(outputs)
    taken, given = inputs[image]["shape"].tolist(), outputs[score]["shape"].tolist()
    if len(inputs) > 1 or taken != [1, taken[-2], taken[-2], 3] or np.prod(given) != 1:
        raise ValueError(f"it turns {taken} into {given}, not an RGB image into a score")
    return image, score


def _verified_record(model: bytes) -> dict:
    """Return a model's record, or raise an EdgeError if its bytes are not those of the export.

    One without a seal, older or made by other tools, is taken as it is.
    """
    sealed = model[-48:-32] == SEAL
    if sealed and hashlib.sha256(memoryview(model)[:-32]).digest() != model[-32:]:
        raise EdgeError("it is damaged: its checksum is another one; copy it again")
    record = read_record(model)
    if record.get("sealed") and not sealed:
        raise EdgeError("its checksum is missing: it was cut off, or changed after the export")
    return record


def read_record(model: bytes) -> dict:
    """Return what a detector's file tells about itself; an empty dict if it tells nothing.

    Raises
    ------
    EdgeError
        If the file is no model, or what it tells makes no sense.
    """
    if model[4:8] != b"TFL3":
        raise EdgeError("it is no .tflite file")
    try:
        text = _record_text(model)
        record = {} if text is None else json.loads(text)
    except (struct.error, ValueError, RecursionError) as error:
        raise EdgeError("it is cut off, or its record is no JSON") from error
    if not isinstance(record, dict):
        raise EdgeError(f"its record is {record!r:.40}, not an object of JSON")
    for name, (fits, words) in _RECORD.items():
        if name in record and not fits(record[name]):
            raise EdgeError(f"its record's {name} must be {words}, not {record[name]!r:.40}")
    return record


def _is_number(x) -> bool:
    """Tell whether this is a finite number."""
    if isinstance(x, bool) or not isinstance(x, (int, float, np.number)):
        return False
    return bool(abs(x) < 1e38)  # the largest of float32, in which scores are


def _are_sizes(x, count: int) -> bool:
    whole = isinstance(x, list) and all(type(n) is int and 0 < n < 2**31 for n in x)
    return whole and len(x) == count


#: What a record's values must be, in the program and in words.
_RECORD = {
    "threshold": (lambda x: x is None or _is_number(x), "a finite number"),
    "levels": (lambda x: isinstance(x, list) and all(type(n) is str for n in x), "a list of names"),
    "input_size": (lambda x: _are_sizes([x], 1), "a whole number above 0"),
    "image_shape": (lambda x: _are_sizes(x, 2), "a height and a width"),
    "protocol": (lambda x: x in ("square", "crop"), "square or crop"),
    "bits": (lambda x: type(x) is int and 8 <= x <= 16, "a whole number from 8 to 16"),
    "parameters": (lambda x: isinstance(x, dict), "an object"),
}


def _record_text(model: bytes) -> bytes | None:
    """Return the record as it stands in a model; None if there is none.

    The runtimes have no call for it, so the few tables on the way are read by hand: see
    https://flatbuffers.dev/internals. In the format's schema, field 4 of a model are its buffers
    and 6 its metadata; an entry of these has a name and the number of a buffer.
    """

    def number(kind: str, place: int) -> int:
        return struct.unpack_from("<" + kind, model, place)[0]

    def target(place: int) -> int:
        return place + number("I", place)

    def field(table: int, index: int) -> int:
        fields, entry = table - number("i", table), 4 + 2 * index
        offset = number("H", fields + entry) if entry < number("H", fields) else 0
        return table + offset if offset else 0

    def items(table: int, index: int) -> tuple[int, int]:
        place = field(table, index)
        return (target(place) + 4, number("I", target(place))) if place else (0, 0)

    def data(table: int, index: int) -> bytes:
        start, length = items(table, index)
        return model[start : start + length]

    root = target(0)
    start, count = items(root, 6)
    for entry in (target(start + 4 * i) for i in range(count)):
        if data(entry, 0) == RECORD_NAME:
            buffer = items(root, 4)[0] + 4 * number("I", field(entry, 1))
            return data(target(buffer), 0)
    return None


def decode(data: bytes, name: str = "image", bits: int = 16) -> np.ndarray:
    """Decode a file's bytes to RGB, uint8, shape (H, W, 3), like `adhelpers.images.decode`.

    `bits` is how many bits of 16-bit images are in use.
    """
    image, how = None, cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH
    if data and _has_its_end(data):
        with suppress(cv2.error):  # a header that promises too many pixels
            image = cv2.imdecode(np.frombuffer(_with_plain_alpha(data), np.uint8), how)
    if image is None or image.dtype not in (np.uint8, np.uint16):
        raise EdgeError(
            f"{name}: not a readable image, cut off, or larger than OpenCV reads "
            f"({len(data)} bytes)"
        )
    if image.dtype == np.uint16:
        if image.max() >> bits:
            raise EdgeError(
                f"{name}: reaches {image.max()}, beyond the {bits} bits (0-{2**bits - 1}) of the "
                "training images; fit with all bits of the camera, or check the camera"
            )
        image = (image >> (bits - 8)).astype(np.uint8)
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def _has_its_end(data: bytes) -> bool:
    """Tell whether a PNG or JPEG file has its end marker; more bytes may follow it.

    OpenCV tells it of the other formats in all of its versions, of these two in the latest alone.
    """
    if data.startswith(_PNG_START):
        return _PNG_END in data
    if not data.startswith(_JPEG_START):
        return True
    marker = _JPEG_MARKER.search(data, 2)
    while marker and marker[1] != b"\xd9":  # a segment, in which there may be another JPEG's end
        start = marker.end()
        marker = _JPEG_MARKER.search(data, start + int.from_bytes(data[start : start + 2], "big"))
    return marker is not None


def _with_plain_alpha(data: bytes) -> bytes:
    """Return a TIFF file whose colours OpenCV does not multiply by its alpha, as in the package.

    Where the file says that they are not yet multiplied (its tag 338), the copy says they are.
    """
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(data[:4])
    with suppress(struct.error):  # the table is cut off
        table = struct.unpack_from(order + "I", data, 4)[0] if order else 0
        count = struct.unpack_from(order + "H", data, table)[0] if order else 0
        for place in range(table + 2, table + 2 + 12 * count, 12):
            if struct.unpack_from(order + "HHIH", data, place) == (338, 3, 1, 2):
                return data[: place + 8] + struct.pack(order + "H", 1) + data[place + 10 :]
    return data


def to_square(image: np.ndarray, size: int, protocol: str = "square") -> np.ndarray:
    """Bring an image to the network's square size, like `adhelpers.images.to_square`."""
    if protocol == "square":
        return _resize(image, size, size)
    if protocol != "crop":
        raise EdgeError(f"unknown protocol {protocol!r}; choose one of: square, crop")
    scaled = _scaled(image.shape[:2], size)
    if scaled[0] * scaled[1] > _MOST_PIXELS:
        raise EdgeError("{} x {} pixels are too long to be cropped".format(*image.shape))
    image = _resize(image, *scaled)
    top, left = (image.shape[0] - size) // 2, (image.shape[1] - size) // 2
    return np.ascontiguousarray(image[top : top + size, left : left + size])


def seen_window(shape: tuple[int, int], size: int, protocol: str = "square") -> tuple:
    """Return top, left, height and width of what is seen, like `adhelpers.images.seen_window`."""
    if protocol == "square":
        return (0.0, 0.0, *map(float, shape))
    scaled = _scaled(shape, size)
    y, x = shape[0] / scaled[0], shape[1] / scaled[1]
    return (scaled[0] - size) // 2 * y, (scaled[1] - size) // 2 * x, size * y, size * x


def _scaled(shape: tuple[int, int], size: int) -> tuple[int, int]:
    """Return the height and width to resize to before the crop, in pixels."""
    scale = size * _CROP_RESIZE / _CROP_SIZE / min(shape)
    return round(shape[0] * scale), round(shape[1] * scale)


def _pixels(start: float, length: float) -> slice:
    """Return the pixels of a line that a part of it covers: one at least."""
    first = round(start)
    return slice(first, max(round(start + length), first + 1))


def strength(heat: np.ndarray, threshold: float) -> np.ndarray:
    """Return how strongly heat, in the unit of the score, is drawn, 0-1.

    A normal image has some everywhere: nothing up to half the threshold, and all of the colour
    from one and a half thresholds on.
    """
    return np.clip(heat / threshold - 0.5, 0, 1)


def painted(image: np.ndarray, strength: np.ndarray) -> np.ndarray:
    """Paint a grey copy of an image, RGB, red by a strength, 0-1, shape (H, W)."""
    strength = _OPACITY * strength[..., None]
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[..., None]
    return np.rint((1 - strength) * grey + strength * _COLOUR).astype(np.uint8)


def _resize(image: np.ndarray, height: int, width: int) -> np.ndarray:
    shrinks = height <= image.shape[0] and width <= image.shape[1]
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return cv2.resize(image, (width, height), interpolation=method)


def images(
    sources: list[str], count: int | None = None, bits: int = 16
) -> Iterator[tuple[str, object]]:
    """Yield the name of each image, and the image (RGB) or an EdgeError: why it cannot be read.

    Parameters
    ----------
    sources : list of str
        Files, folders, ``-`` for a list of files on stdin, or the numbers of cameras.
    count : int, optional
        How many pictures to take from a camera; endless when not given.
    bits : int
        See `decode`.
    """
    for source in sources:
        if source.isdecimal() and not os.path.exists(source):
            yield from _camera(source, count)
            continue
        files = [Path(source)]
        if source == "-":
            files = (Path(line.rstrip("\r\n")) for line in sys.stdin if line.strip())
        elif os.path.isdir(source):
            files, others, closed = _images_below(source)
            if others:
                words = ", ".join(f"{count} {kind}" for kind, count in sorted(others.items()))
                _warn(f"{source}: left out, as no images by their names: {words}")
            for error in closed:
                name = str(error.filename)
                yield name, EdgeError(f"{name}: {error.strerror}; cannot be listed")
        for file in files:
            try:
                image = decode(_read(file), str(file), bits)
            except EdgeError as error:
                image = error
            yield str(file), image


def _images_below(folder: str) -> tuple[list[Path], Counter, list[OSError]]:
    """Return the images in a folder and below it, what else is there, and what cannot be listed.

    What is hidden, of the system, or the results of commands is left out, and links to folders are
    not followed, as in the package.
    """
    found, others, closed = [], Counter(), []
    for place, folders, names in os.walk(folder, onerror=closed.append):
        below = [Path(place, name) for name in folders if _is_taken(name)]
        links = [path for path in below if path.is_symlink()]
        folders[:] = [x.name for x in below if x not in links and not _is_results(x)]
        others["link to a folder"] += len(links)
        for path in (Path(place, name) for name in names if _is_taken(name)):
            if path.suffix.lower() in _SUFFIXES:
                found.append(path)
            else:
                others[path.suffix or path.name] += 1
    return sorted(found, key=lambda path: path.parts), +others, closed


def _is_taken(name: str) -> bool:
    return not name.startswith(".") and name not in _OF_THE_SYSTEM


def _is_results(folder: Path) -> bool:
    """Tell whether a folder holds what the package's commands write."""
    with suppress(OSError):  # the walk tells
        if any(map(_OF_RESULTS.fullmatch, os.listdir(folder))):
            return not (folder / "train").is_dir()
        below = (folder / "feats").glob("*.npz"), (folder / "tables").glob("table_*")
        return any(next(found, None) for found in below)
    return False


def _camera(source: str, count: int | None) -> Iterator[tuple[str, np.ndarray]]:
    if len(source) > 9:
        raise EdgeError(f"camera {source:.20}: there is no such number; the first camera is 0")
    index = int(source)
    camera = cv2.VideoCapture(index)
    try:
        for number in range(sys.maxsize if count is None else count):
            there, frame = camera.read()
            if not there:
                raise EdgeError(f"camera {index} gives no picture; is it there, and not in use?")
            yield f"camera {index} picture {number}", cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)
    finally:
        camera.release()


def benchmark(detector: Detector, image: np.ndarray, repeats: int = 200) -> dict[str, float]:
    """Return the times from a decoded image to its score; on Linux, also facts on the process.

    These are the seconds from its start to the first score, and the most memory that it has had.
    """
    detector.score(image)
    measured, marks = {}, np.empty((repeats, 3))
    if sys.platform == "linux":
        ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
        started = ticks / os.sysconf("SC_CLK_TCK")
        measured["cold_start_s"] = time.clock_gettime(time.CLOCK_BOOTTIME) - started
    for mark in marks:
        mark[0] = time.perf_counter()
        pixels = detector.prepare(image)
        mark[1] = time.perf_counter()
        detector.run(pixels)
        mark[2] = time.perf_counter()
    for name, first in (("score", 0), ("score_without_resizing", 1)):
        milliseconds = 1e3 * (marks[:, 2] - marks[:, first])
        for percent in (50, 95, 99):
            measured[f"{name}_p{percent}_ms"] = float(np.percentile(milliseconds, percent))
    if sys.platform == "linux":
        status = Path("/proc/self/status").read_text()
        measured["peak_memory_mb"] = int(status.partition("VmHWM:")[2].split()[0]) / 2**10
    return {name: round(value, 3) for name, value in measured.items()}


def verify(detector: Detector, reference: bytes) -> list[tuple[str, float, float]]:
    """Score the images of a reference file again, as `adhelpers export --reference` writes it.

    Returns
    -------
    rows : list of (str, float, float)
        Of each image its name, its score here, and the relative difference from the score there.

    Raises
    ------
    EdgeError
        If the file is damaged, or of another detector, or an image cannot be scored.
    """
    try:
        with np.load(io.BytesIO(reference), allow_pickle=False) as file:
            digest, names = str(file["detector"]), list(map(str, file["names"]))
            scores, ends, data = list(map(float, file["scores"])), file["ends"], file["data"]
        parts = [part.tobytes() for part in np.split(data, ends[:-1])]
        if not 0 < len(parts) == len(names) == len(scores) or ends[-1] != len(data):
            raise ValueError("its parts do not fit together")
        if not all(map(math.isfinite, scores)):
            raise ValueError("a score is no finite number")
    except Exception as error:  # NumPy and zipfile raise all kinds
        raise EdgeError(
            "the reference is damaged, or none; take the .npz that was written beside the detector"
        ) from error
    if digest != detector.digest:
        raise EdgeError(
            f"the reference is of another detector (SHA-256 {digest[:12]}..., "
            f"not {detector.digest[:12] or 'none'}...); take the one that was written beside it"
        )
    rows = []
    for name, part, there in zip(names, parts, scores):  # noqa: B905 (newer than 3.8)
        score, _ = detector.score(decode(part, name, detector.bits))
        rows.append((name, score, abs(score - there) / max(abs(there), 1e-12)))
    return rows


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code."""
    options = _options(arguments)
    if sys.stdout is None:
        _warn("there is no stdout to write to")
        return 2
    for stream, errors in ((sys.stdin, "surrogateescape"), (sys.stdout, "backslashreplace")):
        if hasattr(stream, "reconfigure"):  # a name may be any bytes
            stream.reconfigure(errors=errors)
    try:
        return _score_all(options)
    except EdgeError as error:
        _warn(error)
        return 2
    except KeyboardInterrupt:
        return 130
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what is left to write
        if isinstance(error, BrokenPipeError):  # whoever read the output has had enough
            return 0
        _warn(f"stdin or stdout: {error.strerror}")
        return 2


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("edge.py", description="Tell normal images from anomalous.")
    parser.error = lambda message: parser.exit(2, f"edge.py: {message}; see edge.py --help\n")
    add = parser.add_argument
    add("detector", help="a .tflite file as `adhelpers export` writes it")
    add("images", nargs="*", help="images, folders, - for paths on stdin, or a camera's number")
    add("--format", choices=("text", "csv", "json"), default="text", help="json: an object a line")
    add("--threshold", type=float, metavar="T", help="instead of the detector's own")
    add("--threads", type=int, metavar="N", default=min(4, os.cpu_count() or 1))
    add("--frames", type=int, metavar="N", help="pictures of a camera; endless when not given")
    add("--overlay", metavar="DIR", help="draw where each image is abnormal, to DIR/NAME.png")
    add("--verify", metavar="FILE", help="score a reference's images and compare, instead")
    add("--benchmark", action="store_true", help="time the first image instead of scoring all")
    options = parser.parse_intermixed_args(arguments)
    if not options.images and options.verify is None:
        parser.error("the following arguments are required: images")
    return options


def _score_all(options: argparse.Namespace) -> int:
    if "" in (options.detector, options.overlay, *options.images):
        raise EdgeError("an empty name; name a file or folder, or leave the option out")
    if options.frames is not None and options.frames < 1:
        raise EdgeError(f"{options.frames} frames: choose a whole number from 1 on")
    detector = Detector(options.detector, options.threads, options.threshold)
    if options.verify is not None:
        return _verify(detector, options.verify)
    if not detector.record:
        _warn(f"{options.detector}: tells nothing about itself; images are resized to a square")
    if detector.threshold is None:
        _warn("the model has no threshold, so nothing is decided; give one with --threshold")
    drawings = Drawings(options.overlay, detector) if options.overlay else None
    if options.format == "csv" and not options.benchmark:
        where = "" if detector.heat_map is None else ",x,y"
        print(f"path,score,threshold,decision{where}", flush=True)
    trained_on, code, image = detector.record.get("image_shape"), 0, None
    for name, image in images(options.images, options.frames, detector.bits):
        try:
            if isinstance(image, EdgeError):
                raise image
            if options.benchmark:
                print(json.dumps(benchmark(detector, image), indent=2), flush=True)
                break
            if _has_other_aspect(image, trained_on):
                height, width = image.shape[:2]
                _warn(f"{name}: {height} x {width}, another aspect than the training images'")
                trained_on = None  # once is enough
            score, distances = detector.score(image)
            place = None if detector.heat_map is None else detector.place(image)
            _print(options.format, name, score, distances, detector.threshold, place)
            if drawings:
                drawings.write(name, detector.overlay(image, score, distances))
        except (EdgeError, cv2.error, MemoryError) as error:  # the others may be better
            _warn(error if error is image else f"{name}: {_line(error)}")
            code = 2
    if image is None:
        raise EdgeError(f"no images in {', '.join(options.images)}")
    return code


def _verify(detector: Detector, path: str) -> int:
    rows = verify(detector, _read(Path(path)))
    for name, score, difference in rows:
        print(f"{_shown(name)}  {score:.6g}  {difference:.1e}")
    largest = max(difference for *_, difference in rows)
    print(f"{len(rows)} images, largest relative difference {largest:.1e}", flush=True)
    if largest > TOLERANCE:
        _warn(f"above {TOLERANCE:g}: set the threshold by normal images that are scored here")
        return 2
    return 0


def _has_other_aspect(image: np.ndarray, trained_on: list[int] | None) -> bool:
    if not trained_on:
        return False
    return abs(np.divide(*image.shape[:2]) / np.divide(*trained_on) - 1) > 0.02


def _print(form: str, path: str, score: float, distances: dict, threshold, place) -> None:
    decision = None if threshold is None else "normal" if score <= threshold else "ANOMALY"
    row = {"path": path, "score": score, "threshold": threshold, "decision": decision}
    if form == "json":
        where = {"place": place} if place else {}
        print(json.dumps({**row, "distances": distances, **where}))
    elif form == "csv":
        cells = [*row.values(), *(place or ())]
        csv.writer(sys.stdout, lineterminator="\n").writerow(cells)
    else:
        where = "at x={} y={}".format(*place) if place else ""
        print("  ".join(filter(None, (_shown(path), f"{score:.3f}", decision, where))))
    sys.stdout.flush()  # a line is there as soon as its image is


class Drawings:
    """A folder of pictures, one by one; none replaces another of the same run.

    Raises
    ------
    EdgeError
        If the detector has no heat map, or no threshold above 0, or the folder cannot be made.
    """

    def __init__(self, folder: str, detector: Detector):
        if detector.heat_map is None:
            raise EdgeError(
                "--overlay: the detector has no heat map; fit it with --detector local or both"
            )
        if not (detector.threshold and detector.threshold > 0):
            raise EdgeError("--overlay needs a threshold above 0; give one with --threshold")
        self._folder, self._taken = Path(folder), set()
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise EdgeError(f"{folder}: {error.strerror}; cannot be made") from error

    def write(self, name: str, picture: np.ndarray) -> None:
        """Write an image's picture, RGB, whole or not at all; a second NAME becomes NAME-2."""
        stem = unused = Path(name).stem
        count = 1
        while unused.lower() in self._taken:
            count += 1
            unused = f"{stem}-{count}"
        self._taken.add(unused.lower())
        path = self._folder / f"{unused}.png"
        temporary = self._folder / f".{os.getpid()}.png"
        try:
            temporary.write_bytes(cv2.imencode(".png", picture[..., ::-1])[1].tobytes())
            temporary.replace(path)
        except OSError as error:
            with suppress(OSError):
                temporary.unlink()
            raise EdgeError(f"{path}: {error.strerror}; cannot be written") from error


def _runtime():
    """Return the interpreter's class, of the first runtime that is installed."""
    for module in _RUNTIMES:
        try:
            return import_module(module).Interpreter
        except ImportError:
            continue
    raise EdgeError("no runtime is installed; pip install ai-edge-litert")


@contextmanager
def _quiet_stderr() -> Iterator[None]:
    """Leave out the lines that the runtime writes of its own as it starts."""
    stderr, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        os.close(nowhere)


def _read(path: Path) -> bytes:
    """Read a regular file: a pipe would hang, and a device may have no end."""
    try:
        status = os.stat(path)
        readable = stat.S_ISREG(status.st_mode) and status.st_size < 2**31
        data = path.read_bytes() if readable else None
    except (OSError, ValueError, MemoryError) as error:
        reason = getattr(error, "strerror", None) or _line(error)
        raise EdgeError(f"{path}: {reason}; cannot be read") from error
    if data is None:
        raise EdgeError(f"{path}: not a regular file of less than 2 GB; cannot be read")
    return data


def _line(error: BaseException) -> str:
    """Return what an error says, in one line."""
    return " ".join(str(error).split())[:200] or type(error).__name__


def _shown(text: str) -> str:
    """Return a text without what could break a line or colour a terminal."""
    return "".join(x if x.isprintable() else ascii(x)[1:-1] for x in text)


def _warn(message: object) -> None:
    print(f"edge.py: {_shown(str(message))}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
