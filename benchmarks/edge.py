"""A deployed detector against its bare network, on one thread, in one run.

EfficientNet-B0 at 224 pixels with the built-in weights, fitted to `weave` of the embedded data set.
Cold start is from the start of a `python edge.py` process to the line with the first score, file
system caches warm; the rest is measured in one process, the bare network's `invoke` and the whole
way from decoded image to score by turns. What is listed is the quickest tenth of 200 rounds: other
work on the machine disturbs the rest, as the last column tells. With --kinds: the three kinds of
detector beside each other, by turns, from a decoded image of 224 pixels.

    python benchmarks/edge.py
    python benchmarks/edge.py --kinds
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from ai_edge_litert.interpreter import Interpreter

import adhelpers as ad
from adhelpers import edge, export
from adhelpers.detector import DETECTORS

SIDES = (224, 512, 1024)
ROUNDS = 200
STARTS = 7


def exported(precision: str) -> tuple[bytes, bytes, Path]:
    """Return the bare network, the whole detector, and a test image."""
    data = ad.datasets.load_synthetic("weave")
    extract = ad.Extractor(
        weights="builtin", engine="tflite", precision=precision, calibration=data.train
    )
    detector = ad.MahalanobisDetector().fit(extract(data.train))
    return extract.model, export.build(extract.model, detector), data.test.paths[0]


def cold_start(model: Path, image: Path) -> float:
    """Return the median time of whole processes that score one image, in seconds."""
    command = [sys.executable, edge.__file__, str(model), str(image), "--threads", "1"]
    seconds = []
    for _ in range(STARTS):
        start = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        seconds.append(time.perf_counter() - start)
    return float(np.median(seconds))


def peak_memory(model: Path, image: Path) -> float:
    """Return the most memory that a process which scores images has, in MB."""
    command = [sys.executable, edge.__file__, str(model), str(image), "--threads", "1"]
    done = subprocess.run([*command, "--benchmark"], check=True, stdout=subprocess.PIPE)
    return json.loads(done.stdout)["peak_memory_mb"]


def by_turns(steps: dict[str, Callable]) -> dict[str, np.ndarray]:
    """Run the steps in turn, many times, and return the milliseconds of each."""
    times = {name: np.empty(ROUNDS) for name in steps}
    for i in range(-10, ROUNDS):  # those before 0 warm up, and are written over
        for name, step in steps.items():
            start = time.perf_counter()
            step()
            times[name][i] = 1e3 * (time.perf_counter() - start)
    return times


def steps_of(network: bytes, model: bytes, image: Path) -> dict[str, Callable]:
    """Return what is timed: the bare network, and the detector on images of several sizes."""
    bare = Interpreter(model_content=network, num_threads=1)
    bare.allocate_tensors()
    detector = edge.Detector(model, threads=1)
    steps = {"network": bare.invoke}
    for side in SIDES:
        picture = cv2.resize(ad.images.read(image), (side, side))
        steps[f"score {side}"] = lambda picture=picture: detector.score(picture)
    return steps


def measure(precision: str) -> list[str]:
    """Return the cells of a precision's row."""
    network, model, image = exported(precision)
    times = by_turns(steps_of(network, model, image))
    quickest = {name: float(np.percentile(x, 10)) for name, x in times.items()}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "detector.tflite"
        path.write_bytes(model)
        start, memory = cold_start(path, image), peak_memory(path, image)
    cells = [precision, f"{len(model) / 1e6:.1f}", f"{start:.2f}", f"{memory:.0f}"]
    cells.append(f"{quickest['network']:.2f}")
    for side in SIDES:
        name = f"score {side}"
        cells.append(f"{quickest[name]:.2f} ({quickest[name] / quickest['network']:.2f})")
    cells.append(
        " / ".join(f"{np.percentile(times[f'score {SIDES[0]}'], p):.1f}" for p in (50, 95, 99))
    )
    return cells


def kinds(precision: str) -> list[list[str]]:
    """Return a row for each kind of detector, whose times are those of one run."""
    data = ad.datasets.load_synthetic("weave")
    extract = ad.Extractor(
        weights="builtin", engine="tflite", precision=precision, calibration=data.train
    )
    train, models = extract.maps(data.train), {}
    for name, kind in DETECTORS.items():
        fitted = kind.make().fit(train if kind.needs_maps else train.features)
        models[name] = export.build(extract.model, fitted)
    picture = cv2.resize(ad.images.read(data.test.paths[0]), (SIDES[0], SIDES[0]))
    detectors = {name: edge.Detector(model, threads=1) for name, model in models.items()}
    times = by_turns({name: partial(one.score, picture) for name, one in detectors.items()})
    quickest = {name: float(np.percentile(x, 10)) for name, x in times.items()}
    rows = []
    for name, model in models.items():
        ratio = quickest[name] / quickest["pooled"]
        rows.append(
            [precision, name, f"{len(model) / 1e6:.1f}", f"{quickest[name]:.2f} ({ratio:.2f})"]
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--precision", nargs="+", default=["float32", "int8-weights", "int8-mixed", "int8"]
    )
    parser.add_argument("--kinds", action="store_true", help="compare the kinds of detector")
    options = parser.parse_args()
    if options.kinds:
        for cells in (["precision", "detector", "MB", "ms (ratio to pooled)"], ["---"] * 4):
            print("| " + " | ".join(cells) + " |")
        for precision in options.precision:
            for cells in kinds(precision):
                print("| " + " | ".join(cells) + " |", flush=True)
        return
    head = ["precision", "MB", "cold start s", "peak MB", "network ms"]
    head += [f"from {side} x {side} px, ms (ratio)" for side in SIDES]
    head.append(f"p50 / p95 / p99 from {SIDES[0]} px, ms")
    for cells in (head, ["---"] * len(head)):
        print("| " + " | ".join(cells) + " |")
    for precision in options.precision:
        print("| " + " | ".join(measure(precision)) + " |", flush=True)


if __name__ == "__main__":
    main()
