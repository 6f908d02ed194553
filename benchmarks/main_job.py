"""The main job against the same work done the plain way, in one run.

One category of 209 + 83 PNG files of 900 x 900 pixels (as many as MVTec AD's `bottle` has), written
to a temporary folder; EfficientNet-B0, untrained (the time does not depend on the weights). Each
way runs in a process of its own, so that the peak memory is its own too; imports and the building
of the network are not counted.

    python benchmarks/main_job.py
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from PIL import Image
from scipy.spatial.distance import mahalanobis
from sklearn.covariance import LedoitWolf

import adhelpers as ad
from adhelpers.parallel import available_cores, ordered_map

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


def ours(folder: Path, clock: Clock) -> np.ndarray:
    """Do the job with the package; decoding and network overlap in `extract`."""
    data = ad.datasets.mvtec.load(folder.parent, folder.name)
    extract = ad.Extractor("efficientnet-b0", weights="none")
    start = time.perf_counter()
    train, test = clock("extract", lambda: (extract(data.train), extract(data.test)))
    detector = clock("fit", lambda: ad.MahalanobisDetector().fit(train))
    scores = clock("score", lambda: detector.anomaly_score(test))
    clock.seconds["total"] = time.perf_counter() - start
    paths = [*data.train.paths, *data.test.paths]
    clock("decode", lambda: [None for _ in ad.images.stream(paths, 224)])  # alone, not in the total
    return scores


def plain(folder: Path, clock: Clock) -> np.ndarray:
    """Do the job as one would write it first: a loop for each step, and the textbook's formulas."""
    data = ad.datasets.mvtec.load(folder.parent, folder.name)
    backbone = ad.backbones.load("efficientnet-b0", weights="none")
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

    start = time.perf_counter()
    images = clock("decode", lambda: (decode(data.train.paths), decode(data.test.paths)))
    train, test = clock("extract", lambda: [extract(x) for x in images])
    models = clock("fit", lambda: fit(train))
    scores = clock("score", lambda: score(test, models))
    clock.seconds["total"] = time.perf_counter() - start
    return scores


WAYS = {"ours": ours, "plain": plain}


def measure(way: str, folder: Path) -> dict:
    """Run one way in a process of its own and return its seconds, peak memory and scores."""
    command = [sys.executable, __file__, "--way", way, "--folder", str(folder)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def report(results: dict[str, dict]) -> str:
    """Put the two ways side by side."""
    lines = [f"{'seconds':<12}{'plain':>9}{'ours':>9}{'ratio':>9}"]
    for step in ("decode", "extract", "fit", "score", "total"):
        a, b = (results[way]["seconds"][step] for way in ("plain", "ours"))
        lines.append(f"{step:<12}{a:>9.2f}{b:>9.2f}{a / b:>9.1f}")
    a, b = (results[way]["peak_gb"] for way in ("plain", "ours"))
    lines.append(f"{'peak GB':<12}{a:>9.2f}{b:>9.2f}{a / b:>9.1f}")
    rank = [np.argsort(np.argsort(results[way]["scores"])) for way in ("plain", "ours")]
    lines += [
        "ours decodes and extracts at the same time: its `decode` is that step alone, and is "
        "contained in `extract`;",
        "its `fit` also fits five times more, to find a threshold on held-out images.",
        f"rank correlation of the scores: {np.corrcoef(*rank)[0, 1]:.4f}; "
        f"cores: {available_cores()}",
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--way", choices=WAYS, help="one way, in this process (used within)")
    parser.add_argument("--folder", type=Path, help="its category folder (used within)")
    options = parser.parse_args()
    if options.way:
        clock = Clock()
        scores = WAYS[options.way](options.folder, clock)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(json.dumps({"seconds": clock.seconds, "peak_gb": peak, "scores": scores.tolist()}))
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "bottle"
        write_images(folder)
        print(f"images: {sum(f.stat().st_size for f in folder.rglob('*.png')) / 2**20:.0f} MB")
        print(report({way: measure(way, folder) for way in ("plain", "ours")}))


if __name__ == "__main__":
    main()
