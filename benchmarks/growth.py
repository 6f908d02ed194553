"""What an extraction costs besides the network, by the number of images.

    python benchmarks/growth.py
    python benchmarks/growth.py --images 20000 100000 --every 10

Rows of EfficientNet-B0's width come from a generator instead of the network, and the clock that the
extractor looks at goes on by 10 ms with each of them, which is about what the network takes; its
checkpoints are written, and take what they take. So 17 minutes are simulated in one. `--every`
writes one every so many seconds instead, whatever the last took. Early and late are the median time
of what is done with a row, in the first and the last tenth of the images. Peak memory is all of the
process's. Each row of the table is a process of its own. Linux and macOS.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

LEVELS = {f"level_{i + 1}": n for i, n in enumerate((32, 16, 24, 40, 80, 112, 192, 320, 1280))}
SECONDS_PER_IMAGE = 0.01


def measure(images: int, every: float | None) -> str:
    """Extract so many images in this process, and return a row of the table."""
    import resource
    from types import SimpleNamespace

    import numpy as np

    from adhelpers.datasets import Samples
    from adhelpers.features import extractor
    from adhelpers.images import Picture

    rows_taken, checkpoints = 0, []
    microseconds = np.zeros(images)
    next_checkpoint = extractor._next_checkpoint

    def rows(*_) -> Iterator[tuple]:
        nonlocal rows_taken
        rng = np.random.default_rng(0)
        for i in range(images):
            row = {name: rng.random(width, np.float32) for name, width in LEVELS.items()}
            rows_taken += 1
            start = time.perf_counter()
            yield Picture(i, f"{i:032x}", None), row
            microseconds[i] = 1e6 * (time.perf_counter() - start)

    def noted(start: float, end: float) -> float:
        checkpoints.append(end - start)
        return next_checkpoint(start, end) if every is None else end + every

    extractor.rows_of_files, extractor._next_checkpoint = rows, noted
    extractor.time = SimpleNamespace(
        monotonic=lambda: time.perf_counter() + SECONDS_PER_IMAGE * rows_taken
    )
    paths = [Path(f"images/{i:06d}.png") for i in range(images)]
    samples = Samples(paths, ["good"] * images, [None] * images, "train")
    stub = SimpleNamespace(_bits=16, origin=None, levels=LEVELS, _runner=SimpleNamespace(workers=1))
    with tempfile.TemporaryDirectory() as folder:
        extractor.Extractor.__call__(stub, samples, Path(folder) / "features.npz")

    written, network = sum(checkpoints), SECONDS_PER_IMAGE * images
    tenth = images // 10
    early, late = np.median(microseconds[:tenth]), np.median(microseconds[-tenth:])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    peak = peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6
    return (
        f"| {images:,} | {'grows' if every is None else f'{every:g} s'} | {len(checkpoints)} | "
        f"{written:.1f} | {100 * written / (written + network):.1f} | {early:.0f} | {late:.0f} | "
        f"{peak:.0f} |"
    )


def main() -> None:
    """Print a table: a row per number of images and interval."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, nargs="+", default=[20000, 100000])
    parser.add_argument("--every", type=float, help="a checkpoint every so many seconds")
    parser.add_argument("--within", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.within:
        print(measure(options.images[0], options.every))
        return
    print("| images | interval | checkpoints | s | % of the time | µs early | µs late | peak MB |")
    print("|---|---|---|---|---|---|---|---|")
    for images in options.images:
        command = [sys.executable, __file__, "--within", "--images", str(images)]
        command += [] if options.every is None else ["--every", str(options.every)]
        print(subprocess.run(command, check=True, stdout=-1, text=True).stdout.strip(), flush=True)


if __name__ == "__main__":
    main()
