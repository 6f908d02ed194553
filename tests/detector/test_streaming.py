"""Fitting in parts: one after the other, or in different processes."""

import numpy as np
import pytest
from origins import origin
from sklearn.exceptions import NotFittedError

import adhelpers as ad
from adhelpers.ground import UserError


def features(n: int, seed: int, **fields) -> ad.FeatureSet:
    rng = np.random.default_rng(seed)
    levels = {"a": rng.normal(size=(n, 6)) + 5, "b": rng.normal(size=(n, 70)) ** 3}
    return ad.FeatureSet.from_arrays(levels, origin=origin(**fields))


@pytest.mark.parametrize(
    "parameters",
    [{}, {"covariance": "oas"}, {"covariance": "diagonal"}, {"covariance": "identity"}],
)
@pytest.mark.parametrize("n", [50, 150])
def test_parts_give_the_same_gaussians_as_all_together(parameters, n):
    train, test = features(n, 0), features(9, 1)
    streamed = ad.MahalanobisDetector(**parameters)
    for start in range(0, n, 16):
        streamed.partial_fit(train.rows(slice(start, start + 16)))
    whole = ad.MahalanobisDetector(**parameters).fit(train)
    np.testing.assert_allclose(streamed.anomaly_score(test), whole.anomaly_score(test), rtol=1e-8)
    assert streamed.n_train_ == n
    for name, gaussian in whole.gaussians_.items():
        found = streamed.gaussians_[name].shrinkage
        np.testing.assert_allclose(found, gaussian.shrinkage, rtol=1e-8)


def test_single_images_and_plain_arrays():
    x = np.random.default_rng(0).normal(size=(30, 4))
    streamed = ad.MahalanobisDetector()
    for row in x:
        streamed.partial_fit(row[None])
    whole = ad.MahalanobisDetector().fit(x)
    np.testing.assert_allclose(streamed.anomaly_score(x), whole.anomaly_score(x), rtol=1e-8)


def test_parts_saved_elsewhere_are_merged(tmp_path):
    train, test = features(120, 0), features(9, 1)
    for i in range(3):
        part = ad.MahalanobisDetector().partial_fit(train.rows(slice(40 * i, 40 * i + 40)))
        part.save(tmp_path / f"{i}.npz")
    first, *others = (ad.MahalanobisDetector.load(tmp_path / f"{i}.npz") for i in (2, 0, 1))
    for other in others:
        first.merge(other)
    whole = ad.MahalanobisDetector().fit(train)
    np.testing.assert_allclose(first.anomaly_score(test), whole.anomaly_score(test), rtol=1e-8)
    assert first.n_train_ == 120


def test_a_threshold_after_parts_needs_other_images():
    streamed = ad.MahalanobisDetector().partial_fit(features(100, 0))
    with pytest.raises(UserError, match="give some that were not fitted to set_threshold"):
        streamed.predict(features(5, 1))
    with pytest.raises(UserError, match="give some that were not fitted to set_threshold"):
        streamed.p_values(features(5, 1))
    others = features(200, 1)
    streamed.set_threshold(others)
    expected = np.quantile(streamed.anomaly_score(others), 0.95)
    assert streamed.threshold_ == expected
    assert np.mean(streamed.predict(others) == -1) == pytest.approx(0.05)
    streamed.partial_fit(features(100, 2))  # more images: the threshold no longer holds
    with pytest.raises(UserError, match="set_threshold"):
        streamed.predict(others)


def test_chi_square_needs_no_other_images():
    streamed = ad.MahalanobisDetector(threshold="chi-square").partial_fit(features(100, 0))
    assert set(streamed.predict(features(50, 1))) <= {-1, 1}


def test_combinations_after_parts_need_other_images():
    streamed = ad.MahalanobisDetector(combination="fisher").partial_fit(features(100, 0))
    with pytest.raises(UserError, match="set_threshold"):
        streamed.anomaly_score(features(5, 1))
    streamed.set_threshold(features(50, 1))
    assert streamed.scales_.keys() == {"a", "b"}
    assert np.isfinite(streamed.anomaly_score(features(5, 2))).all()
    conformal = ad.MahalanobisDetector(combination="fisher", threshold="conformal")
    with pytest.raises(UserError, match="goes with the combination 'sum' alone"):
        conformal.partial_fit(features(100, 0)).set_threshold(features(50, 1))


def test_calibrating_a_fitted_detector_keeps_its_gaussians():
    detector = ad.MahalanobisDetector(combination="z-score").fit(features(60, 0))
    scores = detector.anomaly_score(features(5, 1))
    others = features(40, 2)
    detector.set_threshold(others)
    np.testing.assert_array_equal(detector.anomaly_score(features(5, 1)), scores)
    np.testing.assert_array_equal(detector.held_out_scores_, detector.anomaly_score(others))


def test_fit_and_partial_fit_start_anew_after_each_other():
    detector = ad.MahalanobisDetector().fit(features(60, 0))
    detector.partial_fit(features(50, 1))
    assert detector.n_train_ == 50
    detector.fit(features(60, 0))
    fresh = ad.MahalanobisDetector().fit(features(60, 0))
    assert vars(detector).keys() == vars(fresh).keys()
    assert detector.threshold_ == fresh.threshold_


def test_what_does_not_belong_together_is_refused():
    one = ad.MahalanobisDetector().partial_fit(features(20, 0, weights="none"))
    with pytest.raises(UserError, match=r"another origin: weights \('none', 'imagenet'\)"):
        one.partial_fit(features(20, 1, weights="imagenet"))
    other = ad.MahalanobisDetector(covariance="oas")
    other.partial_fit(features(20, 1, weights="imagenet"))
    with pytest.raises(UserError, match=r"differ in: covariance, weights"):
        one.merge(other)
    with pytest.raises(UserError, match="fitted by partial_fit"):
        one.merge(ad.MahalanobisDetector().fit(features(20, 0, weights="none")))
    with pytest.raises(NotFittedError):
        one.merge(ad.MahalanobisDetector())
    wide = ad.FeatureSet.from_arrays(
        {"a": np.ones((3, 7)), "b": np.ones((3, 70))}, origin=origin(weights="none")
    )
    with pytest.raises(UserError, match="a has 7 features, but the detector was fitted on 6"):
        one.partial_fit(wide)
    labelled = ad.FeatureSet.from_arrays(
        features(3, 0).levels, labels=[0, 1, 0], origin=origin(weights="none")
    )
    for step in (one.partial_fit, one.set_threshold):
        with pytest.raises(UserError, match="1 of 3 training images are labelled anomalous"):
            step(labelled)
    assert one.n_train_ == 20


def test_what_cannot_be_streamed_is_told_at_once():
    with pytest.raises(UserError, match="needs all images at once"):
        ad.MahalanobisDetector(reduction="pca").partial_fit(features(20, 0))
    with pytest.raises(UserError, match="takes no held-out images"):
        ad.MahalanobisDetector(threshold=None).fit(features(20, 0)).set_threshold(features(9, 1))
    for step in ("partial_fit", "set_threshold"):
        with pytest.raises(UserError, match="there are no images in these features"):
            getattr(ad.MahalanobisDetector(), step)(features(0, 0))
    two = ad.MahalanobisDetector().partial_fit(features(2, 0))
    with pytest.raises(UserError, match="a: a Gaussian needs at least 3 training images"):
        two.anomaly_score(features(5, 1))
