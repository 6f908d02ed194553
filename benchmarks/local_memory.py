"""The memory that Gaussians per position take while fitting, by the number of images.

    python benchmarks/local_memory.py
    python benchmarks/local_memory.py --images 500 5000

Random maps of EfficientNetV2-B0's sizes at 224 x 224 are made batch by batch, and made again where
a detector asks twice; there is no network. Each row is a process of its own. Peak memory is all of
the process's, interpreter and libraries included; the growth per image is what the last row of a
detector has more than its first, and is that of the pooled features, which are kept. Linux and
macOS.
"""

import argparse
import subprocess
import sys
from collections.abc import Iterator

SHAPES = {"level_4": (28, 28, 48), "level_5": (14, 14, 96), "level_6": (14, 14, 112)}
SHAPES |= {"level_7": (7, 7, 192)}
BATCH = 16
METHODS = ("LocalDetector.fit", "LocalDetector.partial_fit", "JointDetector.fit")


def peak_memory(method: str, images: int) -> float:
    """Fit to so many images in this process, and return the most memory it took so far, in MB."""
    import resource

    import numpy as np

    import adhelpers as ad
    from adhelpers.features import Batch, FeatureSet

    def batches() -> Iterator[Batch]:
        for start in range(0, images, BATCH):
            rng, count = np.random.default_rng(start), min(BATCH, images - start)
            maps = {
                name: rng.standard_normal((count, *shape), dtype=np.float32)
                for name, shape in SHAPES.items()
            }
            pooled = {name: x.mean(axis=(1, 2)) for name, x in maps.items()}
            yield Batch(FeatureSet.from_arrays(pooled), maps)

    detector, _, how = method.partition(".")
    maps = ad.FeatureMaps(batches, SHAPES, np.zeros(images, dtype=int))
    getattr(getattr(ad, detector)(), how)(maps)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6


def main() -> None:
    """Print a table: a row per detector and number of images."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, nargs="+", default=[1000, 10000])
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS)
    parser.add_argument("--within", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.within:
        print(peak_memory(options.methods[0], options.images[0]))
        return
    print("| | images | peak MB | over the first | kB more per image |\n|---|---|---|---|---|")
    for method in options.methods:
        first = None
        for images in options.images:
            command = [sys.executable, __file__, "--within", "--methods", method]
            command += ["--images", str(images)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            peak = float(done.stdout)
            first = first or (images, peak)
            growth = 1e3 * (peak - first[1]) / max(1, images - first[0])
            ratio = peak / first[1]
            print(
                f"| {method} | {images:,} | {peak:.0f} | {ratio:.2f} | {growth:.1f} |", flush=True
            )


if __name__ == "__main__":
    main()
