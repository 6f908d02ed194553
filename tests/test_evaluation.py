import csv
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import bootstrap, mannwhitneyu, norm
from sklearn.metrics import roc_auc_score

import adhelpers as ad
from adhelpers import evaluation
from adhelpers.errors import UserError

RNG = np.random.default_rng(0)


def test_the_area_is_the_share_of_pairs_in_order():
    labels, scores = RNG.integers(0, 2, 200), RNG.integers(0, 9, 200)
    statistic = mannwhitneyu(scores[labels == 1], scores[labels == 0]).statistic
    pairs = np.sum(labels == 1) * np.sum(labels == 0)
    assert evaluation.roc_auc(labels, scores) == pytest.approx(statistic / pairs)


def test_the_curve_encloses_the_area():
    labels, scores = RNG.integers(0, 2, 200), RNG.normal(size=200)
    false_positive, true_positive, thresholds = evaluation.roc_curve(labels, scores)
    area = np.trapezoid(true_positive, false_positive)
    assert area == pytest.approx(roc_auc_score(labels, scores))
    assert len(thresholds) == 201


def test_the_interval_agrees_with_the_bootstrap():
    labels = np.repeat([0, 1], [80, 120])
    scores = RNG.normal(size=200) + labels
    low, high = evaluation.auc_interval(labels, scores)

    def area(normal, anomalous):
        y = np.repeat([0, 1], [len(normal), len(anomalous)])
        return roc_auc_score(y, np.concatenate([normal, anomalous]))

    expected = bootstrap(
        (scores[:80], scores[80:]),
        area,
        n_resamples=2000,
        method="percentile",
        vectorized=False,
        rng=1,
    ).confidence_interval
    assert low == pytest.approx(expected.low, abs=0.015)
    assert high == pytest.approx(expected.high, abs=0.015)


def test_the_interval_covers_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(2)
    labels, truth = np.repeat([0, 1], [30, 40]), norm.cdf(1.2 / np.sqrt(2))
    intervals = [
        evaluation.auc_interval(labels, rng.normal(size=70) + 1.2 * labels, 0.9)
        for _ in range(1000)
    ]
    covered = np.mean([low <= truth <= high for low, high in intervals])
    assert covered == pytest.approx(0.9, abs=0.03)


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 5)), min_size=4, max_size=30))
def test_the_interval_holds_the_area(rows):
    labels, scores = np.array(rows).T
    if len(set(labels)) == 2:
        low, high = evaluation.auc_interval(labels, scores)
        assert 0 <= low <= roc_auc_score(labels, scores) + 1e-12
        assert roc_auc_score(labels, scores) - 1e-12 <= high <= 1


def test_intervals_that_say_nothing():
    assert evaluation.auc_interval([0, 0, 1, 1], [1, 2, 3, 4]) == (1.0, 1.0)
    assert evaluation.auc_interval([0, 0, 1], [1, 3, 2]) == (0.0, 1.0)


def test_defect_types_are_each_compared_with_all_normal_images():
    labels = np.array([0, 0, 1, 1, 1])
    areas = evaluation.defect_type_auc(labels, ["good", "good", "b", "a", "b"], [1, 4, 2, 5, 6])
    assert areas == {"a": 1.0, "b": 0.75}


@pytest.mark.parametrize(
    ("labels", "scores", "message"),
    [
        ([0, 0], [1, 2], "no anomalous images"),
        ([1, 1], [1, 2], "no normal images"),
        ([0, 1], [1, 2, 3], r"\(2,\) and scores \(3,\)"),
    ],
)
def test_errors(labels, scores, message):
    with pytest.raises(UserError, match=message):
        evaluation.roc_auc(labels, scores)


def test_confidence_out_of_range():
    with pytest.raises(UserError, match="between 0 and 1"):
        evaluation.auc_interval([0, 1], [1, 2], confidence=95)


def results() -> tuple[ad.FeatureSet, dict, list[evaluation.Result]]:
    labels = [0, 0, 0, 1, 1]
    origin = {
        "backbone": "efficientnet-b0",
        "weights": "none (untrained, seed 0)",
        "engine": "keras",
        "precision": "float32",
        "protocol": "square",
    }
    features = ad.FeatureSet.from_arrays({"level_1": np.zeros((5, 2))}, labels, **origin)
    distances = {"level_1": np.arange(5.0), "level_2": np.array([0.0, 1, 9, 2, 3])}
    normal = features.rows([0, 1, 2])
    near = {name: distance[:3] for name, distance in distances.items()}
    rows = [
        evaluation.evaluate("plate", features, distances, 40, 1.234),
        evaluation.evaluate("good only", normal, near, 40, 1.0),
    ]
    return features, distances, rows


def test_the_summary_files_hold_what_they_should(tmp_path):
    _, distances, rows = results()
    evaluation.write_summary(rows, tmp_path)
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
    text = evaluation.summary_table(results()[2])
    assert "weights: none (untrained, seed 0)" in text
    assert "good only: AUC not defined: no anomalous test images" in text


def test_distances_are_written_with_their_total(tmp_path):
    features, distances, _ = results()
    evaluation.write_distances(features, distances, tmp_path / "d.csv")
    with (tmp_path / "d.csv").open() as file:
        table = list(csv.DictReader(file))
    assert [float(row["total"]) for row in table] == (sum(distances.values())).tolist()
    assert list(table[0]) == ["file", "label", "defect_type", "total", "level_1", "level_2"]
