"""From a folder of normal images to a detector in one file, as a user calls it."""

import csv
import io
import json

import pytest
from networks import small_backbone
from pictures import draw_image, write_image
from screens import assert_one_line

import adhelpers as ad
from adhelpers import backbones, edge
from adhelpers.cli import main


@pytest.fixture(autouse=True)
def small_network(tmp_path, monkeypatch):
    monkeypatch.setenv("ADHELPERS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(
        backbones, "load_backbone", lambda name, weights, size, seed: small_backbone(size)
    )


@pytest.fixture
def photos(tmp_path):
    """Normal images in two folders, one below the other, and a file that is none."""
    for i in range(12):
        folder = tmp_path / "photos" / ("evening" if i % 2 else "")
        write_image(folder / f"{i:02}.png", draw_image(i))
    (tmp_path / "photos/notes.txt").write_text("taken on Monday")
    return tmp_path / "photos"


def fit(*arguments) -> int:
    kind = [] if "--detector" in arguments else ["--detector", "pooled"]
    return main(["fit", *map(str, arguments), "--weights", "none", *kind])


def test_a_folder_becomes_a_detector_that_scores(photos, tmp_path, capsys):
    path = tmp_path / "out/parts.tflite"
    assert fit(photos, "-o", path) == 0
    screen = capsys.readouterr().out
    assert "12 images; left out, as no images by their names: 1 .txt" in screen
    assert "fitted on 12 images: ledoit-wolf, sum of all levels" in screen
    samples, _ = ad.datasets.list_images([photos])
    extract = ad.Extractor(weights="none", engine="tflite")
    detector = ad.MahalanobisDetector().fit(extract(samples))
    record = edge.read_record(path.read_bytes())
    assert record["category"] == "parts"
    assert record["threshold"] == detector.threshold_
    assert record["parameters"] == detector.get_params()

    bad = write_image(tmp_path / "bad.png", draw_image(3, anomalous=True))
    assert main(["score", str(path), str(photos), str(bad)]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    features = extract(ad.datasets.list_images([photos, bad])[0])
    found = [float(row["score"]) for row in rows]
    assert found == pytest.approx(detector.anomaly_score(features), rel=1e-3)


@pytest.mark.parametrize("kind", ["local", "both"])
def test_gaussians_per_position_in_one_file(photos, tmp_path, capsys, kind):
    path = tmp_path / "parts.tflite"
    assert fit(photos, "-o", path, "--detector", kind, "--map_levels", "1", "2") == 0
    assert "fitted on 12 images: Gaussians per position" in capsys.readouterr().out
    record = edge.read_record(path.read_bytes())
    assert record["parameters"]["levels"] == ["level_1", "level_2"]
    extract = ad.Extractor(weights="none", engine="tflite")
    samples, _ = ad.datasets.list_images([photos])
    levels = ["level_1", "level_2"]
    detector = ad.detector.DETECTORS[kind].make(levels).fit(extract.maps(samples, levels))
    assert record["threshold"] == pytest.approx(detector.threshold_, rel=1e-6)
    assert main(["score", str(path), str(photos)]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    found = [float(row["score"]) for row in rows]
    assert found == pytest.approx(detector.anomaly_score(extract.maps(samples, levels)), rel=1e-3)


def test_local_is_the_default_and_says_which_levels_it_lacks(photos, tmp_path, capsys):
    common = ["fit", str(photos), "--weights", "none", "-o", str(tmp_path / "d.tflite")]
    assert main(common) == 2
    assert_one_line(capsys, "unknown level", "level_4")


def test_the_choice_of_the_detector_stands_in_the_record(photos, tmp_path, capsys):
    path = tmp_path / "detector.tflite"
    words = "--levels 2 level_1 --covariance diagonal --ridge 0.1 --combination z-score"
    assert fit(photos, "-o", path, "--name", "bolt", *words.split(), "--quantile", "0.9") == 0
    record = edge.read_record(path.read_bytes())
    assert record["category"] == "bolt"
    assert record["levels"] == ["level_2", "level_1"]
    expected = {"covariance": "diagonal", "ridge": 0.1, "combination": "z-score", "quantile": 0.9}
    assert expected.items() <= record["parameters"].items()
    assert "diagonal, ridge 0.1, z-score of level_2, level_1" in capsys.readouterr().out


def test_patterns_and_copies(photos, tmp_path, capsys):
    path = tmp_path / "d.tflite"
    copies = ["--augment", "gain", "--copies", "2"]
    assert fit(f"{photos}/*.png", "-o", path, *copies) == 0
    assert json.loads(json.dumps(edge.read_record(path.read_bytes())))["n_train"] == 6 * 3


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere"], ["nowhere", "no such file or folder"]),
        (["{photos}/00.png"], ["1 image(s)", "at least 3"]),
        (["{photos}", "--levels", "level_77"], ["unknown level", "level_77", "level_1, level_2"]),
        (["{photos}", "--levels", "stem"], ["unknown level", "stem"]),
        (["{photos}", "--covariance", "round"], ["round", "ledoit-wolf"]),
        (["{photos}", "--combination", "product"], ["product", "z-score"]),
        (["{photos}", "--combination", "fisher"], ["fisher", "sum, relative, z-score"]),
        (["{photos}", "--threshold", "none"], ["none", "held-out"]),
        (["{photos}", "--ridge", "0.1"], ["ridge belongs to", "empirical"]),
        (["{photos}", "--reduction", "pca", "--variance_share", "0"], ["variance_share"]),
        (["{photos}", "-o", "{photos}"], ["is a folder"]),
        (["{photos}", "-o", "{photos}/notes.txt/d.tflite"], ["cannot be written"]),
        (["{photos}", "--precision", "int4"], ["int4", "int8-mixed"]),
    ],
)
def test_bad_input_is_one_line_and_nothing_is_written(photos, tmp_path, capsys, arguments, words):
    arguments = [word.format(photos=photos) for word in arguments]
    output = [] if "-o" in arguments else ["-o", tmp_path / "d.tflite"]
    try:
        code = fit(*arguments, *output)
    except SystemExit as stop:
        code = stop.code
    assert code == 2
    assert_one_line(capsys, *words)
    assert not (tmp_path / "d.tflite").exists()
    assert (photos / "notes.txt").read_text() == "taken on Monday"
