"""monitor and recalibrate, as a user calls them; NumPy and edge.py are the oracles."""

import csv

import numpy as np
import pytest
from origins import origin
from pictures import draw_image, write_image

import adhelpers as ad
from adhelpers import backbones, edge, export
from adhelpers.cli import main


@pytest.fixture(scope="module")
def model(small_b0_model, tmp_path_factory):
    train = np.stack([ad.images.to_square(draw_image(i), 64, "square") for i in range(20)])
    features = ad.FeatureSet.from_arrays(
        backbones.LiteRTRunner(small_b0_model).pooled(train), origin=origin()
    )
    path = tmp_path_factory.mktemp("living") / "detector.tflite"
    path.write_bytes(export.build(small_b0_model, ad.MahalanobisDetector().fit(features)))
    return path


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("normal")
    for i in range(24):
        write_image(folder / f"{i:02}.png", draw_image(200 + i))
    return folder


def test_a_recalibrated_detector_differs_by_its_threshold_alone(model, pictures, tmp_path):
    new = tmp_path / "new.tflite"
    assert main(["recalibrate", str(model), str(pictures), "-o", str(new),
                 "--threshold", "quantile", "--quantile", "0.9"]) == 0  # fmt: skip
    old, changed = edge.Detector(model), edge.Detector(new)
    shown = [edge.decode(path.read_bytes()) for path in sorted(pictures.iterdir())]
    scores = [old.score(image)[0] for image in shown]
    assert [changed.score(image)[0] for image in shown] == scores
    assert changed.threshold == pytest.approx(np.quantile(scores, 0.9))
    (change,) = changed.record["history"]
    assert change["images"] == 24 and change["threshold_before"] == old.threshold
    before, after = model.read_bytes()[:-48], new.read_bytes()[: model.stat().st_size - 48]
    different = np.frombuffer(before, np.uint8) != np.frombuffer(after, np.uint8)
    assert 1 <= different.sum() <= 4  # one offset of 32 bits


def test_too_few_images_for_a_conformal_threshold_are_refused(model, pictures, tmp_path, capsys):
    new = tmp_path / "new.tflite"
    words = ["recalibrate", str(model), str(pictures), "-o", str(new), "--quantile", "0.99"]
    assert main(words) == 2 and not new.exists()
    assert "needs 99 held-out normal images, not 24" in capsys.readouterr().err


def table(path, model, shift):
    levels, chance = edge.Detector(model).record["levels"], np.random.default_rng(5)
    with open(path, "w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["path", "score", "threshold", "decision", *levels, "light", "error"])
        for i in range(250):
            light = chance.normal(120, 3) + shift * (i >= 125)
            numbers = chance.normal(10, 1, len(levels))
            rows.writerow([i, numbers.sum(), 1000, "normal", *numbers, light, ""])
    return str(path)


@pytest.mark.parametrize(("shift", "code"), [(0, 0), (5, 3)])
def test_monitor_tells_drift_by_its_exit_code_and_names_it(model, tmp_path, capsys, shift, code):
    words = [table(tmp_path / "s.csv", model, shift), "--detector", str(model)]
    assert main(["monitor", *words, "-o", str(tmp_path / "r.html")]) == code
    assert ("DRIFT: light: up" in capsys.readouterr().out) == bool(shift)
    assert (tmp_path / "r.html").read_text().rstrip().endswith("</html>")


@pytest.mark.parametrize("text", ["", "path,score\na,1\n", "path,score\na\n"])
def test_a_table_that_is_none_is_one_line(model, tmp_path, capsys, text):
    path = tmp_path / "s.csv"
    path.write_text(text)
    assert main(["monitor", str(path), "--detector", str(model)]) == 2
    assert capsys.readouterr().err.count("\n") == 1
