"""Thresholds keep what they promise on data for which the promise is made."""

import warnings

import numpy as np
import pytest
from scipy.stats import binom, chi2

import adhelpers as ad
from adhelpers.detector import thresholds
from adhelpers.ground import UserError


def assert_rate(count: int, n: int, promised: float) -> None:
    """The count lies where the binomial law has all but a millionth of its probability."""
    low, high = binom.ppf([5e-7, 1 - 5e-7], n, promised)
    assert low <= count <= high, f"{count} of {n}, promised {promised}"


def two_levels(n: int, seed: int, widths=(4, 7)) -> ad.FeatureSet:
    """Gaussian features whose levels depend on one another."""
    rng = np.random.default_rng(seed)
    common = rng.normal(size=(n, max(widths)))
    return ad.FeatureSet.from_arrays(
        {f"level_{w}": common[:, :w] + 0.3 * rng.normal(size=(n, w)) for w in widths}
    )


def test_chi_square_is_scipys_quantile():
    assert thresholds.chi_square(0.9973, 112) == pytest.approx(np.sqrt(chi2.ppf(0.9973, 112)))
    known = {1: 0.6827, 2: 0.9545, 3: 0.9973, 4: 0.99994, 5: 0.9999994}
    for sigmas, probability in known.items():
        assert thresholds.probability_of_sigmas(sigmas) == pytest.approx(probability, abs=5e-5)


@pytest.mark.parametrize("sigmas", [1, 2, 3])
def test_chi_square_keeps_its_promise_for_one_level(sigmas):
    probability = thresholds.probability_of_sigmas(sigmas)
    rng = np.random.default_rng(0)
    mixing = rng.normal(size=(6, 6))
    detector = ad.MahalanobisDetector(
        covariance="empirical", threshold="chi-square", quantile=probability
    ).fit(rng.normal(size=(200_000, 6)) @ mixing)
    alarms = detector.predict(rng.normal(size=(20_000, 6)) @ mixing) == -1
    assert_rate(alarms.sum(), 20_000, 1 - probability)


def test_chi_square_is_a_bound_for_the_sum_of_levels():
    detector = ad.MahalanobisDetector(threshold="chi-square", quantile=0.9)
    detector.fit(two_levels(100_000, 0))
    alarms = np.sum(detector.predict(two_levels(20_000, 1)) == -1)
    assert 0 < alarms <= binom.ppf(1 - 1e-6, 20_000, 0.1)
    expected = np.sqrt(chi2.ppf(0.95, 4)) + np.sqrt(chi2.ppf(0.95, 7))
    assert detector.threshold_ == pytest.approx(expected)


def test_chi_square_counts_the_directions_that_a_reduction_keeps():
    detector = ad.MahalanobisDetector(
        threshold="chi-square", covariance="oas", reduction="pca", variance_share=0.5
    )
    kept = detector.fit(two_levels(500, 0, widths=(7,))).gaussians_["level_7"].dimensions
    assert 0 < kept < 7
    assert detector.threshold_ == pytest.approx(np.sqrt(chi2.ppf(0.95, kept)))


def test_chi_square_warns_of_few_images():
    with pytest.warns(UserWarning, match="40 training images are fewer than the 50 dimensions"):
        ad.MahalanobisDetector(threshold="chi-square").fit(
            np.random.default_rng(0).normal(size=(40, 50))
        )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ad.MahalanobisDetector(threshold="chi-square").fit(two_levels(40, 0))


def test_the_held_out_quantile_keeps_its_promise():
    detector = ad.MahalanobisDetector(quantile=0.9).fit(two_levels(4000, 0))
    alarms = np.mean(detector.predict(two_levels(20_000, 1)) == -1)
    assert alarms == pytest.approx(0.1, abs=5 * np.sqrt(0.09 / 2000))  # of 2,000 held out
    assert len(detector.held_out_scores_) == 2400  # whole parts, until there are 2,000


@pytest.mark.parametrize("combination", ["sum", "fisher"])
def test_split_conformal_keeps_its_promise_for_any_law(combination):
    """It holds over held-out and new images together: many small sets, far from Gaussian."""
    alarms, n_sets, n_new, alpha = 0, 300, 20, 0.1
    for seed in range(n_sets):
        rng = np.random.default_rng(seed)
        x = rng.standard_cauchy(size=(60 + n_new, 3))
        detector = ad.MahalanobisDetector(
            threshold="conformal", quantile=1 - alpha, combination=combination
        ).fit(x[:60])
        alarms += np.sum(detector.predict(x[60:]) == -1)
        p = detector.p_values(x[60:])
        np.testing.assert_array_equal(p <= alpha, detector.predict(x[60:]) == -1)
    # Twelve held-out images: a score is beyond the largest of them once in thirteen times.
    spread = np.sqrt(0.1 * 0.9 / (n_sets * 12) + 0.1 * 0.9 / (n_sets * n_new))
    assert alarms / (n_sets * n_new) == pytest.approx(1 / 13, abs=5 * spread)


@pytest.mark.parametrize("combination", ["sum", "z-score"])
def test_split_conformal_fits_without_the_images_it_holds_out(combination):
    train, test = two_levels(60, 0), two_levels(5, 1)
    detector = ad.MahalanobisDetector(threshold="conformal", quantile=0.9, combination=combination)
    detector.fit(train)
    aside = ad.gaussian.folds(range(60), 5)[0]
    kept = np.setdiff1d(np.arange(60), aside)
    by_hand = ad.MahalanobisDetector(combination=combination).fit(train.rows(kept))
    assert detector.n_train_ == 48
    np.testing.assert_allclose(detector.anomaly_score(test), by_hand.anomaly_score(test))
    held_out = by_hand.anomaly_score(train.rows(aside))
    np.testing.assert_allclose(detector.held_out_scores_, held_out)
    assert detector.threshold_ == pytest.approx(np.sort(held_out)[11])


def test_copies_are_no_further_conformal_images():
    train = two_levels(60, 0)
    copied = train.rows(list(range(60)) * 3)
    copied.paths[:] = [f"{i}.png" for i in range(60)] * 3
    detector = ad.MahalanobisDetector(threshold="conformal", quantile=0.9).fit(copied)
    assert len(detector.held_out_scores_) == 12
    with pytest.raises(UserError, match="needs 19 held-out normal images, not 12"):
        ad.MahalanobisDetector(threshold="conformal").fit(copied)


def test_calibrating_with_other_images_gives_the_same_promise():
    rng = np.random.default_rng(0)
    detector = ad.MahalanobisDetector(threshold="conformal", quantile=0.9)
    detector.partial_fit(rng.normal(size=(50, 5))).set_threshold(rng.normal(size=(9999, 5)))
    alarms = np.mean(detector.predict(rng.normal(size=(20_000, 5))) == -1)
    assert alarms == pytest.approx(0.1, abs=5 * np.sqrt(0.09 / 9999 + 0.09 / 20_000))


def test_the_conformal_threshold_is_the_order_statistic():
    scores = np.random.default_rng(0).permutation(19).astype(float)
    assert thresholds.conformal(scores, 0.95) == 18.0  # the largest of 19
    assert thresholds.conformal(scores, 0.9) == 17.0
    assert thresholds.conformal(np.arange(99.0), 0.95) == 94.0


@pytest.mark.parametrize("probability", [0.5, 0.8, 0.9, 0.95, 0.99])
def test_as_many_images_as_needed_are_enough(probability):
    needed = thresholds.conformal_count(probability)
    assert 1 / (needed + 1) <= 1 - probability + 1e-12 < 1 / needed
    thresholds.conformal(np.arange(needed), probability)
    with pytest.raises(UserError, match=f"needs {needed} held-out normal images, not {needed - 1}"):
        thresholds.conformal(np.arange(needed - 1), probability)


def test_p_values_count_ties():
    held_out = np.array([1.0, 2.0, 2.0, 3.0])
    scores = np.array([0.0, 2.0, 2.5, 3.0, 4.0])
    expected = [(1 + np.sum(held_out >= score)) / 5 for score in scores]
    np.testing.assert_allclose(thresholds.p_values(held_out, scores), expected)


@pytest.mark.parametrize("value", [0, 1, -0.1, 1.5, np.nan])
def test_probabilities_outside_0_and_1_are_refused(value):
    for step in (
        lambda: thresholds.chi_square(value, 3),
        lambda: thresholds.conformal(np.arange(99), value),
        lambda: thresholds.conformal_count(value),
        lambda: ad.MahalanobisDetector(quantile=value).fit(two_levels(20, 0)),
    ):
        with pytest.raises(UserError, match="must lie between 0 and 1"):
            step()
    with pytest.raises(UserError, match="sigmas must be above 0"):
        thresholds.probability_of_sigmas(0)


@pytest.mark.parametrize(
    "parameters",
    [{"covariance": "identity"}, {"covariance": "diagonal"}, {"combination": "fisher"}],
)
def test_chi_square_is_refused_where_there_is_no_such_law(parameters):
    detector = ad.MahalanobisDetector(threshold="chi-square", **parameters)
    with pytest.raises(UserError, match="the chi-square law is that of Mahalanobis distances"):
        detector.fit(two_levels(40, 0))


def test_too_few_images_for_a_conformal_threshold_are_told_before_fitting():
    with pytest.raises(UserError, match="at 0.95 needs 19 held-out normal images, not 10"):
        ad.MahalanobisDetector(threshold="conformal").fit(two_levels(48, 0))


def test_without_a_threshold_there_are_scores_alone():
    detector = ad.MahalanobisDetector(threshold=None).fit(two_levels(40, 0))
    assert detector.anomaly_score(two_levels(5, 1)).shape == (5,)
    for step in (detector.predict, detector.decision_function):
        with pytest.raises(UserError, match="threshold=None gives scores alone"):
            step(two_levels(5, 1))
    with pytest.raises(UserError, match="unknown threshold 'best'; choose one of: held-out"):
        ad.MahalanobisDetector(threshold="best").fit(two_levels(40, 0))
