"""The Chromium of this machine, and a server of files on loopback, for tests of pages."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from tools.teaching import printing


@contextmanager
def chromium(*arguments: str) -> Iterator:
    """Run the browser, with more arguments; where there is none, skip, saying so."""
    playwright = pytest.importorskip("playwright.sync_api")
    program = printing.program()
    if program is None:
        pytest.skip(f"no browser on this machine: none of {', '.join(printing.CHROMIUMS)}")
    with playwright.sync_playwright() as running:
        words = ["--no-sandbox", *arguments]
        browser = running.chromium.launch(executable_path=program, args=words)
        yield browser
        browser.close()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_) -> None:
        pass


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a folder; the address ends with a slash. After the block nothing listens there."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=folder)) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
