"""The whole method on real images, against a reference run of the same method on the same files.

EfficientNetV2-B0, 224 x 224 by pixel area, the sum of eight levels; AUROC in %.
"""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from adhelpers.cli import main

REFERENCE = {
    "toothbrush": (96.1, [97.8, 96.1, 96.9, 98.6, 98.9, 94.2, 91.7, 89.7]),
    "screw": (65.3, [0.4, 0.5, 21.5, 43.6, 47.2, 78.0, 83.1, 76.8]),
}
TOLERANCE = {"toothbrush": 1.0, "screw": 1.5}


@pytest.fixture(scope="module")
def run(mvtec_root, v2b0_weights, tmp_path_factory):
    """The command, which keeps its features from one call to the next."""
    result = tmp_path_factory.mktemp("result")
    network = ["--model_name", "efficientnetv2-b0", "--weights", str(v2b0_weights)]
    places = ["--data_path", str(mvtec_root), "--save_path", str(result)]

    def summary(*more: str) -> dict:
        assert main(["run", *network, *places, "--no_quantize", *more]) == 0
        return {row["category"]: row for row in json.loads((result / "summary.json").read_text())}

    return summary


@pytest.fixture(scope="module")
def summary(run) -> dict:
    return run("--category", *REFERENCE)


@pytest.mark.parametrize("category", REFERENCE)
def test_areas_of_the_sum_and_of_each_level(summary, category):
    total, levels = REFERENCE[category]
    row = summary[category]
    assert 100 * row["image_auroc"] == pytest.approx(total, abs=TOLERANCE[category])
    found = 100 * np.array(list(row["level_auroc"].values()))
    np.testing.assert_allclose(found, levels, atol=1.5)


def test_counts(summary):
    counts = {name: (row["n_train"], row["n_test"]) for name, row in summary.items()}
    assert counts == {"toothbrush": (48, 42), "screw": (320, 160)}


def test_a_reduction_from_the_command_line(summary, run):
    """docs/method.md, reductions: NPCA 0.99 on toothbrush."""
    row = run("--category", "toothbrush", "--reduction", "npca", "--variance_share", "0.99")
    assert 100 * row["toothbrush"]["image_auroc"] == pytest.approx(98.3, abs=0.3)


def test_fit_and_score_rank_as_run_does(summary, mvtec_root, v2b0_weights, tmp_path):
    network = ["--model_name", "efficientnetv2-b0", "--weights", str(v2b0_weights)]
    detector, scores = tmp_path / "detector.tflite", tmp_path / "scores.csv"
    folder = mvtec_root / "toothbrush"
    assert main(["fit", str(folder / "train"), "-o", str(detector), *network]) == 0
    assert main(["score", str(detector), str(folder / "test"), "-o", str(scores)]) == 0
    with scores.open() as file:
        rows = list(csv.DictReader(file))
    labels = ["good" not in Path(row["path"]).parts for row in rows]
    area = roc_auc_score(labels, [float(row["score"]) for row in rows])
    assert area == pytest.approx(summary["toothbrush"]["image_auroc"], abs=1e-9)
