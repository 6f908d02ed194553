"""The command `explain`, and the option `--augment`, as a user calls them."""

import csv
import json
import shutil

import numpy as np
import pytest
from pictures import draw_image, write_category, write_image
from screens import assert_one_line

import adhelpers as ad
from adhelpers.cli import main
from adhelpers.evaluation import augmentation_choice


@pytest.fixture(autouse=True)
def one_network(untrained, monkeypatch):
    """Let the commands use the network that the tests have built already."""

    def extractor(*arguments, **more):
        monkeypatch.setattr(untrained, "skip_bad_images", arguments[5])
        return untrained

    monkeypatch.setattr(ad.features, "Extractor", extractor)


@pytest.fixture
def root(small_root):
    """The small category with masks: the square that makes an image anomalous."""
    mask = np.zeros((64, 64), np.uint8)
    mask[20:36, 20:36] = 255
    for i in range(3):
        write_image(small_root / f"plate/ground_truth/spot/{i:03d}_mask.png", mask)
    return small_root


def call(command: str, root, result, *more: str) -> int:
    arguments = ["--data_path", str(root), "--save_path", str(result), "--weights", "none"]
    kind = [] if "--detector" in more or "--fitted" in more else ["--detector", "pooled"]
    return main([command, *arguments, *kind, *more])


def test_everything_is_written(root, tmp_path, capsys, untrained):
    result = tmp_path / "result"
    assert call("explain", root, result, "--examples", "2") == 0
    screen = capsys.readouterr().out
    assert "weights: none (untrained, seed 0)" in screen
    (row,) = json.loads((result / "pixel_summary.json").read_text())
    assert (row["n_images"], row["n_defective"], row["n_without_mask"]) == (6, 3, 0)
    assert list(row["by_map"])[:3] == ["sum of levels", "sum of positive parts", "level_1"]
    assert row["pixel_auroc"] == row["by_map"]["sum of levels"]["pixel_auroc"]
    assert f"{100 * row['pixel_auroc']:.1f} %" in screen

    with (result / "pixel_scores_plate_efficientnet-b0.csv").open() as file:
        lines = list(csv.DictReader(file))
    data = ad.datasets.load_mvtec(root, "plate")
    detector = ad.MahalanobisDetector().fit(untrained(data.train))
    scores = detector.anomaly_score(untrained(data.test))
    np.testing.assert_allclose([float(line["score"]) for line in lines], scores, rtol=1e-4)
    assert [line["pixel_auroc"] == "" for line in lines] == [True] * 3 + [False] * 3
    assert float(lines[-1]["defective_share"]) == pytest.approx(16**2 / 64**2, rel=0.01)
    assert (result / "where_plate_efficientnet-b0.png").stat().st_size > 20000
    with (result / "pixel_summary.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 11


@pytest.mark.parametrize("kind", ["local", "both"])
def test_gaussians_per_position(root, tmp_path, capsys, untrained, kind):
    result = tmp_path / "result"
    assert call("explain", root, result, "--detector", kind) == 0
    (row,) = json.loads((result / "pixel_summary.json").read_text())
    assert list(row["by_map"]) == ["sum of levels", "level_4", "level_5", "level_6", "level_7"]
    data = ad.datasets.load_mvtec(root, "plate")
    detector = ad.detector.DETECTORS[kind].make().fit(untrained.maps(data.train))
    test = untrained.maps(data.test)
    scores = detector.anomaly_score(test)
    with (result / "pixel_scores_plate_efficientnet-b0.csv").open() as file:
        lines = list(csv.DictReader(file))
    np.testing.assert_allclose([float(line["score"]) for line in lines], scores, rtol=1e-4)
    truth = ad.evaluation.read_truth(data.test, untrained.origin.input_size)
    maps = detector.heat_maps(test)
    cells = truth.masks.reshape(6, 28, 8, 28, 8).any(axis=(2, 4))
    detected = (scores > detector.threshold_) & truth.masks.any(axis=(1, 2))
    places = [np.unravel_index(one.argmax(), one.shape) for one in maps]
    inside = [bool(mask[place]) for mask, place in zip(cells, places, strict=True)]
    assert (row["n_detected"], row["n_hits"]) == (
        detected.sum(),
        np.sum(np.array(inside)[detected]),
    )
    assert detected.any()
    words = f"largest cell touches the mask in {row['n_hits']} of {row['n_detected']} detected"
    assert words in capsys.readouterr().out


@pytest.mark.parametrize("kind", ["pooled", "local"])
@pytest.mark.parametrize("with_good", [True, False])
def test_colours_are_in_units_of_what_normal_images_reach(
    root, tmp_path, untrained, monkeypatch, kind, with_good
):
    figures = []
    monkeypatch.setattr(ad.plots, "save", lambda figure, path: figures.append(figure))
    if not with_good:
        shutil.rmtree(root / "plate/test/good")
    image = str(root / "plate/test/spot/000.png")
    assert call("explain", root, tmp_path / "r", "--detector", kind) == 0
    assert call("explain", root, tmp_path / "r", "--detector", kind, "--image", image) == 0
    data = ad.datasets.load_mvtec(root, "plate")
    normal = data.test.subset(range(3)) if with_good else data.train
    which = f"{len(normal)} {'normal test' if with_good else 'training'} images"
    detector = ad.detector.DETECTORS[kind].make()
    detector.fit(untrained.maps(data.train) if kind == "local" else untrained(data.train))
    explainer = ad.evaluation.make_explainer(untrained, detector)
    pixels = [ad.images.to_square(ad.images.read(path), 224) for path in normal.paths]
    total = ad.evaluation.summed(explainer.explained(np.stack(pixels))[0], 224)
    if kind == "local":
        total = np.maximum(total - np.median(total, axis=(1, 2), keepdims=True), 0)
    reached = np.median(np.quantile(np.abs(total), 0.995, axis=(1, 2)))
    for figure in figures:
        assert f"full colour: twice what {which} reach" in figure.get_suptitle()
        drawn = next(axes for axes in figure.axes if len(axes.images) == 2)
        assert drawn.images[1].get_clim()[1] == pytest.approx(2 * reached, rel=1e-3)


def test_named_images_alone(root, tmp_path, capsys):
    image = write_image(tmp_path / "mine.png", draw_image(9, anomalous=True))
    known = root / "plate/test/spot/000.png"
    assert call("explain", root, tmp_path / "r", "--image", str(image), str(known)) == 0
    for name in ("mine", "000"):
        assert (tmp_path / f"r/where_plate_efficientnet-b0/{name}.png").stat().st_size > 20000
    assert not (tmp_path / "r/pixel_summary.json").exists()
    assert capsys.readouterr().out.count("score") == 2


def test_a_detector_that_run_wrote_explains_as_one_fitted_anew(root, tmp_path, capsys):
    assert call("run", root, tmp_path / "r", "--no_quantize", "--levels", "4", "5") == 0
    (saved,) = (tmp_path / "r/models").glob("detector_plate_*.npz")
    assert call("explain", root, tmp_path / "one", "--fitted", str(saved)) == 0
    assert call("explain", root, tmp_path / "two", "--levels", "level_4", "level_5") == 0
    name = "pixel_scores_plate_efficientnet-b0.csv"
    assert (tmp_path / "one" / name).read_text() == (tmp_path / "two" / name).read_text()
    (row,) = json.loads((tmp_path / "one/pixel_summary.json").read_text())
    assert row["detector"].startswith("ledoit-wolf, sum of level_4, level_5")
    assert not (tmp_path / "one/feats").exists()
    capsys.readouterr()
    arguments = ["--fitted", str(saved), "--covariance", "oas"]
    assert call("explain", root, tmp_path / "three", *arguments) == 2
    assert_one_line(capsys, "--fitted has parameters of its own")


def test_a_folder_without_masks_says_so_or_draws_the_highest_scores(small_root, tmp_path, capsys):
    assert call("explain", small_root, tmp_path / "r") == 2
    assert_one_line(capsys, "3 of 3 anomalous test images have no mask", "--skip_missing_masks")
    assert not (tmp_path / "r/feats").exists()  # said before the work
    assert call("explain", small_root, tmp_path / "r", "--skip_missing_masks") == 0
    screen = capsys.readouterr().out
    assert "3 anomalous images without a mask were left out" in screen
    assert "no defective pixels" in screen
    assert (tmp_path / "r/where_plate_efficientnet-b0.png").exists()


def test_bad_images_are_named_or_skipped(root, tmp_path, capsys):
    (root / "plate/test/spot/001.png").write_bytes(b"no image")
    assert call("explain", root, tmp_path / "r") == 2
    assert_one_line(capsys, "spot/001.png")
    assert call("explain", root, tmp_path / "r", "--skip_bad_images") == 0
    (row,) = json.loads((tmp_path / "r/pixel_summary.json").read_text())
    assert (row["n_images"], row["n_defective"]) == (5, 2)


def test_a_mask_of_another_size_is_said_before_the_work(root, tmp_path, capsys):
    write_image(root / "plate/ground_truth/spot/002_mask.png", np.zeros((32, 64), np.uint8))
    assert call("explain", root, tmp_path / "r") == 2
    assert_one_line(capsys, "002_mask.png is 32 pixels high", "64 pixels high")
    assert not (tmp_path / "r/feats").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--image", "nowhere.png"], ["nowhere.png", "cannot be read"]),
        (["--fitted", "nowhere.npz"], ["nowhere.npz", "no such file"]),
        (["--combination", "z-score"], ["z-score", "combination='sum'"]),
        (["--detector", "local", "--levels", "5"], ["--levels is of the detector pooled"]),
        (["--detector", "local", "--map_levels", "x"], ["unknown level", "'x'", "level_1"]),
        (["--levels", "x"], ["unknown level", "'x'", "level_1"]),
        (["--augment", "colour"], ["unknown augmentation 'colour'"]),
        (["--augment", "auto", "flips"], ["auto alone"]),
        (["--augment", "auto"], ["chosen from 9 training images or more, not 6"]),
    ],
)
def test_bad_arguments(root, tmp_path, capsys, arguments, words):
    assert call("explain", root, tmp_path / "r", *arguments) == 2
    assert_one_line(capsys, *words)


def test_images_of_several_categories_are_an_error(root, tmp_path, capsys):
    write_category(root / "nut")
    image = str(root / "plate/test/spot/000.png")
    assert call("explain", root, tmp_path / "r", "--image", image) == 2
    assert_one_line(capsys, "needs one --category", "nut, plate")


# --- --augment ---------------------------------------------------------------------------------


def test_run_fits_on_copies_and_says_so(root, tmp_path, capsys):
    words = ["--augment", "gain", "offset=20", "--copies", "2", "--no_quantize"]
    assert call("run", root, tmp_path / "r", *words) == 0
    assert "fitted with 2 copies: gain=0.2 offset=20" in capsys.readouterr().out
    (row,) = json.loads((tmp_path / "r/summary.json").read_text())
    assert (row["n_train"], row["n_test"]) == (6, 6)
    assert row["note"] == "fitted with 2 copies: gain=0.2 offset=20"
    (model,) = (tmp_path / "r/models").glob("detector_plate_*.npz")
    assert ad.MahalanobisDetector.load(model).n_train_ == 18
    for split in ("train", "test"):  # what is kept is the features of the images themselves
        (path,) = (tmp_path / "r/feats").glob(f"{split}_plate_*.npz")
        assert len(ad.FeatureSet.load(path)) == 6


def test_run_chooses_without_labels(tmp_path, capsys, monkeypatch):
    write_category(tmp_path / "data/plate", n_train=9, n_good=2, n_bad=2)
    monkeypatch.setattr(augmentation_choice, "CANDIDATES", {"none": "", "flips": "flips"})
    words = ["--augment", "auto", "--copies", "1", "--no_quantize"]
    assert call("run", tmp_path / "data", tmp_path / "r", *words) == 0
    assert "plate: augmentation chosen without labels: " in capsys.readouterr().out
