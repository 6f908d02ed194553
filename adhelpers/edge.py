#!/usr/bin/env python3
"""Tell normal images from anomalous ones with a detector in one .tflite file.

This file needs nothing of its package. Copy it and the detector to a device with Python 3.8 or
newer, `pip install numpy opencv-python-headless ai-edge-litert`, and run

    python edge.py detector.tflite image.png             # or several images, or folders
    find . -name '*.png' | python edge.py detector.tflite -
    python edge.py detector.tflite 0                     # the first camera, until Ctrl-C
    python edge.py detector.tflite --benchmark image.png
    python edge.py detector.tflite --overlay drawn image.png   # where, if the detector knows

or, in a program, `edge.Detector("detector.tflite").score(rgb_image)`. The command ends with 0; 2
if something was wrong with the detector or an image (a line each on stderr); 130 after Ctrl-C.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import struct
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path

os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")  # our errors name the file; OpenCV's don't

import cv2
import numpy as np

#: The name under which a detector's file holds its record, a JSON text.
RECORD_NAME = b"ADHELPERS_DETECTOR"

_CROP_RESIZE, _CROP_SIZE = 256, 224
_OPACITY, _COLOUR = 0.8, (230, 20, 20)
_SUFFIXES = {".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}
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
    record : dict
        What the model tells about itself; empty if it tells nothing.
    threshold : float or None
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
        If the file cannot be read, is cut off, or is no such model.
    """

    def __init__(self, model, threads: int = 1, threshold: float | None = None):
        name = "the model" if isinstance(model, bytes) else str(model)
        content = model if isinstance(model, bytes) else _read(Path(model))
        interpreter_class = _runtime()
        self.record = {}
        try:
            with _quiet_stderr():
                interpreter = interpreter_class(model_content=content, num_threads=threads)
                self._invoke = interpreter.get_signature_runner()
                self._input, self._output = _signature(self._invoke)
                image = self._invoke.get_input_details()[self._input]
                score = self._invoke.get_output_details()[self._output]
                self.size, self._image_type = int(image["shape"][-2]), image["dtype"]
                self.score_type = score["dtype"]
                self.run(np.zeros((self.size, self.size, 3), np.uint8))  # the first run is slow
            self.record = read_record(content)
        except (ValueError, RuntimeError, IndexError) as error:
            reason = " ".join(str(error).split())[:120]
            raise EdgeError(f"{name}: not a detector that runs here ({reason})") from error
        self.threshold = self.record.get("threshold") if threshold is None else threshold

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
        """Score an image of the network's size: RGB, uint8, shape (S, S, 3)."""
        outputs = self._invoke(**{self._input: pixels[None].astype(self._image_type, copy=False)})
        self.heat_map = outputs["heat_map"][0] if "heat_map" in outputs else None
        distances = np.ravel(outputs.get("distances", ())).tolist()
        levels = zip(self.record.get("levels", ()), distances)  # noqa: B905 (newer than 3.8)
        return outputs[self._output].item(), dict(levels)

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


def read_record(model: bytes) -> dict:
    """Return what a detector's file tells about itself; an empty dict if it tells nothing.

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
            return json.loads(data(target(buffer), 0))
    return {}


def decode(data: bytes, name: str = "image") -> np.ndarray:
    """Decode a file's bytes to RGB, uint8, shape (H, W, 3), like `adhelpers.images.decode`."""
    truncated_png = data.startswith(b"\x89PNG\r\n\x1a\n") and b"IEND" not in data[-1024:]
    image = None
    if data and not truncated_png:
        with suppress(cv2.error):  # a header that promises too many pixels
            image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        raise EdgeError(f"{name}: not a readable image, or cut off ({len(data)} bytes)")
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def to_square(image: np.ndarray, size: int, protocol: str = "square") -> np.ndarray:
    """Bring an image to the network's square size, like `adhelpers.images.to_square`."""
    if protocol == "square":
        return _resize(image, size, size)
    if protocol != "crop":
        raise EdgeError(f"unknown protocol {protocol!r}; choose one of: square, crop")
    image = _resize(image, *_scaled(image.shape[:2], size))
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


def images(sources: list[str], count: int | None = None) -> Iterator[tuple[str, object]]:
    """Yield the name of each image, and the image (RGB) or an EdgeError: why it cannot be read.

    Parameters
    ----------
    sources : list of str
        Files, folders, ``-`` for a list of files on stdin, or the numbers of cameras.
    count : int, optional
        How many pictures to take from a camera; endless when not given.
    """
    for source in sources:
        path = Path(source)
        if source.isdigit() and not path.exists():
            yield from _camera(int(source), count)
            continue
        files = [path]
        if source == "-":
            files = (Path(line.rstrip("\r\n")) for line in sys.stdin if line.strip())
        elif path.is_dir():
            files = sorted(p for p in path.rglob("*") if p.suffix.lower() in _SUFFIXES)
        for file in files:
            try:
                image = decode(_read(file), str(file))
            except EdgeError as error:
                image = error
            yield str(file), image


def _camera(index: int, count: int | None) -> Iterator[tuple[str, np.ndarray]]:
    camera = cv2.VideoCapture(index)
    try:
        for number in range(count or sys.maxsize):
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


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code."""
    options = _options(arguments)
    try:
        return _score_all(options)
    except EdgeError as error:
        _warn(error)
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # whoever read the output has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("edge.py", description="Tell normal images from anomalous.")
    parser.error = lambda message: parser.exit(2, f"edge.py: {message}; see edge.py --help\n")
    add = parser.add_argument
    add("detector", help="a .tflite file as `adhelpers export` writes it")
    add("images", nargs="+", help="images, folders, - for paths on stdin, or a camera's number")
    add("--format", choices=("text", "csv", "json"), default="text", help="json: an object a line")
    add("--threshold", type=float, metavar="T", help="instead of the detector's own")
    add("--threads", type=int, metavar="N", default=min(4, os.cpu_count() or 1))
    add("--frames", type=int, metavar="N", help="pictures of a camera; endless when not given")
    add("--overlay", metavar="DIR", help="draw where each image is abnormal, to DIR/NAME.png")
    add("--benchmark", action="store_true", help="time the first image instead of scoring all")
    return parser.parse_args(arguments)


def _score_all(options: argparse.Namespace) -> int:
    detector = Detector(options.detector, options.threads, options.threshold)
    if not detector.record:
        _warn(f"{options.detector}: tells nothing about itself; images are resized to a square")
    if detector.threshold is None:
        _warn("the model has no threshold, so nothing is decided; give one with --threshold")
    drawings = Drawings(options.overlay, detector) if options.overlay else None
    if options.format == "csv" and not options.benchmark:
        print("path,score,threshold,decision" + ("" if detector.heat_map is None else ",x,y"))
    trained_on, code, image = detector.record.get("image_shape"), 0, None
    for name, image in images(options.images, options.frames):
        if isinstance(image, EdgeError):
            _warn(image)
            code = 2
        elif options.benchmark:
            print(json.dumps(benchmark(detector, image), indent=2))
            break
        else:
            if trained_on and abs(np.divide(*image.shape[:2]) / np.divide(*trained_on) - 1) > 0.02:
                height, width = image.shape[:2]
                _warn(f"{name}: {height} x {width}, another aspect than the training images'")
                trained_on = None  # once is enough
            score, distances = detector.score(image)
            place = None if detector.heat_map is None else detector.place(image)
            _print(options.format, name, score, distances, detector.threshold, place)
            if drawings:
                drawings.write(name, detector.overlay(image, score, distances))
    if image is None:
        raise EdgeError(f"no images in {', '.join(options.images)}")
    return code


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
        print("  ".join(filter(None, (path, f"{score:.3f}", decision, where))))
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
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        os.close(nowhere)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise EdgeError(f"{path}: {error.strerror}; cannot be read") from error


def _warn(message: object) -> None:
    print(f"edge.py: {message}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
