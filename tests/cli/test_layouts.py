"""Folders that are laid out otherwise, results beside data, copies, and few images, by command."""

import csv
import json

import numpy as np
import pytest
from pictures import draw_image, write_category, write_image
from screens import assert_one_line

from adhelpers import edge
from adhelpers.cli import main

pytestmark = [pytest.mark.trouble, pytest.mark.usefixtures("small_network")]


def run(root, result, *more) -> int:
    common = ["--weights", "none", "--detector", "pooled", "--no_quantize"]
    return main(["run", "--data_path", str(root), "--save_path", str(result), *common, *more])


def export(root, path, *more) -> int:
    common = ["--weights", "none", "--detector", "pooled", "-o", str(path)]
    return main(["export", "--data_path", str(root), *common, *more])


def rows(result) -> list[dict]:
    (path,) = result.glob("distances_*.csv")
    with path.open() as file:
        return list(csv.DictReader(file))


def write_side_by_side(root) -> None:
    for i in range(8):
        write_image(root / f"good/{i:03d}.png", draw_image(i))
    for i in range(3):
        write_image(root / f"crack/{i:03d}.png", draw_image(200 + i, anomalous=True))
        write_image(root / f"mask/crack/{i:03d}.png", np.full((64, 64), 255, np.uint8))


def test_good_defect_and_mask_side_by_side(tmp_path, capsys):
    write_side_by_side(tmp_path / "part")
    assert run(tmp_path / "part", tmp_path / "r") == 0
    screen = capsys.readouterr().out
    assert "part: no train and test, but folders of normal and other images" in screen
    (row,) = json.loads((tmp_path / "r/summary.json").read_text())
    assert (row["category"], row["n_train"], row["n_test"]) == ("part", 7, 4)
    assert [line["defect_type"] for line in rows(tmp_path / "r")] == ["crack"] * 3 + ["good"]


def test_no_detector_is_fitted_to_defects(tmp_path, capsys):
    write_side_by_side(tmp_path / "part")
    path = tmp_path / "d.tflite"
    assert export(tmp_path / "part", path, "--category", "crack") == 2
    assert_one_line(capsys, "unknown category 'crack'", "part")
    assert export(tmp_path / "part/crack", path) == 2
    assert_one_line(capsys, "crack, beside good, do not look like normal ones")
    assert not path.exists()


def test_two_runs_in_the_folder_of_the_data_are_the_same(small_root, tmp_path, monkeypatch):
    monkeypatch.chdir(small_root)
    found = []
    for save_path in ("result", "result", "other"):
        assert run(".", save_path) == 0
        (row,) = json.loads((small_root / save_path / "summary.json").read_text())
        found.append((row["category"], row["n_train"], rows(small_root / save_path)))
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize("place", [".", "plate", "plate/train/good", "plate/test/spot/r"])
def test_results_among_the_images_are_refused(small_root, capsys, place):
    before = sorted(small_root.rglob("*.png"))
    assert run(small_root, small_root / place) == 2
    assert_one_line(capsys, "lies among the images", "where results would become data")
    assert sorted(small_root.rglob("*.png")) == before


def test_what_is_left_out_is_counted(small_root, tmp_path, capsys):
    (small_root / "plate/train/good/deep").mkdir()
    for name in ("x.gif", "y.avif", "._z.png"):
        (small_root / "plate/train/good/deep" / name).touch()
    write_image(small_root / "plate/train/good/deep/0.png", draw_image(99))
    assert run(small_root, tmp_path / "r") == 0
    screen = capsys.readouterr().out
    assert "plate: left out, as no images by their names: 1 .avif, 1 .gif\n" in screen
    assert "plate: 7 training and 6 test images" in screen


def copy_training_images(root, times: int) -> None:
    for path in sorted((root / "plate/train/good").iterdir()):
        for i in range(1, times):
            copy = path.with_name(f"{path.stem} - Copy ({i}).png")
            copy.write_bytes(path.read_bytes())


def test_copies_are_held_out_together(small_root, tmp_path, capsys):
    """With its twins left in the fit, an image would lie nearer than without any."""
    assert export(small_root, tmp_path / "once.tflite") == 0
    assert "copies of others" not in capsys.readouterr().out
    copy_training_images(small_root, 5)
    assert export(small_root, tmp_path / "five.tflite") == 0
    screen = capsys.readouterr().out
    assert "plate: 24 of 30 training images are copies of others under other names" in screen
    once, five = (
        edge.read_record((tmp_path / name).read_bytes())["threshold"]
        for name in ("once.tflite", "five.tflite")
    )
    assert five >= once
    images, path = str(small_root / "plate/train"), str(tmp_path / "fit.tflite")
    assert main(["fit", images, "--weights", "none", "--detector", "pooled", "-o", path]) == 0
    assert "24 of 30 training images are copies" in capsys.readouterr().out


def test_images_in_both_splits_are_warned_of(small_root, tmp_path, capsys):
    data = (small_root / "plate/train/good/001.png").read_bytes()
    (small_root / "plate/test/good/again.png").write_bytes(data)
    assert run(small_root, tmp_path / "r") == 0
    screen = capsys.readouterr().out
    assert "warning: 1 of 7 test images are training images as well, first" in screen
    assert "again.png" in screen


@pytest.mark.parametrize("detector", ["pooled", "local", "both"])
def test_with_few_images_there_is_no_threshold(tmp_path, capsys, detector):
    write_category(tmp_path / "data/plate", n_train=4)
    words = "plate: no threshold, as fewer than 6 different training images were given"
    path, kind = tmp_path / "d.tflite", ["--detector", detector]
    kind += [] if detector == "pooled" else ["--map_levels", "1", "2"]
    assert export(tmp_path / "data", path, *kind) == 0
    assert words in capsys.readouterr().out
    images = [str(tmp_path / "data/plate/test/good/000.png")]
    assert edge.main([str(path), *images, "--format", "json"]) == 0
    captured = capsys.readouterr()
    row = json.loads(captured.out)
    assert np.isfinite(row["score"])
    assert row["threshold"] is None and row["decision"] is None
    assert "the model has no threshold" in captured.err
    assert run(tmp_path / "data", tmp_path / "r", *kind) == 0
    assert words in capsys.readouterr().out
    (one, *_) = json.loads((tmp_path / "r/summary.json").read_text())
    assert one["image_auroc"] is not None
