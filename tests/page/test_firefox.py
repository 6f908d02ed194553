"""The page in Firefox, where there is one: the scores of edge.py, over WebDriver BiDi."""

import base64
import json
import shutil
import socket
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

import adhelpers as ad
from adhelpers import edge
from adhelpers.export import page as page_module

FIREFOXES = ("firefox", "firefox-esr")


class Session:
    """A session of WebDriver BiDi (https://w3c.github.io/webdriver-bidi) with one tab."""

    def __init__(self, connection):
        self._connection, self._count = connection, 0
        self.send("session.new", capabilities={})
        self.tab = self.send("browsingContext.getTree")["contexts"][0]["context"]

    def send(self, method, **params):
        self._count += 1
        self._connection.send(json.dumps({"id": self._count, "method": method, "params": params}))
        while (answer := json.loads(self._connection.recv())).get("id") != self._count:
            pass
        assert answer["type"] == "success", answer
        return answer["result"]

    def evaluate(self, expression):
        """Return what a promise of a text comes to."""
        answer = self.send(
            "script.evaluate",
            expression=expression,
            target={"context": self.tab},
            awaitPromise=True,
        )
        assert answer["type"] == "success", answer
        return answer["result"].get("value")


@pytest.fixture
def firefox(tmp_path):
    websocket = pytest.importorskip("websocket")
    program = next(filter(None, map(shutil.which, FIREFOXES)), None)
    if program is None:
        pytest.skip(f"no browser on this machine: none of {', '.join(FIREFOXES)}")
    with _running(program, tmp_path) as port:
        address = f"ws://127.0.0.1:{port}/session"
        connection = websocket.create_connection(address, timeout=90, suppress_origin=True)
        yield Session(connection)
        connection.close()


@contextmanager
def _running(program, folder):
    """Run Firefox without a window, with a profile of its own; yield its port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = ["--headless", "--no-remote", "--profile", str(folder)]
    command = [program, *words, f"--remote-debugging-port={port}", "about:blank"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            _wait_for(port)
            yield port
        finally:
            process.terminate()


def _wait_for(port, seconds=60):
    end = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            if time.monotonic() > end:
                pytest.skip(f"Firefox did not open its port within {seconds} s")
            time.sleep(0.2)


def test_the_scores_are_those_of_edge(firefox, runtime, tmp_path_factory):
    data = ad.datasets.load_synthetic("weave")
    extract = ad.Extractor(weights="builtin", engine="tflite", precision="float32")
    detector = ad.LocalDetector().fit(extract.maps(data.train.subset(range(12))))
    model = ad.export.build(extract.model, detector)
    paths = [Path(path) for path in data.test.paths[:3]]
    page = page_module.single_page(model, [(path.name, path.read_bytes()) for path in paths])
    file = tmp_path_factory.mktemp("page") / "page.html"
    file.write_text(page, "utf-8")
    firefox.send(
        "browsingContext.navigate", context=firefox.tab, url=file.as_uri(), wait="complete"
    )
    firefox.evaluate("adhelpers.ready")
    firefox.evaluate("document.querySelectorAll('#examples button').forEach((x) => x.click())")
    text = firefox.evaluate("adhelpers.scoreFiles([]).then(() => JSON.stringify(adhelpers.rows))")
    rows = json.loads(text)
    assert [row["name"] for row in rows] == [paths[0].name, *(path.name for path in paths)]
    device = edge.Detector(model)
    for row, path in zip(rows, [paths[0], *paths], strict=True):
        image = edge.decode(path.read_bytes())
        assert "error" not in row, row["error"]
        assert row["score"] == pytest.approx(device.score(image)[0], rel=1e-5)
        assert row["place"] == device.place(image)
    shot = firefox.send("browsingContext.captureScreenshot", context=firefox.tab)["data"]
    assert base64.b64decode(shot).startswith(b"\x89PNG")
