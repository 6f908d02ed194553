"""The detector's page in Chromium beside edge.py, in one run: scores and times.

EfficientNet-B0 at 224 pixels with the built-in weights, Gaussians per position, fitted to `weave`
of the embedded data set. All 40 test images (256 x 256 pixels) go through both, by turns, from the
file to the score, drawn in the browser; edge.py, with one thread, without its overlay and with it.
Times are medians. The columns: page, MB; largest relative difference of a score; seconds until the
first score; ms per image of a batch, one by one, edge.py's to the score, to the overlay; the ratios
of the page's to these two.

    python -m benchmarks.page
    python -m benchmarks.page int8-weights
"""

import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from playwright.sync_api import Page, sync_playwright

import adhelpers as ad
from adhelpers import edge, export
from tools.teaching import printing

PRECISIONS = ("float32", "int8-weights", "int8")
ROUNDS = 3
_SCORED = """async (i) => {
  const start = performance.now();
  await adhelpers.scoreFiles([document.getElementById("files").files[i]]);
  return [performance.now() - start, adhelpers.rows.at(-1).score];
}"""


def exported(precision: str) -> tuple[bytes, list[Path]]:
    """Return a detector's file and the test images."""
    data = ad.datasets.load_synthetic("weave")
    extract = ad.Extractor(
        weights="builtin", engine="tflite", precision=precision, calibration=data.train
    )
    detector = ad.LocalDetector().fit(extract.maps(data.train))
    return export.build(extract.model, detector), list(map(Path, data.test.paths))


def native(detector: edge.Detector, path: Path) -> tuple[float, float, float]:
    """Return the milliseconds from a file to its score and to its overlay, and the score."""
    start = time.perf_counter()
    image = edge.decode(path.read_bytes())
    score, distances = detector.score(image)
    scored = time.perf_counter()
    detector.overlay(image, score, distances)
    return (scored - start) * 1e3, (time.perf_counter() - start) * 1e3, score


def opened(page: Page, path: Path, images: list[Path]) -> tuple[float, float]:
    """Open the page; return the seconds until its first score, and all images' as a batch."""
    start = time.perf_counter()
    page.goto(path.as_uri())
    page.wait_for_function("globalThis.adhelpers?.rows.length === 1")
    first = time.perf_counter() - start
    start = time.perf_counter()
    page.set_input_files("#files", images)
    page.wait_for_function(f"adhelpers.rows.length === {1 + len(images)}")
    return first, time.perf_counter() - start


def measure(page: Page, precision: str, folder: Path) -> str:
    """Return a row of the table."""
    model, images = exported(precision)
    file, detector = folder / f"{precision}.html", edge.Detector(model)
    example = (images[0].name, images[0].read_bytes())
    file.write_text(export.single_page(model, [example]), "utf-8")
    first, batch = opened(page, file, images)
    rows = [
        (*page.evaluate(_SCORED, i), *native(detector, path))
        for _ in range(ROUNDS)
        for i, path in enumerate(images)
    ]
    browser, found, scoring, drawing, expected = np.transpose(rows)
    difference = np.max(np.abs(found / expected - 1))
    times = " | ".join(f"{np.median(x):.1f}" for x in (browser, scoring, drawing))
    ratios = " | ".join(f"{np.median(browser / x):.1f}" for x in (scoring, drawing))
    return (
        f"| {precision} | {file.stat().st_size / 1e6:.1f} | {difference:.1e} | {first:.1f} | "
        f"{batch / len(images) * 1e3:.0f} | {times} | {ratios} |"
    )


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as running:
        browser = running.chromium.launch(executable_path=printing.program(), args=["--no-sandbox"])
        for precision in sys.argv[1:] or PRECISIONS:
            print(measure(browser.new_page(), precision, Path(folder)), flush=True)
        browser.close()


if __name__ == "__main__":
    main()
