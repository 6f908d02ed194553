"""The main job against the same work done the plain way, and against its floor, in one run.

One category of 209 + 83 PNG files of 900 x 900 pixels (as many as MVTec AD's `bottle` has), written
to a temporary folder; EfficientNet-B0, untrained (the time does not depend on the weights). Each
way runs in a process of its own, so that the peak memory is its own too, and the ways take turns,
three times; what is listed is the round with the median total. Not counted: imports, the network's
building and its first call, and the conversion to TFLite, which is listed apart.

    python benchmarks/main_job.py

plain    PIL one by one, Keras `predict`, the `LedoitWolf` class, `np.linalg.inv`, SciPy's
         `mahalanobis` per image
keras    this package with engine="keras"
float32  this package with engine="tflite", its default on a CPU
int8     the same in int8
floor    decoding, resizing and bare LiteRT inference on all cores, and nothing else
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from ai_edge_litert.interpreter import Interpreter
from PIL import Image
from scipy.spatial.distance import mahalanobis
from scipy.stats import spearmanr
from sklearn.covariance import LedoitWolf

import adhelpers as ad
from adhelpers.ground import available_cores, ordered_map

COUNTS = {"train/good": 209, "test/good": 20, "test/broken": 63}
SIDE = 900


class Clock:
    """Seconds by name of the step."""

    def __init__(self):
        self.seconds: dict[str, float] = {}

    def __call__(self, name: str, step: Callable):
        start = time.perf_counter()
        result = step()
        self.seconds[name] = time.perf_counter() - start
        return result


def write_images(folder: Path) -> None:
    """Write photograph-like PNGs: smooth shapes, shading and a little sensor noise."""

    def write(item: tuple[str, int]) -> None:
        place, i = item
        rng = np.random.default_rng([len(place), i])
        coarse = rng.integers(40, 215, (9, 9, 3)).astype(np.uint8)
        image = cv2.resize(coarse, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC).astype(np.int16)
        image += rng.normal(0, 1.5, (SIDE, SIDE, 1)).astype(np.int16)
        path = folder / place / f"{i:03d}.png"
        path.write_bytes(cv2.imencode(".png", np.clip(image, 0, 255).astype(np.uint8))[1])

    for place in COUNTS:
        (folder / place).mkdir(parents=True)
    items = [(place, i) for place, count in COUNTS.items() for i in range(count)]
    for _ in ordered_map(write, items, available_cores()):
        pass


def ours(folder: Path, clock: Clock, **engine) -> np.ndarray:
    """Do the job with the package; decoding and network overlap in `extract`."""
    data = ad.datasets.load_mvtec(folder.parent, folder.name)
    extract = clock("prepare", lambda: extractor(data, **engine))
    extract.milliseconds(2)
    train, test = clock("extract", lambda: (extract(data.train), extract(data.test)))
    detector = clock("fit", lambda: ad.MahalanobisDetector().fit(train))
    scores = clock("score", lambda: detector.anomaly_score(test))
    return scores


def extractor(data, **engine) -> ad.Extractor:
    return ad.Extractor("efficientnet-b0", weights="none", calibration=data.train, **engine)


def floor(folder: Path, clock: Clock, **engine) -> None:
    """Decode, resize and infer on all cores."""
    data = ad.datasets.load_mvtec(folder.parent, folder.name)
    model = extractor(data, **engine).model
    local = threading.local()

    def infer(path: Path) -> None:
        image = cv2.resize(cv2.imread(str(path)), (224, 224), interpolation=cv2.INTER_AREA)
        if not hasattr(local, "run"):
            local.run = Interpreter(model_content=model, num_threads=1).get_signature_runner()
        local.run(image=image[None].astype(np.float32))

    paths = [*data.train.paths, *data.test.paths]
    with ThreadPoolExecutor(available_cores()) as pool:
        list(pool.map(infer, paths[:20]))  # not counted: every thread gets its interpreter
        clock("extract", lambda: list(pool.map(infer, paths)))


def plain(folder: Path, clock: Clock) -> np.ndarray:
    """Do the job as one would write it first: a loop for each step, and the textbook's formulas."""
    data = ad.datasets.load_mvtec(folder.parent, folder.name)
    backbone = ad.backbones.load_backbone("efficientnet-b0", weights="none")
    import keras

    average = keras.layers.GlobalAveragePooling2D()
    maps = backbone.model.output.values()
    network = keras.Model(backbone.model.input, [average(x) for x in maps])

    def decode(paths) -> np.ndarray:
        return np.stack(
            [
                np.asarray(Image.open(path).convert("RGB").resize((224, 224), Image.BILINEAR))
                for path in paths
            ]
        )

    def extract(images: np.ndarray) -> list[np.ndarray]:
        return network.predict(images.astype(np.float32), verbose=0)

    def fit(levels: list[np.ndarray]) -> list[tuple]:
        models = [LedoitWolf().fit(x) for x in levels]
        return [(model.location_, np.linalg.inv(model.covariance_)) for model in models]

    def score(levels: list[np.ndarray], models: list[tuple]) -> np.ndarray:
        total = np.zeros(len(levels[0]))
        for x, (mean, inverse) in zip(levels, models, strict=True):
            total += [mahalanobis(row, mean, inverse) for row in x]
        return total

    network.predict(np.zeros((1, 224, 224, 3), np.float32), verbose=0)  # traces it
    images = clock("decode", lambda: (decode(data.train.paths), decode(data.test.paths)))
    train, test = clock("extract", lambda: [extract(x) for x in images])
    models = clock("fit", lambda: fit(train))
    scores = clock("score", lambda: score(test, models))
    return scores


TFLITE = {"engine": "tflite", "precision": "float32"}
INT8 = {"engine": "tflite", "precision": "int8"}
WAYS = {
    "plain": plain,
    "keras": partial(ours, engine="keras"),
    "float32": partial(ours, **TFLITE),
    "int8": partial(ours, **INT8),
    "floor of float32": partial(floor, **TFLITE),
    "floor of int8": partial(floor, **INT8),
}
COUNTED = ("decode", "extract", "fit", "score")


def measure(way: str, folder: Path) -> dict:
    """Run one way in a process of its own and return its seconds, total, peak memory and scores."""
    command = [sys.executable, __file__, "--way", way, "--folder", str(folder)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    result = json.loads(done.stdout.splitlines()[-1])
    return {**result, "total": sum(result["seconds"].get(step, 0) for step in COUNTED)}


def median_round(rounds: list[dict]) -> dict:
    """Return the round with the median total; conversion is the first round's."""
    median = sorted(rounds, key=lambda one: one["total"])[len(rounds) // 2]
    return {**median, "prepare": rounds[0]["seconds"].get("prepare")}


def report(results: dict[str, dict]) -> str:
    """Put the ways side by side."""
    totals = {way: result["total"] for way, result in results.items()}
    lines = ["seconds           " + "".join(f"{step:>9}" for step in (*COUNTED, "total", "faster"))]
    for way, r in results.items():
        cells = [f"{r['seconds'][s]:>9.2f}" if s in r["seconds"] else " " * 9 for s in COUNTED]
        ratio = totals["plain"] / totals[way]
        lines.append(f"{way:<18}{''.join(cells)}{totals[way]:>9.2f}{ratio:>8.1f}x")
    for way in ("float32", "int8"):
        ratio = totals[way] / totals[f"floor of {way}"]
        lines.append(f"{way}: {ratio:.2f} times its floor")
    for way in ("keras", "float32", "int8"):
        ranks = spearmanr(results["plain"]["scores"], results[way]["scores"]).statistic
        lines.append(
            f"{way}: prepared in {results[way]['prepare']:.1f} s, peak memory "
            f"{results[way]['peak_gb']:.2f} GB (plain: {results['plain']['peak_gb']:.2f}), rank "
            f"correlation with the plain scores {ranks:.3f}"
        )
    lines.append(
        f"cores: {available_cores()}; all but plain decode within `extract`, and their `fit` "
        "fits five times more, to find a threshold on held-out images"
    )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--way", choices=WAYS, help="one way, in this process (used within)")
    parser.add_argument("--folder", type=Path, help="its category folder (used within)")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    if options.way:
        clock = Clock()
        scores = WAYS[options.way](options.folder, clock)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        scores = None if scores is None else scores.tolist()
        print(json.dumps({"seconds": clock.seconds, "peak_gb": peak, "scores": scores}))
        return
    with tempfile.TemporaryDirectory() as temporary:
        os.environ["ADHELPERS_CACHE"] = str(Path(temporary) / "cache")  # so that it converts
        folder = Path(temporary) / "bottle"
        write_images(folder)
        print(f"images: {sum(f.stat().st_size for f in folder.rglob('*.png')) / 2**20:.0f} MB")
        rounds = [{way: measure(way, folder) for way in WAYS} for _ in range(options.rounds)]
        print(report({way: median_round([one[way] for one in rounds]) for way in WAYS}))


if __name__ == "__main__":
    main()
