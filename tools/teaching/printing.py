"""PDFs of pages, printed by the Chromium or Chrome of this machine."""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from adhelpers.ground import write_bytes

CHROMIUMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

#: What is waited for before a page is printed: slides laid out, or formulas drawn.
_READY = """async () => {
  if (window.MathJax) await MathJax.startup.promise;
  while (window.Reveal && !document.querySelector(".pdf-page"))
    await new Promise(resolve => setTimeout(resolve, 50));
}"""


def program() -> str | None:
    """Return the path of a browser that can print, or None."""
    return next(filter(None, map(shutil.which, CHROMIUMS)), None)


def print_all(pages: Mapping[Path, Path]) -> None:
    """Print pages.

    Parameters
    ----------
    pages : dict of Path to Path
        The PDF to write for each HTML file.
    """
    with _browser() as browser:
        for page, pdf in pages.items():
            tab = browser.new_page()
            tab.goto(f"{page.resolve().as_uri()}?print-pdf")
            tab.evaluate(_READY)
            write_bytes(pdf, tab.pdf(prefer_css_page_size=True, print_background=True))
            tab.close()


@contextmanager
def _browser() -> Iterator:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program(), args=["--no-sandbox"])
        yield browser
        browser.close()
