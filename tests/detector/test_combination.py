import numpy as np
import pytest
from scipy.stats import combine_pvalues, norm, zscore

import adhelpers as ad
from adhelpers.detector.combination import combine, level_scales
from adhelpers.ground import UserError


def features(n: int, seed: int) -> ad.FeatureSet:
    rng = np.random.default_rng(seed)
    return ad.FeatureSet.from_arrays({"a": rng.normal(size=(n, 3)), "b": rng.normal(size=(n, 60))})


def test_z_scores_are_scipys():
    rng = np.random.default_rng(0)
    held_out = {"a": rng.gamma(2, size=50), "b": 40 + rng.normal(size=50)}
    found = combine(held_out, "z-score", level_scales(held_out))
    np.testing.assert_allclose(found, sum(zscore(d, ddof=1) for d in held_out.values()))


def test_relative_distances_are_over_their_means():
    held_out = {"a": np.array([1.0, 2.0, 3.0]), "b": np.array([10.0, 20.0, 60.0])}
    new = {"a": np.array([2.0, 3.0]), "b": np.array([30.0, 15.0])}
    np.testing.assert_allclose(combine(new, "relative", level_scales(held_out)), [2.0, 2.0])
    assert combine(held_out, "relative", level_scales(held_out)).mean() == pytest.approx(2)


def test_fisher_is_scipys():
    scales = {"a": (10.0, 2.0), "b": (40.0, 1.0)}
    new = {"a": np.array([9.0, 13.0, 20.0]), "b": np.array([41.0, 40.0, 45.0])}
    expected = [
        combine_pvalues([norm.sf((a - 10) / 2), norm.sf(b - 40)], method="fisher").statistic
        for a, b in zip(new["a"], new["b"], strict=True)
    ]
    np.testing.assert_allclose(combine(new, "fisher", scales), expected)


def test_fisher_ranks_what_is_far_beyond_every_p_value():
    far = {"a": np.array([1e3, 1e4])}
    low, high = combine(far, "fisher", {"a": (0.0, 1.0)})
    assert np.isfinite([low, high]).all()
    assert low < high


@pytest.mark.parametrize("combination", ["relative", "z-score", "fisher"])
def test_scales_come_from_images_that_were_held_out(combination):
    train, test = features(40, 0), features(9, 1)
    detector = ad.MahalanobisDetector(combination=combination).fit(train)
    held_out = {"a": np.empty(40), "b": np.empty(40)}
    for part in ad.gaussian.folds(range(40), 5):
        kept = np.setdiff1d(np.arange(40), part)
        one = ad.MahalanobisDetector().fit(train.rows(kept)).level_distances(train.rows(part))
        for name, distance in one.items():
            held_out[name][part] = distance
    scales = level_scales(held_out)
    expected = combine(detector.level_distances(test), combination, scales)
    np.testing.assert_allclose(detector.anomaly_score(test), expected)
    scores = combine(held_out, combination, scales)
    np.testing.assert_allclose(np.sort(detector.held_out_scores_), np.sort(scores))
    assert detector.threshold_ == pytest.approx(np.quantile(scores, 0.95))


def test_a_level_of_small_distances_counts_as_much():
    """One level's distances are about 1.7, the other's 9: a far one of the first is drowned out."""
    train, test = features(300, 0), features(2, 1)
    test.levels["a"][1] += 4
    test.levels["b"][1] *= 0.8
    by_sum = ad.MahalanobisDetector().fit(train)
    by_fisher = ad.MahalanobisDetector(combination="fisher").fit(train)
    assert by_fisher.p_values(test)[1] < by_sum.p_values(test)[1]


def test_errors_are_clear():
    with pytest.raises(
        UserError, match="unknown combination 'product'; choose one of: sum, relative, z-score"
    ):
        ad.MahalanobisDetector(combination="product").fit(features(20, 0))
    with pytest.raises(UserError, match="a: the distances of the held-out images do not vary"):
        level_scales({"a": np.ones(5)})
