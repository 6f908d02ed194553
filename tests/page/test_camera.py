"""The page's camera, in Chromium with a made-up device: started, scored, stopped, refused."""

import browsers
import pytest

import adhelpers as ad
from adhelpers.export import page as page_module


@pytest.fixture(scope="module")
def chromium():
    with browsers.chromium("--use-fake-device-for-media-stream") as browser:
        yield browser


@pytest.fixture(scope="module")
def address(runtime, tmp_path_factory):
    data = ad.datasets.load_synthetic("weave")
    extract = ad.Extractor(weights="builtin", engine="tflite", precision="float32")
    detector = ad.MahalanobisDetector().fit(extract(data.train.subset(range(12))))
    folder = tmp_path_factory.mktemp("page")
    page = page_module.single_page(ad.export.build(extract.model, detector))
    (folder / "page.html").write_text(page, "utf-8")
    with browsers.served(folder) as place:
        yield f"{place}page.html"


def opened(context, address):
    """Return the page, and a list of its errors to come."""
    tab, errors = context.new_page(), []
    tab.on("pageerror", lambda error: errors.append(str(error)))
    tab.on("console", lambda line: line.type == "error" and errors.append(line.text))
    tab.goto(address)
    tab.evaluate("adhelpers.ready")
    return tab, errors


def test_it_starts_scores_and_stops(chromium, address):
    with chromium.new_context(permissions=["camera"]) as context:
        tab, errors = opened(context, address)
        tab.click("#camera")
        tab.wait_for_function("document.getElementById('result').textContent.match(/score [0-9]/)")
        assert tab.inner_text("#camera") == "Stop the camera"
        assert tab.evaluate("document.getElementById('picture').width") > 0
        tab.click("#camera")
        assert tab.inner_text("#camera") == "Use the camera"
        tab.click("#camera")
        tab.wait_for_function("document.getElementById('camera').textContent.startsWith('Stop')")
        tab.click("#camera")
        assert not errors


def test_a_refusal_is_a_line_and_the_button_is_there_again(chromium, address):
    with chromium.new_context() as context:
        tab, errors = opened(context, address)
        tab.click("#camera")
        tab.wait_for_function("document.getElementById('result').className === 'error'")
        assert "not allowed here; allow it" in tab.inner_text("#result")
        assert tab.inner_text("#camera") == "Use the camera" and tab.is_enabled("#camera")
        assert not errors
