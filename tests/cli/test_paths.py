"""Paths that cannot be read or written, names of all kinds, few images, and runs that fail."""

import csv
import json
import os

import cv2
import numpy as np
import pytest
from pictures import draw_image, write_category, write_image
from screens import assert_one_line

from adhelpers.cli import main, names

pytestmark = [pytest.mark.trouble, pytest.mark.usefixtures("small_network")]
KIND = ["--weights", "none", "--detector", "pooled"]


def run(root, result, *more) -> int:
    where = ["--data_path", str(root), "--save_path", str(result)]
    return main(["run", *where, *KIND, "--no_quantize", *more])


def explain(root, result, *more) -> int:
    where = ["--data_path", str(root), "--save_path", str(result)]
    return main(["explain", *where, *KIND, *more])


def categories(result, name="summary") -> list[str]:
    with (result / f"{name}.csv").open(encoding="utf-8") as file:
        found = list(dict.fromkeys(row["category"] for row in csv.DictReader(file)))
    records = json.loads((result / f"{name}.json").read_text("utf-8"))
    assert list(dict.fromkeys(record["category"] for record in records)) == found
    return found


@pytest.fixture
def masked_root(small_root):
    mask = np.zeros((64, 64), np.uint8)
    mask[20:36, 20:36] = 255
    for i in range(3):
        write_image(small_root / f"plate/ground_truth/spot/{i:03d}_mask.png", mask)
    return small_root


@pytest.mark.parametrize(
    "place",
    [
        *(".", "plate", "plate/train", "plate/train/good", "plate/train/good/001.png"),
        *("plate/test", "plate/test/spot", "plate/test/spot/000.png"),
        *("plate/ground_truth", "plate/ground_truth/spot/001_mask.png"),
    ],
)
def test_data_that_may_not_be_read(masked_root, tmp_path, capsys, close, place):
    close(masked_root / place)
    assert explain(masked_root, tmp_path / "r") == 2
    assert_one_line(capsys, str(masked_root / place), "Permission denied")


def test_what_the_system_keeps_for_itself_stops_no_run(small_root, tmp_path, close):
    (small_root / "lost+found").mkdir()
    close(small_root / "lost+found")
    assert run(small_root, tmp_path / "r") == 0


@pytest.mark.parametrize("option", ["--weights", "--fitted", "DETECTOR"])
def test_files_that_may_not_be_read(masked_root, tmp_path, capsys, close, option):
    path = tmp_path / "closed.weights.h5"
    path.write_text("anything")
    close(path)
    if option == "DETECTOR":
        assert main(["score", str(path), str(masked_root)]) == 2
    else:
        assert explain(masked_root, tmp_path / "r", option, str(path)) == 2
    assert_one_line(capsys, str(path), "Permission denied")


def test_results_that_may_not_be_read_or_written(small_root, tmp_path, capsys, close):
    assert run(small_root, tmp_path / "r") == 0
    close(tmp_path / "r/summary.json")
    assert run(small_root, tmp_path / "r") == 2
    assert_one_line(capsys, "summary.json: Permission denied")
    close(tmp_path / "r", 0o555)
    assert run(small_root, tmp_path / "r") == 2
    assert_one_line(capsys, f"{tmp_path / 'r'}: cannot be written (Permission denied)")


def test_a_working_folder_that_is_read_only(small_root, tmp_path, monkeypatch, capsys, close):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    close(tmp_path / "here", 0o555)
    assert main(["run", "--data_path", str(small_root), *KIND]) == 2
    assert_one_line(capsys, "result: cannot be written")
    assert main(["fit", str(small_root), *KIND]) == 2
    assert_one_line(capsys, "here: cannot be written")
    assert main(["run", "--data_path", "synthetic", "--save_path", str(tmp_path / "r"), *KIND]) == 2
    assert_one_line(capsys, "data: ", "Permission denied")


@pytest.mark.parametrize("mode", [None, 0, 0o555])
def test_a_cache_that_is_a_file_or_may_not_be_used(
    small_root, tmp_path, monkeypatch, capsys, close, mode
):
    place = tmp_path / "place"
    monkeypatch.setenv("ADHELPERS_CACHE", str(place))
    if mode is None:
        place.write_text("a file")
    else:
        place.mkdir()
        close(place, mode)
    assert run(small_root, tmp_path / "r") == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]  # Keras may have lines of its own
    assert f"adhelpers: {place}" in error and "by the variable ADHELPERS_CACHE" in error


NAMES = ["🙂" * 63, "螺$b_$\\frac{", "a\x1b[31mb\nc", "w" * 255, "\udcfc"]


def test_categories_defects_and_images_of_any_name(tmp_path, capsys):
    root, made = tmp_path / "data", []
    for name in NAMES:
        category = write_category(root / "new")
        try:
            (category / "test/spot/000.png").rename(category / f"test/spot/{name[:60]}.png")
            (category / "test/spot").rename(category / "test" / name)
            made.append(category.rename(root / name).name)
        except OSError:  # a file system that knows no such name
            write_category(root / "new")
    assert len(made) > 2
    assert run(root, tmp_path / "r") == 0
    assert run(root, tmp_path / "r", f"--category={made[-1]}") == 0  # reads what is there
    assert capsys.readouterr().err == ""
    records = json.loads((tmp_path / "r/summary.json").read_text("utf-8"))
    assert {record["category"] for record in records} == {*made}
    assert all({*record["defect_type_auroc"]} == {record["category"]} for record in records)
    for pattern in ("distances_*.csv", "models/detector_*.npz", "feats/test_*.npz", "scores_*.png"):
        assert len(list((tmp_path / "r").glob(pattern))) == len(made)


def test_names_that_are_too_long_stay_apart():
    ends = [names.file_name("feats", letter * 255 + end) for letter in "ab" for end in "xy"]
    assert len({*ends}) == 4
    for name in (
        *ends,
        names.file_name("🙂" * 63, "螺" * 85),
        names.file_name("x", "\udcfc" * 255),
    ):
        assert len(os.fsencode(name)) <= 200
    assert names.file_name("a" * 99, "b" * 100) == "a" * 99 + "_" + "b" * 100


def test_no_figure_of_an_image_replaces_another(small_root, tmp_path, capsys):
    places = ["one/x.png", "two/one/x.png", "two/one/X.png", "one/x-2.png", "one/x.bmp"]
    images = [str(write_image(tmp_path / x, draw_image(i))) for i, x in enumerate(places)]
    assert explain(small_root, tmp_path / "r", "--image", *images) == 0
    drawn = [line.rpartition(" to ")[2] for line in capsys.readouterr().out.splitlines()]
    assert [x.rpartition("/")[2] for x in drawn[-5:]] == [
        *("x.png", "x-2.png", "X-3.png", "x-2-2.png", "x-4.png")
    ]
    pictures = {cv2.imread(path).tobytes() for path in drawn[-5:]}
    assert len(pictures) == 5


@pytest.mark.parametrize("count", [3, 5])
def test_few_images(tmp_path, capsys, masked_root, count):
    """There is no threshold: it is said, and all that needs none is done."""
    for path in sorted((masked_root / "plate/train/good").iterdir())[count:]:
        path.unlink()
    words = "plate: no threshold, as fewer than 6 different training images were given"
    assert explain(masked_root, tmp_path / "r") == 0
    assert capsys.readouterr().out.count(words) == 1
    (row,) = json.loads((tmp_path / "r/pixel_summary.json").read_text())
    assert row["pixel_auroc"] > 0.5 and row["n_detected"] == 0 and row["hit_rate"] is None
    image = str(masked_root / "plate/test/spot/000.png")
    assert explain(masked_root, tmp_path / "r", "--image", image) == 0
    assert capsys.readouterr().out.count(words) == 1
    where = ["--data_path", str(masked_root), "--save_path", str(tmp_path / "r")]
    assert main(["table", "thresholds", *where, "--weights", "none"]) == 0
    assert capsys.readouterr().out.count(words) == 1
    with (tmp_path / "r/tables/table_thresholds_efficientnet-b0.csv").open() as file:
        rates = {row["row"]: row["true_positive_rate"] for row in csv.DictReader(file)}
    assert rates["held-out, 95 %"] == "" and rates["chi-square, 1 sigma"] != ""


@pytest.mark.parametrize(("command", "name"), [(run, "summary"), (explain, "pixel_summary")])
def test_a_category_that_fails_takes_no_rows_away(masked_root, tmp_path, capsys, command, name):
    for other in ("bolt", "nut", "pin"):
        write_category(masked_root / other, n_bad=0)
        write_image(masked_root / other / "test/spot/000.png", draw_image(200, anomalous=True))
        mask = (masked_root / "plate/ground_truth/spot/000_mask.png").read_bytes()
        (masked_root / other / "ground_truth/spot").mkdir(parents=True)
        (masked_root / other / "ground_truth/spot/000_mask.png").write_bytes(mask)
    result = tmp_path / "r"
    assert command(masked_root, result, "--category", "plate", "bolt") == 0
    assert categories(result, name) == ["plate", "bolt"]
    (masked_root / "pin/train/good/000.png").write_bytes(b"no image")
    assert command(masked_root, result, "--category", "nut", "pin", "plate") == 2
    assert "pin/train/good/000.png" in capsys.readouterr().err
    assert categories(result, name) == ["plate", "bolt", "nut"]
    assert command(masked_root, result, "--category", "plate") == 0  # in the place of its own
    assert categories(result, name) == ["bolt", "nut", "plate"]


@pytest.mark.parametrize("command", [run, explain])
@pytest.mark.parametrize(
    "content", ["", "{", "null", "[7]", '[{"category": "plate"}]', "[" * 100_000, b"\xff", None]
)
def test_summaries_that_are_none_stay_as_they_are(masked_root, tmp_path, capsys, command, content):
    name = "summary.json" if command is run else "pixel_summary.json"
    place = tmp_path / "r" / name
    place.parent.mkdir()
    if content is None:
        place.mkdir()
    else:
        place.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert command(masked_root, tmp_path / "r") == 2
    assert_one_line(capsys, f"{name}: not a summary of this version", "remove it, or choose")
    assert [path.name for path in place.parent.iterdir()] == [name]
