"""The rows that a run writes: their files and their text."""

import csv
import dataclasses
import json

import numpy as np
import pytest
from origins import origin
from sklearn.metrics import roc_auc_score

import adhelpers as ad
from adhelpers.evaluation import summary


def results() -> tuple[ad.FeatureSet, dict, list[summary.Result]]:
    labels = [0, 0, 0, 1, 1]
    features = ad.FeatureSet.from_arrays(
        {"level_1": np.zeros((5, 2))},
        labels,
        origin(weights="none (untrained, seed 0)", engine="keras"),
    )
    detector = ad.MahalanobisDetector().fit(np.random.default_rng(0).normal(size=(9, 2)))
    distances = {"level_1": np.arange(5.0), "level_2": np.array([0.0, 1, 9, 2, 3])}
    normal = features.rows([0, 1, 2])
    near = {name: distance[:3] for name, distance in distances.items()}
    rows = [
        summary.evaluate("plate", features, detector, distances, 40, 1.234),
        summary.evaluate("good only", normal, detector, near, 40, 1.0),
    ]
    return features, distances, rows


def test_the_summary_files_hold_what_they_should(tmp_path):
    _, distances, rows = results()
    summary.write_summary(rows, tmp_path)
    first, second = json.loads((tmp_path / "summary.json").read_text())
    total = sum(distances.values())
    assert first["image_auroc"] == roc_auc_score([0, 0, 0, 1, 1], total)
    assert 0 <= first["image_auroc_low"] <= first["image_auroc"] <= first["image_auroc_high"] <= 1
    assert first["level_auroc"] == {"level_1": 1.0, "level_2": pytest.approx(2 / 3)}
    assert first["weights"] == "none (untrained, seed 0)"
    assert (first["n_train"], first["n_test"], first["seconds"]) == (40, 5, 1.23)
    assert second["image_auroc"] is None
    assert second["note"] == "AUC not defined: no anomalous test images"
    with (tmp_path / "summary.csv").open() as file:
        table = list(csv.DictReader(file))
    assert float(table[0]["image_auroc"]) == first["image_auroc"]
    assert table[1]["image_auroc"] == ""
    assert table[0]["category"] == "plate"


def test_the_table_names_the_weights_and_what_is_not_defined():
    text = summary.summary_table(results()[2])
    assert "weights: none (untrained, seed 0)" in text
    assert "good only: AUC not defined: no anomalous test images" in text


def test_distances_are_written_with_the_scores(tmp_path):
    features, distances, _ = results()
    scores = np.array([5.0, 4, 3, 2, 1])
    summary.write_distances(features, distances, scores, tmp_path / "d.csv")
    with (tmp_path / "d.csv").open() as file:
        table = list(csv.DictReader(file))
    assert [float(row["score"]) for row in table] == scores.tolist()
    assert [float(row["level_2"]) for row in table] == distances["level_2"].tolist()
    assert list(table[0]) == ["file", "label", "defect_type", "score", "level_1", "level_2"]


def test_precisions_stand_beside_the_first_of_their_category():
    *_, rows = results()
    full = rows[0]
    lower = dataclasses.replace(
        full, engine="tflite", precision="int8", image_auroc=full.image_auroc - 0.025, model_mb=4.9
    )
    lines = summary.precision_table([full, lower, rows[1]]).splitlines()
    assert lines[2].split()[:2] == ["plate", "tflite"]
    assert "-2.5" in lines[2] and "4.9" in lines[2]
    assert "not defined" in lines[3]
