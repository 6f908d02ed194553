"""The export of a detector, as a user calls it, with a small network in the place of B0."""

import json
import os

import numpy as np
import pytest
from networks import small_backbone
from pictures import write_category

import adhelpers as ad
from adhelpers import backbones, edge
from adhelpers.cli import main


@pytest.fixture(autouse=True)
def small_network(tmp_path, monkeypatch):
    monkeypatch.setenv("ADHELPERS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(
        backbones, "load_backbone", lambda name, weights, size, seed: small_backbone(size)
    )


def exported(root, *more) -> int:
    common = ["--data_path", str(root), "--weights", "none"]
    kind = [] if "--detector" in more else ["--detector", "pooled"]
    return main(["export", *common, *kind, *map(str, more)])


def scores(path, files, capsys) -> list[dict]:
    capsys.readouterr()
    assert edge.main([str(path), *map(str, files), "--format", "json"]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_the_device_decides_as_the_package_does(small_root, tmp_path, capsys, precision):
    path = tmp_path / "out" / "detector.tflite"
    assert exported(small_root, "--precision", precision, "-o", path) == 0
    screen = capsys.readouterr().out
    assert f"plate, efficientnet-b0 {precision}" in screen
    assert "fitted on 6 images" in screen
    assert "checked on" in screen

    data = ad.datasets.load_mvtec(small_root, "plate")
    extract = ad.Extractor(
        weights="none", engine="tflite", precision=precision, calibration=data.train
    )
    detector = ad.MahalanobisDetector().fit(extract(data.train))
    rows = scores(path, data.test.paths, capsys)
    expected = detector.anomaly_score(extract(data.test))
    assert [row["score"] for row in rows] == pytest.approx(expected, rel=1e-3)
    assert [row["decision"] == "normal" for row in rows] == list(
        detector.predict(extract(data.test)) == 1
    )
    assert {row["threshold"] for row in rows} == {detector.threshold_}


def test_the_record(small_root, tmp_path):
    path = tmp_path / "detector.tflite"
    assert exported(small_root, "--protocol", "crop", "-o", path) == 0
    expected = {
        "category": "plate",
        "backbone": "efficientnet-b0",
        "weights": "none (untrained, seed 0)",
        "protocol": "crop",
        "engine": "tflite",
        "precision": "float32",
        "input_size": 224,
        "image_shape": [64, 64],
        "n_train": 6,
    }
    assert expected.items() <= edge.read_record(path.read_bytes()).items()


def test_without_a_name_the_file_lies_below_the_save_path(small_root, tmp_path):
    assert exported(small_root, "--save_path", tmp_path / "result") == 0
    assert os.listdir(tmp_path / "result" / "models") == [
        "detector_plate_efficientnet-b0_float32.tflite"
    ]


def test_one_name_for_several_categories(small_root, tmp_path, capsys):
    (small_root / "plate").rename(small_root / "cup")
    write_category(small_root / "plate")
    assert exported(small_root, "-o", tmp_path / "detector.tflite") == 2
    assert "2 categories" in capsys.readouterr().err


def test_equal_training_images_are_checked_once(small_root, tmp_path):
    folder = small_root / "plate" / "train" / "good"
    (folder / "copy.png").write_bytes((folder / "000.png").read_bytes())
    assert exported(small_root, "-o", tmp_path / "detector.tflite") == 0


def test_a_graph_that_fails_its_check_is_not_written(small_root, tmp_path, capsys, monkeypatch):
    real = backbones.Graph.constant

    def doubled(self, array, name, kind=np.float32):
        return real(self, 2 * array if name == "level_1/scale" else array, name, kind)

    monkeypatch.setattr(backbones.Graph, "constant", doubled)
    path = tmp_path / "detector.tflite"
    assert exported(small_root, "-o", path) == 2
    assert "off by" in capsys.readouterr().err
    assert not path.exists()
