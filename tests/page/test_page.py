"""The page in the Chromium of this machine: scores against edge.py's, refusals, accessibility."""

import shutil

import browsers
import cv2
import numpy as np
import pytest

import adhelpers as ad
from adhelpers import cli, edge
from adhelpers.export import page as page_module
from adhelpers.export.litert_js import runtime_files

RANDOM = np.random.default_rng(0)
SHAPES = ((100, 120), (150, 700), (501, 733), (448, 448), (672, 672), (224, 224))


def picture(height, width):
    """A smooth picture with noise, (H, W, 3), RGB."""
    coarse = RANDOM.integers(0, 256, (8, 8, 3), dtype=np.uint8)
    smooth = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    return cv2.add(smooth, RANDOM.integers(0, 30, smooth.shape, dtype=np.uint8))


@pytest.fixture(scope="module", params=["float32", "int8-weights"])
def model(request):
    data = ad.datasets.load_synthetic("weave")
    extract = ad.Extractor(weights="builtin", engine="tflite", precision=request.param)
    detector = ad.LocalDetector().fit(extract.maps(data.train.subset(range(12))))
    return ad.export.build(extract.model, detector, {"category": "weave"})


@pytest.fixture(scope="module")
def chromium():
    with browsers.chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """Files of every kind that is taken."""
    pil = pytest.importorskip("PIL.Image")
    folder = tmp_path_factory.mktemp("images")
    for height, width in SHAPES:
        cv2.imwrite(str(folder / f"{height}x{width}.png"), picture(height, width))
    cv2.imwrite(str(folder / "grey.png"), picture(300, 310)[..., 0])
    deep = RANDOM.integers(0, 2**16, (300, 310, 3), dtype=np.uint16)
    cv2.imwrite(str(folder / "sixteen.png"), deep)
    exif = pil.Exif()
    for turn in (3, 5, 6):
        exif[274] = turn
        pil.fromarray(picture(400, 300)).save(folder / f"turned{turn}.jpg", exif=exif)
    pil.fromarray(picture(400, 300)).save(folder / "lossy.webp")
    pil.fromarray(picture(400, 300)).save(folder / "plain.bmp")
    return sorted(folder.iterdir())


@pytest.fixture(scope="module")
def opened(chromium, runtime, model, tmp_path_factory):
    """A page opened as a file, without a network."""
    path = tmp_path_factory.mktemp("page") / "page.html"
    path.write_text(page_module.single_page(model), "utf-8")
    with chromium.new_context(offline=True, viewport={"width": 390, "height": 800}) as context:
        tab = context.new_page()
        tab.goto(path.as_uri())
        tab.evaluate("adhelpers.ready")
        yield tab


def score(tab, paths):
    """Score files as a user does, and return the rows."""
    tab.evaluate("adhelpers.rows.length = 0")
    tab.set_input_files("#files", [str(path) for path in paths])
    tab.wait_for_function(f"adhelpers.rows.length === {len(paths)}")
    return tab.evaluate("adhelpers.rows")


def test_the_scores_are_those_of_edge(opened, model, images):
    detector = edge.Detector(model)
    for path, row in zip(images, score(opened, images), strict=True):
        image = edge.decode(path.read_bytes())
        expected, distances = detector.score(image)
        assert row["score"] == pytest.approx(expected, rel=1e-5), path.name
        assert dict(row["distances"]) == pytest.approx(distances, rel=1e-4), path.name
        assert row["decision"] == ("normal" if expected <= detector.threshold else "ANOMALY")


@pytest.mark.parametrize("model", ["int8-weights"], indirect=True)
def test_resizing_is_that_of_opencv_to_the_bit(opened):
    for height, width in ((100, 120), (150, 400), (301, 333), (448, 448), (2, 3), (225, 224)):
        image = picture(height, width)
        values = opened.evaluate(
            """async ([data, width, height]) => {
              const { resize } = await import("#resize.js");
              return [...resize({ data, width, height }, 224, 224).data];
            }""",
            [image.ravel().tolist(), width, height],
        )
        assert np.array_equal(np.reshape(values, (224, 224, 3)), edge.to_square(image, 224))


@pytest.mark.trouble
def test_what_browsers_decode_otherwise_is_refused(opened, images, tmp_path):
    pil = pytest.importorskip("PIL.Image")
    cv2.imwrite(str(tmp_path / "alpha.png"), np.full((300, 300, 4), 100, np.uint8))
    cv2.imwrite(str(tmp_path / "tiff.tiff"), picture(300, 300))
    pil.fromarray(picture(300, 300)).convert("CMYK").save(tmp_path / "cmyk.jpg")
    for whole in (path for path in images if path.name in ("turned3.jpg", "grey.png")):
        content = whole.read_bytes()
        (tmp_path / f"cut{whole.suffix}").write_bytes(content[: len(content) // 2])
    paths = sorted(tmp_path.iterdir())
    words = ("alpha", "CMYK", "cut off", "cut off", "TIFF")
    for row, word in zip(score(opened, paths), words, strict=True):
        assert word in row["error"] and row.get("score") is None


def test_it_is_accessible_and_fits_a_telephone(opened, images):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    score(opened, images[:2])
    for scheme in ("light", "dark"):
        opened.emulate_media(color_scheme=scheme)
        report = axe.Axe().run(opened)
        assert not report.response["violations"], report.generate_report()
    assert opened.evaluate("document.documentElement.scrollWidth") <= 390


@pytest.mark.parametrize("model", ["int8-weights"], indirect=True)
def test_the_site_works_offline_after_the_first_visit(chromium, runtime, model, tmp_path, images):
    file, folder = tmp_path / "detector.tflite", tmp_path / "site"
    file.write_bytes(model)
    assert cli.main(["page", str(file), "--folder", str(folder)]) == 0
    with chromium.new_context() as context:
        tab = context.new_page()
        with browsers.served(folder) as address:
            tab.goto(address)
            tab.evaluate("navigator.serviceWorker.ready.then(() => adhelpers.ready)")
        tab.reload()
        tab.evaluate("adhelpers.ready")
        assert score(tab, images[:1])[0]["score"] > 0


@pytest.mark.parametrize("precision", ["int8-mixed", "float16", "dynamic", None])
def test_a_precision_that_browsers_run_slowly_is_refused(precision):
    with pytest.raises(ad.UserError, match="--precision int8-weights"):
        page_module._check_precision(precision)


@pytest.mark.trouble
def test_a_damaged_detector_and_a_missing_name_are_refused(tmp_path, capsys):
    file = tmp_path / "detector.tflite"
    file.write_bytes(b"0000TFL3" + bytes(100))
    for words in (["-o", str(tmp_path / "x.html")], []):
        assert cli.main(["page", str(file), *words]) == 2
        assert capsys.readouterr().err.count("\n") == 1
    assert not (tmp_path / "x.html").exists()


def test_without_npm_a_line_says_what_to_fetch(tmp_path, monkeypatch):
    monkeypatch.setenv("ADHELPERS_CACHE", str(tmp_path))
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(ad.UserError, match=r"npm pack @litertjs/core@.* put .*\.tgz into"):
        runtime_files()
