"""Draw docs/images/dashboard.png, Dask's own page during a fit: python -m tools.dashboard_picture.

It needs the extras scale and site, and a Chromium.
"""

import tempfile
import threading
import time
from pathlib import Path

from distributed import Client, LocalCluster
from playwright.sync_api import sync_playwright

import adhelpers as ad

from .teaching import printing

PICTURE = Path("docs/images/dashboard.png")
IMAGES, PARTITION, SECONDS = 768, 64, 9.0


def main() -> None:
    extract = ad.Extractor("efficientnet-b0", weights="builtin", engine="tflite")
    with (
        tempfile.TemporaryDirectory() as folder,
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0") as cluster,
        Client(cluster) as client,
    ):
        ad.datasets.synthetic.write(folder, ["weave"], n_train=IMAGES)
        images = f"{folder}/weave/train/good"
        thread = threading.Thread(
            target=ad.scale.fit, args=(images, extract, client, None, None, PARTITION)
        )
        thread.start()
        photograph(cluster.dashboard_link)
        thread.join()


def photograph(address: str) -> None:
    """Photograph a page some seconds after it was opened."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=printing.program(), args=["--no-sandbox"]
        )
        page = browser.new_page(viewport={"width": 1000, "height": 600})
        page.goto(address)
        time.sleep(SECONDS)
        page.screenshot(path=PICTURE)
        browser.close()


if __name__ == "__main__":
    main()
