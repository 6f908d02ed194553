import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import bootstrap, mannwhitneyu, norm
from sklearn.metrics import roc_auc_score

from adhelpers import evaluation
from adhelpers.ground import UserError

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


FUNCTIONS = [evaluation.roc_auc, evaluation.roc_curve, evaluation.auc_interval]


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("pair", [(-1, 1), (1, -1), (1, 2), (0, 255), ("0", "1"), (0, np.nan)])
def test_labels_are_0_and_1(function, pair):
    """scikit-learn's 1 and -1 would turn the area round."""
    labels = [pair[label] for label in (0, 1, 0, 1, 1)]
    with pytest.raises(UserError, match=r"must be 0 \(normal\) and 1 \(anomalous\), or bool, not"):
        function(labels, [0.1, 0.4, 0.5, 0.6, 0.9])


def test_labels_may_be_bool_or_float():
    labels, scores = np.array([0, 1, 0, 1, 1]), [0.1, 0.4, 0.5, 0.6, 0.9]
    for kind in (bool, float, np.uint8):
        assert evaluation.roc_auc(labels.astype(kind), scores) == roc_auc_score(labels, scores)
        found = evaluation.auc_interval(labels.astype(kind), scores)
        assert found == evaluation.auc_interval(labels, scores)


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_scores_are_finite(function, bad):
    with pytest.raises(UserError, match=f"1 of 4 scores are not finite, first {bad}"):
        function([0, 1, 0, 1], [0.1, 0.4, bad, 0.6])


def test_scores_are_numbers():
    with pytest.raises(UserError, match="scores must be numbers"):
        evaluation.roc_auc([0, 1], ["low", "high"])
