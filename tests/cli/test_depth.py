"""Cameras of 10, 12 and 14 bits, whose values lie in the low bits of 16: as if they were of 8."""

import csv
import json

import cv2
import numpy as np
import pytest
from networks import small_backbone
from pictures import write_category
from screens import assert_one_line

from adhelpers import backbones, edge
from adhelpers.cli import main

pytestmark = pytest.mark.trouble


@pytest.fixture(autouse=True)
def small_network(monkeypatch):
    monkeypatch.setattr(
        backbones, "load_backbone", lambda name, weights, size, seed: small_backbone(size)
    )


def write_deep(folder, bits: int, suffix: str = ".png"):
    """Write a category in grey, its values stretched to so many bits."""
    write_category(folder)
    for path in sorted(folder.rglob("*.png")):
        if "ground_truth" not in path.parts:
            grey = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
            path.unlink()
            deep = np.rint(grey * ((2**bits - 1) / 255)).astype(np.uint16 if bits > 8 else np.uint8)
            cv2.imwrite(str(path.with_suffix(suffix)), deep)
    return folder


def scores(result) -> list[str]:
    (path,) = result.glob("distances_*.csv")
    with path.open() as file:
        return [row["score"] for row in csv.DictReader(file)]


@pytest.mark.parametrize(
    ("bits", "suffix"), [(10, ".png"), (12, ".png"), (12, ".tif"), (14, ".png"), (16, ".tif")]
)
def test_run_is_the_same_as_with_8_bits(bits, suffix, tmp_path):
    common = ["--weights", "none", "--detector", "pooled", "--no_quantize", "--no_save_feat"]
    found = {}
    for depth, kind in ((8, ".png"), (bits, suffix)):
        root, result = tmp_path / str(depth), tmp_path / f"result{depth}"
        write_deep(root / "plate", depth, kind)
        assert main(["run", "--data_path", str(root), "--save_path", str(result), *common]) == 0
        found[depth] = scores(result)
    assert found[bits] == found[8]


def test_the_detector_knows_it(tmp_path, capsys):
    common = ["--weights", "none", "--detector", "pooled", "-o"]
    found = {}
    for bits in (8, 10):
        folder = write_deep(tmp_path / str(bits), bits)
        model = tmp_path / f"{bits}.tflite"
        assert main(["fit", str(folder / "train/good"), *common, str(model)]) == 0
        capsys.readouterr()
        assert main(["score", str(model), str(folder / "test")]) == 0
        lines = capsys.readouterr().out.splitlines()[1:]
        assert edge.main([str(model), str(folder / "test"), "--format", "json"]) == 0
        rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        found[bits] = [line.split(str(folder))[-1] for line in lines], [x["score"] for x in rows]
    assert edge.read_record(model.read_bytes())["bits"] == 10
    assert found[10] == found[8]

    more, table = tmp_path / "more.png", tmp_path / "scores.csv"
    cv2.imwrite(str(more), np.full((64, 64), 1024, np.uint16))
    assert edge.main([str(model), str(more)]) == 2
    assert_one_line(capsys, "more.png: reaches 1024, beyond the 10 bits (0-1023)")
    assert main(["score", str(model), str(more), "-o", str(table)]) == 2
    with table.open() as file:
        (row,) = csv.DictReader(file)
    assert (row["score"], row["decision"]) == ("", "")
    assert "reaches 1024, beyond the 10 bits" in row["error"]


def test_a_test_image_beyond_the_training_images(tmp_path, capsys):
    root = tmp_path / "data"
    write_deep(root / "plate", 10)
    bright = next((root / "plate/test/good").iterdir())
    cv2.imwrite(str(bright), np.full((64, 64), 4000, np.uint16))
    common = ["--weights", "none", "--detector", "pooled", "--no_quantize"]
    command = ["run", "--data_path", str(root), "--save_path", str(tmp_path / "r"), *common]
    assert main(command) == 2
    assert_one_line(capsys, f"{bright}: reaches 4000, beyond the 10 bits (0-1023)", "--bits")
    assert main([*command, "--bits", "12"]) == 0
