"""The main job, as a user calls it."""

import csv
import json
import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pictures import draw_image, write_category, write_image
from screens import assert_one_line

import adhelpers as ad
from adhelpers.cli import main
from adhelpers.cli import run as run_command
from adhelpers.features import model_cache
from adhelpers.study import ALL_LEVELS, tables

SCRIPT = Path(__file__).parents[2] / "mahalanobis_anomaly_detection.py"


@pytest.fixture(autouse=True)
def one_network(untrained, monkeypatch):
    """Let the command use the network that the tests have built already."""

    def extractor(*arguments, **more):
        usual = ("efficientnet-b0", "none", "square", 16)
        if arguments[:4] != usual or more.get("engine") == "tflite":
            return real(*arguments, **more)
        monkeypatch.setattr(untrained, "skip_bad_images", arguments[5])
        return untrained

    real = ad.features.Extractor
    monkeypatch.setattr(ad.features, "Extractor", extractor)


def run(root, result, *more: str, quantize: bool = False) -> int:
    arguments = ["--data_path", str(root), "--save_path", str(result), "--weights", "none"]
    kind = [] if "--detector" in more else ["--detector", "pooled"]
    return main(["run", *arguments, *kind, *([] if quantize else ["--no_quantize"]), *more])


def feats(result: Path, split: str, suffix: str = ".npz") -> Path:
    """Return the features file of a split of the float32 network."""
    (path,) = (result / "feats").glob(f"{split}_plate_efficientnet-b0_*_float32{suffix}")
    return path


def test_everything_is_written(small_root, tmp_path, capsys):
    result = tmp_path / "result"
    assert run(small_root, result) == 0
    screen = capsys.readouterr().out
    assert "weights: none (untrained, seed 0)" in screen
    assert "plate" in screen
    assert "%" in screen

    (row,) = json.loads((result / "summary.json").read_text())
    expected = {
        "category": "plate",
        "model": "efficientnet-b0",
        "weights": "none (untrained, seed 0)",
        "engine": "keras",
        "precision": "float32",
        "protocol": "square",
        "n_train": 6,
        "n_test": 6,
    }
    assert expected.items() <= row.items()
    assert row["image_auroc_low"] <= row["image_auroc"] <= row["image_auroc_high"]
    with (result / "distances_plate_efficientnet-b0_keras_float32.csv").open() as file:
        table = list(csv.DictReader(file))
    auroc = ad.evaluation.roc_auc(
        [int(line["label"]) for line in table], [float(line["score"]) for line in table]
    )
    assert auroc == row["image_auroc"]
    for name in (
        "roc_efficientnet-b0",
        "roc_plate_efficientnet-b0",
        "scores_plate_efficientnet-b0",
        "examples_plate_efficientnet-b0",
    ):
        assert (result / f"{name}.png").stat().st_size > 5000

    with (feats(result, "train", ".pkl")).open("rb") as file:
        record = pickle.load(file)
    assert record["levels"]["level_9"].shape == (6, 1280)
    detector = ad.MahalanobisDetector.load(
        result / "models/detector_plate_efficientnet-b0_keras_float32.npz"
    )
    test = ad.FeatureSet.load(feats(result, "test"))
    assert [float(line["score"]) for line in table] == detector.anomaly_score(test).tolist()


def test_precisions_beside_the_full_network(small_root, tmp_path, capsys):
    result = tmp_path / "result"
    precisions = ["float32", "int8"]
    assert run(small_root, result, "--precision", *precisions, quantize=True) == 0
    rows = json.loads((result / "summary.json").read_text())
    found = [(row["engine"], row["precision"]) for row in rows]
    assert found == [("keras", "float32"), ("tflite", "float32"), ("tflite", "int8")]
    assert all(row["ms_per_image"] > 0 for row in rows)
    assert [row["model_mb"] is None for row in rows] == [True, False, False]
    name = "plate_efficientnet-b0"
    for precision, row in zip(precisions, rows[1:], strict=True):
        assert (result / f"distances_{name}_tflite_{precision}.csv").exists()
        model = result / "models" / f"backbone_{name}_tflite_{precision}.tflite"
        assert model.stat().st_size / 1e6 == pytest.approx(row["model_mb"], rel=0.01)
        (kept,) = (result / "feats").glob(f"train_{name}_*_tflite_{precision}*.npz")
        assert ad.FeatureSet.load(kept).origin.precision == precision
    with (result / f"quantization_{name}.csv").open() as file:
        levels = list(csv.DictReader(file))
    assert len(levels) == 2 * 9
    assert 0 < float(levels[-1]["relative_error"]) < 2
    for kind in ("quantization", "roc_precisions"):
        assert (result / f"{kind}_{name}.png").stat().st_size > 10_000
    table = capsys.readouterr().out
    assert "tflite  int8" in table and "ms per image" in table

    before = {path: path.stat().st_mtime_ns for path in model_cache.cache_folder().iterdir()}
    assert run(small_root, result, "--precision", *precisions, quantize=True) == 0
    assert before == {p: p.stat().st_mtime_ns for p in model_cache.cache_folder().iterdir()}
    assert "extracted again" not in "".join(capsys.readouterr())


def test_the_choice_of_the_detector_stands_in_what_is_written(small_root, tmp_path, capsys):
    words = "--levels 3 level_5 --covariance empirical --ridge 0.01 --combination z-score"
    more = "--threshold held-out --quantile 0.9 --reduction pca --variance_share 0.95"
    assert run(small_root, tmp_path / "r", *words.split(), *more.split()) == 0
    expected = (
        "empirical, ridge 0.01, pca 0.95, z-score of level_3, level_5; threshold: held-out at 0.9"
    )
    assert expected in capsys.readouterr().out
    (row,) = json.loads((tmp_path / "r/summary.json").read_text())
    assert row["detector"] == expected
    assert list(row["level_auroc"]) == ["level_3", "level_5"]
    name = "plate_efficientnet-b0_keras_float32"
    detector = ad.MahalanobisDetector.load(tmp_path / f"r/models/detector_{name}.npz")
    assert detector.words == expected
    with (tmp_path / f"r/distances_{name}.csv").open() as file:
        table = list(csv.DictReader(file))
    test = ad.FeatureSet.load(feats(tmp_path / "r", "test"))
    assert [float(line["score"]) for line in table] == detector.anomaly_score(test).tolist()


def test_runs_with_other_choices_leave_each_others_features_alone(small_root, tmp_path, capsys):
    assert run(small_root, tmp_path / "r") == 0
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "r/feats").iterdir()}
    assert run(small_root, tmp_path / "r", "--protocol", "crop", "--engine", "tflite") == 0
    assert run(small_root, tmp_path / "r", "--seed", "1", "--engine", "tflite") == 0
    after = {path: path.stat().st_mtime_ns for path in (tmp_path / "r/feats").iterdir()}
    assert len(after) == 3 * len(before) == 12
    assert before.items() <= after.items()
    assert "extracted again" not in "".join(capsys.readouterr())


@pytest.mark.parametrize(
    ("table", "rows"),
    [
        ("levels", tables.DISTANCES),
        ("reductions", tables.REDUCTIONS),
        ("combinations", tables.COMBINATIONS),
    ],
)
def test_run_and_table_agree(small_root, tmp_path, monkeypatch, table, rows):
    """Whatever row of a table `run` can make has the same area in both."""
    for name in ("draw_category", "draw_all"):
        monkeypatch.setattr(run_command, name, lambda *_: None)
    common = ["--data_path", str(small_root), "--save_path", str(tmp_path), "--weights", "none"]
    assert main(["table", table, *common, "--folds", "0"]) == 0
    with (tmp_path / f"tables/table_{table}_efficientnet-b0.csv").open() as file:
        cells = [line for line in csv.DictReader(file) if line["column"] == ALL_LEVELS]
    areas = {cell["row"]: float(cell["auroc"]) for cell in cells}
    assert set(areas) == set(rows)
    for row, parameters in rows.items():
        words = [str(word) for name, value in parameters.items() for word in (f"--{name}", value)]
        assert run(small_root, tmp_path, *words) == 0
        (result,) = json.loads((tmp_path / "summary.json").read_text())
        assert result["image_auroc"] == areas[row], row


def test_three_detectors_from_one_extraction(small_root, tmp_path, monkeypatch, capsys, untrained):
    passes = []
    real = untrained.maps
    monkeypatch.setattr(
        untrained,
        "maps",
        lambda samples, *more: passes.append(len(samples)) or real(samples, *more),
    )
    assert run(small_root, tmp_path / "r", "--detector", "both") == 0
    assert passes == [6, 6]
    results = json.loads((tmp_path / "r/summary.json").read_text())
    assert [one["kind"] for one in results] == ["pooled", "local", "both"]
    data = ad.datasets.load_mvtec(small_root, "plate")
    train, test = real(data.train), real(data.test)
    fitted = {
        "pooled": ad.MahalanobisDetector().fit(train.features),
        "local": ad.LocalDetector().fit(train),
        "both": ad.JointDetector().fit(train),
    }
    for kind, detector in fitted.items():
        name = "plate_efficientnet-b0_keras_float32" + ("" if kind == "pooled" else f"_{kind}")
        with (tmp_path / f"r/distances_{name}.csv").open() as file:
            found = [float(line["score"]) for line in csv.DictReader(file)]
        expected = detector.anomaly_score(test.features if kind == "pooled" else test)
        assert found == pytest.approx(expected, rel=1e-4)
        saved = ad.detector.load_detector(tmp_path / f"r/models/detector_{name}.npz")
        assert type(saved) is type(detector)
        assert saved.threshold_ == pytest.approx(detector.threshold_, rel=1e-4)
    screen = capsys.readouterr().out
    assert "pooled: image AUROC" in screen
    assert "Gaussians per position" in screen
    assert feats(tmp_path / "r", "train").exists()  # what a run of pooled alone would use again


def test_an_option_of_another_detector_is_an_error(small_root, tmp_path, capsys):
    assert run(small_root, tmp_path / "r", "--detector", "local", "--covariance", "oas") == 2
    assert_one_line(capsys, "--covariance is of the detector pooled", "--detector pooled")
    assert run(small_root, tmp_path / "r", "--detector", "both", "--threshold", "chi-square") == 2
    assert_one_line(capsys, "chi-square", "held-out")
    assert not (tmp_path / "r").exists()


def test_an_input_size_that_the_network_cannot_halve_is_an_error(small_root, tmp_path, capsys):
    other = ["--model_name", "efficientnet-b1"]  # not the stand-in
    assert run(small_root, tmp_path / "r", "--input_size", "100", *other) == 2
    assert_one_line(capsys, "multiple of 32 pixels, not 100")


def test_without_features_none_are_kept(small_root, tmp_path):
    assert run(small_root, tmp_path / "result", "--no_save_feat") == 0
    assert not (tmp_path / "result/feats").exists()


def test_categories_by_name_and_all(small_root, tmp_path, capsys):
    write_category(small_root / "bolt")
    write_category(small_root / "nut")
    assert run(small_root, tmp_path / "r", "--category", "plate", "nut") == 0
    rows = json.loads((tmp_path / "r/summary.json").read_text())
    assert [row["category"] for row in rows] == ["plate", "nut"]
    assert "mean" in capsys.readouterr().out
    assert run(small_root, tmp_path / "r", "--category", "all") == 0
    rows = json.loads((tmp_path / "r/summary.json").read_text())
    assert [row["category"] for row in rows] == ["bolt", "nut", "plate"]


def test_no_anomalies_is_no_error(tmp_path, capsys):
    write_category(tmp_path / "data/plate", n_bad=0)
    assert run(tmp_path / "data", tmp_path / "r") == 0
    assert "AUC not defined: no anomalous test images" in capsys.readouterr().out
    (row,) = json.loads((tmp_path / "r/summary.json").read_text())
    assert row["image_auroc"] is None
    distances = tmp_path / "r/distances_plate_efficientnet-b0_keras_float32.csv"
    assert len(distances.read_text().splitlines()) == 1 + 3


def test_no_test_images_at_all_is_no_error(tmp_path, capsys):
    write_category(tmp_path / "data/plate", n_good=0, n_bad=0)
    assert run(tmp_path / "data", tmp_path / "r") == 0
    assert (tmp_path / "r/models/detector_plate_efficientnet-b0_keras_float32.npz").exists()


# --- bad input: one line, exit code 2, nothing lost -------------------------------------------


def test_a_folder_that_is_not_there(tmp_path, capsys):
    assert run(tmp_path / "nowhere", tmp_path / "r") == 2
    assert_one_line(capsys, "nowhere", "adhelpers fetch mvtec")


def test_an_empty_category(small_root, tmp_path, capsys):
    (small_root / "plate2/train/good").mkdir(parents=True)
    assert run(small_root, tmp_path / "r") == 2
    assert_one_line(capsys, "plate2", "no training image")


def test_a_category_with_one_training_image(tmp_path, capsys):
    write_category(tmp_path / "data/plate", n_train=1)
    assert run(tmp_path / "data", tmp_path / "r") == 2
    assert_one_line(capsys, "plate has 1 training image", "at least 3")


@pytest.mark.parametrize(
    "data",
    [b"", b"a text file", (lambda p: p[: len(p) // 2])],
    ids=["empty", "text", "truncated"],
)
def test_bad_images_are_named_or_skipped(small_root, tmp_path, capfd, data):
    bad = small_root / "plate/test/spot/001.png"
    whole = write_image(bad, draw_image(7)).read_bytes()
    bad.write_bytes(data(whole) if callable(data) else data)
    assert run(small_root, tmp_path / "r") == 2
    assert_one_line(capfd, "spot/001.png")
    assert not (tmp_path / "r/summary.json").exists()
    assert run(small_root, tmp_path / "r", "--skip_bad_images") == 0
    assert "1 unreadable image" in capfd.readouterr().out
    (row,) = json.loads((tmp_path / "r/summary.json").read_text())
    assert (row["n_skipped"], row["n_test"]) == (1, 5)


def test_a_save_path_that_cannot_be_written(small_root, tmp_path, capsys):
    (tmp_path / "file").write_text("kept")
    assert run(small_root, tmp_path / "file" / "result") == 2
    assert_one_line(capsys, "cannot be written")
    assert (tmp_path / "file").read_text() == "kept"


def test_weights_of_another_network(small_root, tmp_path, capsys):
    path = tmp_path / "b1.weights.h5"
    ad.backbones.load_backbone("efficientnet-b1", "none", 64).model.save_weights(path)
    assert run(small_root, tmp_path / "r", "--weights", str(path)) == 2
    assert_one_line(capsys, "b1.weights.h5", "efficientnet-b0")


def test_a_features_file_cut_in_half(small_root, tmp_path, capsys):
    assert run(small_root, tmp_path / "r") == 0
    before = (tmp_path / "r/summary.json").read_text()
    cut = feats(tmp_path / "r", "test")
    cut.write_bytes(cut.read_bytes()[:1000])
    assert run(small_root, tmp_path / "r") == 0  # said, and extracted again
    captured = capsys.readouterr()
    assert "cut off" in captured.out + captured.err
    assert len(ad.FeatureSet.load(cut)) == 6
    after = json.loads((tmp_path / "r/summary.json").read_text())
    assert after[0]["image_auroc"] == json.loads(before)[0]["image_auroc"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--model_name", "resnet"], ["efficientnet-b0", "efficientnetv2-b3"]),
        (["--category", "nut"], ["unknown category 'nut'", "plate"]),
        (["--protocol", "round"], ["square", "crop"]),
        (["--weights", "imagenets"], ["imagenet, builtin, none, or"]),
        (["--colour"], ["--colour"]),
        (["--levels", "10"], ["unknown level of efficientnet-b0 'level_10'", "level_9"]),
        (["--covariance", "full"], ["full", "ledoit-wolf"]),
        (["--threshold", "chi-square", "--covariance", "identity"], ["the chi-square law"]),
    ],
)
def test_unknown_values_name_the_valid_ones(small_root, tmp_path, capsys, arguments, words):
    try:
        code = run(small_root, tmp_path / "r", *arguments)
    except SystemExit as stop:
        code = stop.code
    assert code == 2
    assert_one_line(capsys, *words)


def test_every_option_has_a_help_text(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["run", "--help"])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    for option in (
        "model_name",
        "weights",
        "data_path",
        "category",
        "save_path",
        "protocol",
        "batch_size",
        "seed",
        "save_feat",
        "no_save_feat",
        "quantize",
        "no_quantize",
        "precision",
        "n_calibration",
        "input_type",
        "engine",
        "skip_bad_images",
        "levels",
        "covariance",
        "ridge",
        "reduction",
        "variance_share",
        "combination",
        "threshold",
        "quantile",
    ):
        assert f"--{option}" in text
    assert text.count("default") >= 10


# --- the script itself, in a process of its own -----------------------------------------------


def test_ctrl_c_and_on_again(tmp_path):
    """Stopped in the middle: one line, exit code 130; the next run goes on to the same end."""
    write_category(tmp_path / "data/plate", n_train=40, n_good=10, n_bad=10)
    command = [
        sys.executable,
        str(SCRIPT),
        "--data_path",
        "data",
        "--weights",
        "none",
        "--save_path",
        "result",
        "--batch_size",
        "2",
        "--engine",
        "keras",
        "--detector",
        "pooled",
        "--no_quantize",
    ]
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(
        command,
        cwd=tmp_path,
        env=environment,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(
            signal.SIGINT, signal.SIG_DFL
        ),  # jobs of a shell ignore it
    )
    while "plate: 40 training" not in (line := process.stdout.readline()) and line:
        pass
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130, error
    assert error.strip().splitlines() == [
        "adhelpers: interrupted; the same command goes on from here"
    ]
    half_made = [path for path in (tmp_path / "result").rglob("*") if path.name.startswith(".")]
    assert half_made == []

    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    (row,) = json.loads((tmp_path / "result/summary.json").read_text())
    assert (row["n_train"], row["n_test"]) == (40, 20)
