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
        rows = json.loads((result / "summary.json").read_text())
        return {(row["category"], row["kind"]): row for row in rows}

    return summary


@pytest.fixture(scope="module")
def summary(run) -> dict:
    return run("--category", *REFERENCE)


@pytest.mark.parametrize("category", REFERENCE)
def test_areas_of_the_sum_and_of_each_level(summary, category):
    total, levels = REFERENCE[category]
    row = summary[category, "pooled"]
    assert 100 * row["image_auroc"] == pytest.approx(total, abs=TOLERANCE[category])
    found = 100 * np.array(list(row["level_auroc"].values()))
    np.testing.assert_allclose(found, levels, atol=1.5)


@pytest.mark.parametrize(
    ("category", "local", "both"), [("toothbrush", 100.0, 100.0), ("screw", 92.0, 91.1)]
)
def test_gaussians_per_position_find_what_pooling_dilutes(summary, category, local, both):
    """docs/where.md; both is at most 1.5 points worse than the better of the two."""
    found = {kind: 100 * summary[category, kind]["image_auroc"] for kind in ("local", "both")}
    assert found == pytest.approx({"local": local, "both": both}, abs=0.7)


@pytest.mark.parametrize(
    ("category", "pixel", "overlap", "hits"),
    [("toothbrush", 98.5, 83.0, 0.85), ("screw", 98.7, 93.5, 0.7)],
)
def test_their_map_is_largest_where_the_defect_is(
    mvtec_root, v2b0_weights, tmp_path, category, pixel, overlap, hits
):
    network = ["--model_name", "efficientnetv2-b0", "--weights", str(v2b0_weights)]
    places = ["--data_path", str(mvtec_root), "--category", category, "--save_path", str(tmp_path)]
    assert main(["explain", *network, *places]) == 0
    (row,) = json.loads((tmp_path / "pixel_summary.json").read_text())
    assert 100 * row["pixel_auroc"] == pytest.approx(pixel, abs=0.3)
    assert 100 * row["pro"] > overlap
    assert row["n_detected"] > 10
    assert row["hit_rate"] >= hits


def test_counts(summary):
    counts = {name: (row["n_train"], row["n_test"]) for (name, _), row in summary.items()}
    assert counts == {"toothbrush": (48, 42), "screw": (320, 160)}


def test_a_reduction_from_the_command_line(summary, run):
    """docs/method.md, reductions: NPCA 0.99 on toothbrush."""
    words = ["--detector", "pooled", "--reduction", "npca", "--variance_share", "0.99"]
    row = run("--category", "toothbrush", *words)
    assert 100 * row["toothbrush", "pooled"]["image_auroc"] == pytest.approx(98.3, abs=0.3)


@pytest.mark.parametrize("kind", ["pooled", "local"])
def test_fit_and_score_rank_as_run_does(summary, mvtec_root, v2b0_weights, tmp_path, kind):
    network = ["--model_name", "efficientnetv2-b0", "--weights", str(v2b0_weights)]
    detector, scores = tmp_path / "detector.tflite", tmp_path / "scores.csv"
    folder = mvtec_root / "toothbrush"
    assert (
        main(["fit", str(folder / "train"), "-o", str(detector), "--detector", kind, *network]) == 0
    )
    assert main(["score", str(detector), str(folder / "test"), "-o", str(scores)]) == 0
    with scores.open() as file:
        rows = list(csv.DictReader(file))
    labels = ["good" not in Path(row["path"]).parts for row in rows]
    area = roc_auc_score(labels, [float(row["score"]) for row in rows])
    assert area == pytest.approx(summary["toothbrush", kind]["image_auroc"], abs=1e-9)
