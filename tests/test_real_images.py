"""The whole method on real images, against a reference run of the same method on the same files.

EfficientNetV2-B0, 224 x 224 by pixel area, the sum of eight levels; AUROC in %.
"""

import json

import numpy as np
import pytest

from adhelpers.cli import main

REFERENCE = {
    "toothbrush": (96.1, [97.8, 96.1, 96.9, 98.6, 98.9, 94.2, 91.7, 89.7]),
    "screw": (65.3, [0.4, 0.5, 21.5, 43.6, 47.2, 78.0, 83.1, 76.8]),
}
TOLERANCE = {"toothbrush": 1.0, "screw": 1.5}


@pytest.fixture(scope="module")
def summary(mvtec_root, v2b0_weights, tmp_path_factory) -> dict:
    result = tmp_path_factory.mktemp("result")
    options = {
        "model_name": "efficientnetv2-b0",
        "weights": v2b0_weights,
        "data_path": mvtec_root,
        "save_path": result,
    }
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    code = main(["run", *words, "--no_quantize", "--category", *REFERENCE])
    assert code == 0
    return {row["category"]: row for row in json.loads((result / "summary.json").read_text())}


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
