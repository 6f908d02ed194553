"""Every kind of detector on the page: scores, decisions, bars, and the picture, against edge.py."""

import subprocess
import sys

import browsers
import cv2
import numpy as np
import pytest

import adhelpers as ad
from adhelpers import edge
from adhelpers.detector import DETECTORS
from adhelpers.export import page as page_module

#: Kind, precision, protocol, training images (of 3, no threshold comes), and how far scores may
#: differ.
CASES = {
    "both": ("both", "float32", "square", 12, 1e-5),
    "pooled": ("pooled", "int8-weights", "square", 12, 1e-5),
    "int8": ("local", "int8", "square", 12, 1e-2),
    "crop": ("local", "float32", "crop", 12, 1e-5),
    "undecided": ("local", "float32", "square", 3, 1e-5),
}


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """Test images as they are, stretched, shrunk below the map, and one with a black spot."""
    folder = tmp_path_factory.mktemp("images")
    data = ad.datasets.load_synthetic("weave")
    first = cv2.imread(str(data.test.paths[0]))
    spot = cv2.circle(first.copy(), (150, 80), 20, (0, 0, 0), -1)
    made = (first, cv2.resize(first, (391, 257)), cv2.resize(first, (21, 25)), spot)
    for i, image in enumerate(made):
        cv2.imwrite(str(folder / f"{i}.png"), image)
    return sorted(folder.iterdir())


@pytest.fixture(scope="module")
def chromium():
    with browsers.chromium() as browser:
        yield browser


@pytest.fixture(scope="module", params=CASES)
def case(request):
    """A detector of each kind, and how far its scores may differ."""
    kind, precision, protocol, count, tolerance = CASES[request.param]
    data = ad.datasets.load_synthetic("weave")
    train = data.train.subset(range(count))
    extract = ad.Extractor(
        weights="builtin",
        engine="tflite",
        precision=precision,
        protocol=protocol,
        calibration=data.train,
    )
    chosen = DETECTORS[kind]
    features = extract.maps(train) if chosen.needs_maps else extract(train)
    detector = chosen.make().fit(features)
    model = ad.export.build(extract.model, detector, {"image_shape": (256, 256)})
    return model, edge.Detector(model), tolerance


@pytest.fixture(scope="module")
def tab(chromium, runtime, case, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "page.html"
    path.write_text(page_module.single_page(case[0]), "utf-8")
    with chromium.new_context(offline=True) as context:
        tab, errors = context.new_page(), []
        tab.on("pageerror", lambda error: errors.append(str(error)))
        tab.on("console", lambda line: line.type == "error" and errors.append(line.text))
        tab.goto(path.as_uri())
        tab.evaluate("adhelpers.ready")
        yield tab
        assert not errors


def scored(tab, paths):
    """Score files as a user does, and return the rows."""
    tab.evaluate("adhelpers.rows.length = 0")
    tab.set_input_files("#files", [str(path) for path in paths])
    tab.wait_for_function(f"adhelpers.rows.length === {len(paths)}")
    return tab.evaluate("adhelpers.rows")


def drawn(tab):
    """Return the canvas, RGB."""
    width, height, values = tab.evaluate(
        """() => {
          const { width, height } = document.getElementById("picture");
          const context = document.getElementById("picture").getContext("2d");
          return [width, height, [...context.getImageData(0, 0, width, height).data]];
        }"""
    )
    return np.reshape(values, (height, width, 4))[..., :3]


def decision(score, threshold):
    if threshold is None:
        return ""
    return "normal" if score <= threshold else "ANOMALY"


def test_scores_bars_and_pictures_are_those_of_edge(tab, case, images):
    _, detector, tolerance = case
    for path in images:
        (row,) = scored(tab, [path])
        image = edge.decode(path.read_bytes())
        score, distances = detector.score(image)
        assert row["score"] == pytest.approx(score, rel=tolerance)
        assert dict(row["distances"]) == pytest.approx(distances, rel=10 * tolerance)
        assert row["decision"] == decision(score, detector.threshold)
        assert tab.locator("#bars progress").count() == len(distances)
        painted = detector.heat_map is not None and detector.threshold is not None
        expected = detector.overlay(image, score, distances) if painted else image
        away = np.abs(drawn(tab) - expected.astype(int))
        assert away.max() <= (1 if tolerance < 1e-3 else 255 * tolerance)
        if detector.heat_map is not None:
            assert row["place"] == detector.place(image)


def test_of_several_the_last_is_shown_and_no_picture_stands_beside_an_error(
    tab, case, images, tmp_path
):
    scored(tab, images)
    assert drawn(tab).shape[:2] == edge.decode(images[-1].read_bytes()).shape[:2]
    assert images[-1].name in tab.inner_text("#result")
    wrong = tmp_path / "wrong.png"
    wrong.write_bytes(b"no image")
    scored(tab, [images[0], wrong])
    assert "no image known" in tab.inner_text("#result")
    assert tab.evaluate("document.getElementById('picture').width") == 0
    assert tab.locator("#bars progress").count() == 0


def test_another_aspect_is_warned_of_in_the_words_of_edge(tab, case, images, tmp_path):
    model = tmp_path / "detector.tflite"
    model.write_bytes(case[0])
    words = [sys.executable, edge.__file__, str(model), images[1].name]
    done = subprocess.run(words, capture_output=True, text=True, cwd=images[1].parent, timeout=60)
    tab.evaluate("document.getElementById('warning').textContent = ''")
    scored(tab, images[:1])
    assert tab.inner_text("#warning") == ""
    scored(tab, [images[1], images[2]])
    assert tab.inner_text("#warning") in done.stderr and images[1].name in done.stderr
    assert tab.inner_text("#warning").startswith(images[1].name)
