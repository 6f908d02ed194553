"""Fitting and scoring 10,000 feature vectors against the textbook's way, in one run.

EfficientNet-B0's nine levels (2,096 features in all), and EfficientNet-B4's level 9 (1,792). The
plain way is scikit-learn's `LedoitWolf`, `np.linalg.inv` and SciPy's `mahalanobis` in a loop. Ours
is `MahalanobisDetector`. A detector also needs a threshold, from images that were held out of the
fit: its cost is shown apart, for both ways on the same 2,000 images. Each way runs in a process of
its own, so that the peak memory is its own too; imports are not counted, the features are. Seconds
are those of the clock, with all cores for both, or with one thread each.

    python benchmarks/gaussian.py
    python benchmarks/gaussian.py --threads 1
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np
from scipy.spatial.distance import mahalanobis
from sklearn.covariance import LedoitWolf

from adhelpers.detector import MahalanobisDetector
from adhelpers.features import FeatureSet
from adhelpers.gaussian import folds
from adhelpers.ground import available_cores

IMAGES = 10_000
CASES = {
    "B0, all levels": [32, 16, 24, 40, 80, 112, 192, 320, 1280],
    "B4, level 9": [1792],
}


def draw(widths: list[int], seed: int) -> dict[str, np.ndarray]:
    """Draw correlated float32 features, as a network gives them."""
    levels = {}
    for i, width in enumerate(widths, 1):
        rng = np.random.default_rng([0, i])
        mixing = rng.normal(size=(width, width)).astype(np.float32) / np.sqrt(width)
        rng = np.random.default_rng([seed, i])
        x = np.empty((IMAGES, width), np.float32)
        for start in range(0, IMAGES, 1000):  # whole, the random numbers would set the peak
            x[start : start + 1000] = rng.standard_normal((1000, width), np.float32) @ mixing
        levels[f"level_{i}"] = x
    return levels


def ours(levels: dict[str, np.ndarray], clock: "Clock") -> np.ndarray:
    """Fit, score and find a threshold with the package."""
    features = FeatureSet.from_arrays(levels)
    clock("hold out", lambda: MahalanobisDetector().fit(features).threshold_)
    detector = clock("fit", lambda: MahalanobisDetector(threshold=None).fit(features))
    scores = clock("score", lambda: detector.anomaly_score(features))
    clock.seconds["hold out"] -= clock.seconds["fit"]
    return scores


def plain(levels: dict[str, np.ndarray], clock: "Clock") -> np.ndarray:
    """Do the same as one would write it first."""

    def fit(rows: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
        models = [LedoitWolf().fit(x[rows].astype(np.float64)) for x in levels.values()]
        return [(model.location_, np.linalg.inv(model.covariance_)) for model in models]

    def score(rows: np.ndarray, models: list[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
        scores = np.zeros(len(rows))
        for x, (mean, inverse) in zip(levels.values(), models, strict=True):
            scores += [mahalanobis(row, mean, inverse) for row in x[rows].astype(np.float64)]
        return scores

    everything = np.arange(IMAGES)
    held_out = folds(everything, 5)[0]
    models = clock("fit", lambda: fit(everything))
    scores = clock("score", lambda: score(everything, models))
    clock("hold out", lambda: score(held_out, fit(np.setdiff1d(everything, held_out))))
    return scores


class Clock:
    """Seconds by name of the step."""

    def __init__(self):
        self.seconds: dict[str, float] = {}

    def __call__(self, name: str, step: Callable):
        start = time.perf_counter()
        result = step()
        self.seconds[name] = time.perf_counter() - start
        return result


WAYS = {"ours": ours, "plain": plain}
LIBRARIES = ("OPENBLAS", "OMP", "MKL")


def run(way: str, case: str) -> dict:
    """Run one way in this process."""
    WAYS[way]({"warm": np.random.default_rng(0).normal(size=(IMAGES, 8))}, Clock())  # imports
    before = _peak_mb()
    levels = draw(CASES[case], seed=1)
    clock = Clock()
    scores = WAYS[way](levels, clock)
    return {
        **clock.seconds,
        "peak": _peak_mb() - before,
        "features": sum(x.nbytes for x in levels.values()) / 2**20,
        "scores": scores.tolist(),
    }


def measure(way: str, case: str, threads: int) -> dict:
    """Run one way in a process of its own."""
    command = [sys.executable, __file__, "--way", way, "--case", case]
    limits = {f"{name}_NUM_THREADS": str(threads) for name in LIBRARIES}
    done = subprocess.run(
        command, check=True, stdout=subprocess.PIPE, text=True, env=os.environ | limits
    )
    return json.loads(done.stdout.splitlines()[-1])


def report(case: str, results: dict[str, dict]) -> str:
    """Put the two ways side by side."""
    a, b = results["plain"], results["ours"]
    lines = [f"{case}: {IMAGES} images, {sum(CASES[case])} features"]
    lines.append(f"{'':<24}{'plain':>9}{'ours':>9}{'ratio':>9}")
    for one in results.values():
        one["fit + score"] = one["fit"] + one["score"]
        one["with a threshold"] = one["fit + score"] + one["hold out"]
    for name in ("fit", "score", "fit + score", "with a threshold"):
        lines.append(f"{name + ', s':<24}{a[name]:>9.2f}{b[name]:>9.2f}{a[name] / b[name]:>9.1f}")
    lines.append(f"{'peak, MB':<24}{a['peak']:>9.0f}{b['peak']:>9.0f}{a['peak'] / b['peak']:>9.1f}")
    times = [one["peak"] / one["features"] for one in (a, b)]
    lines.append(f"{'peak / features':<24}{times[0]:>9.1f}{times[1]:>9.1f}")
    plain_scores, our_scores = np.array(a["scores"]), np.array(b["scores"])
    difference = np.max(np.abs(plain_scores - our_scores) / plain_scores)
    lines.append(f"largest relative difference of the scores: {difference:.0e}")
    return "\n".join(lines)


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--way", choices=WAYS, help="one way, in this process (used within)")
    parser.add_argument("--case", choices=CASES, help="its features (used within)")
    parser.add_argument("--threads", type=int, default=available_cores(), help="all cores if not")
    options = parser.parse_args()
    if options.way:
        print(json.dumps(run(options.way, options.case)))
        return
    print(f"threads: {options.threads}")
    for case in CASES:
        results = {way: measure(way, case, options.threads) for way in ("plain", "ours")}
        print(report(case, results))


if __name__ == "__main__":
    main()
