"""The folders of tests/cases, whole, by `run` with the built-in network."""

import csv
import json
import shutil
from pathlib import Path

import pytest

from adhelpers.cli import main
from adhelpers.datasets import categories, load_mvtec, read_mask
from adhelpers.detector import load_detector
from adhelpers.images import read

pytestmark = pytest.mark.trouble

CASES = Path(__file__).parents[1] / "cases"
COMMON = ["--weights", "builtin", "--detector", "pooled"]


def run(data_path, result, *more) -> dict:
    command = ["run", "--data_path", str(data_path), "--save_path", str(result), *COMMON]
    assert main([*command, "--no_quantize", "--no_save_feat", *more]) == 0
    (row,) = json.loads((result / "summary.json").read_text())
    return row


@pytest.mark.parametrize(
    ("case", "category", "train", "test", "words"),
    [
        ("cjk_names", "螺丝", 8, 6, ""),
        ("dollar_folder", "p", 8, 6, ""),
        ("duplicates", "plate", 40, 6, "32 of 40 training images are copies of others"),
        ("few_shot_3", "p", 3, 6, "no threshold, as fewer than 6 different training images"),
        ("layout_good_bad_mask", "layout_good_bad_mask", 7, 6, "folders of normal and other"),
        ("layout_good_bad_mask_flat", "layout_good_bad_mask_flat", 7, 6, "folders of normal and"),
        ("layout_visa", "candle", 7, 6, "folders of normal and other images"),
        ("loco_masks", "bag", 8, 6, "3 image(s) in validation are not used"),
        ("masks_named_mask_NNN", "p", 8, 6, ""),
        ("nested_folders", "p", 8, 11, ""),
        ("test_Good_capital", "p", 8, 9, ""),
    ],
)
def test_run(case, category, train, test, words, tmp_path, capsys):
    row = run(CASES / case, tmp_path)
    found = row["category"], row["n_train"], row["n_test"], row["image_auroc"]
    assert found == (category, train, test, pytest.approx(1))
    assert words in capsys.readouterr().out


def test_copies_do_not_make_every_normal_image_an_alarm(tmp_path):
    run(CASES / "duplicates", tmp_path)
    (detector,), (path,) = tmp_path.glob("models/*.npz"), tmp_path.glob("distances_*.csv")
    with path.open() as file:
        scores = [float(row["score"]) for row in csv.DictReader(file) if row["label"] == "0"]
    assert len(scores) == 3
    assert max(scores) < load_detector(detector).threshold_


@pytest.mark.parametrize(
    "case", ["loco_masks", "masks_named_mask_NNN", "layout_visa", "layout_good_bad_mask"]
)
def test_masks_are_found(case):
    (category,) = categories(CASES / case)
    test = load_mvtec(CASES / case, category).test
    assert test.labels.any()
    for path, mask, label in zip(test.paths, test.mask_paths, test.labels, strict=True):
        assert (mask is not None) == (label == 1)
        assert label == 0 or read_mask(mask, read(path).shape[:2]).any()


def test_results_are_no_data(tmp_path, monkeypatch):
    shutil.copytree(CASES / "result_in_data_path", tmp_path / "data")
    monkeypatch.chdir(tmp_path / "data")
    first = run(".", Path("result"))
    again = run(".", Path("result"))
    assert (first["category"], first["n_train"]) == ("plate", 8)
    assert again["image_auroc"] == first["image_auroc"]
