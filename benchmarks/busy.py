"""A fit beside other processes: linear algebra on one thread, as in the package, and on all cores.

700 images of EfficientNet-B0's widest level (1,280 features), fitted with a threshold, beside no,
one and two processes that keep a core busy each. Seconds are the median of five fits, by turns.

    python benchmarks/busy.py
"""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from adhelpers.detector import MahalanobisDetector
from adhelpers.features import FeatureSet
from adhelpers.ground import available_cores, parallel

WAYS = {"one thread": parallel._NARROW, "all cores": 0}  # up to so many columns: one thread
IMAGES, FEATURES, REPEATS = 700, 1280, 5


@contextmanager
def busy(count: int) -> Iterator[None]:
    """Keep so many cores busy."""
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


def seconds(features: FeatureSet, narrow: int) -> float:
    """Return how long a fit takes; linear algebra is on one thread up to so many columns."""
    parallel._NARROW = narrow
    start = time.perf_counter()
    MahalanobisDetector().fit(features)
    return time.perf_counter() - start


def main() -> None:
    x = np.random.default_rng(0).normal(size=(IMAGES, FEATURES)).astype(np.float32)
    features = FeatureSet.from_arrays({"level_9": x})
    for narrow in WAYS.values():
        seconds(features, narrow)  # the first is slow
    print(f"{available_cores()} cores")
    print("| busy processes beside | one thread, s | all cores, s | ratio |\n|---|---|---|---|")
    for count in (0, 1, 2):
        with busy(count):
            times = [[seconds(features, n) for n in WAYS.values()] for _ in range(REPEATS)]
        one, all_cores = np.median(times, axis=0)
        print(f"| {count} | {one:.2f} | {all_cores:.2f} | {all_cores / one:.1f} |", flush=True)


if __name__ == "__main__":
    main()
