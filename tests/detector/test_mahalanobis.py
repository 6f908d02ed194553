import json
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from origins import origin
from scipy.spatial.distance import mahalanobis
from sklearn.covariance import LedoitWolf
from sklearn.utils.estimator_checks import parametrize_with_checks

import adhelpers as ad
from adhelpers.detector import MahalanobisDetector
from adhelpers.gaussian import fit_gaussian
from adhelpers.ground import UserError


def correlated(n: int, width: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, width)) @ rng.normal(size=(width, width)) + rng.normal(size=width)


@pytest.fixture
def features() -> ad.FeatureSet:
    return ad.FeatureSet.from_arrays(
        {"level_1": correlated(60, 8), "level_2": correlated(60, 90)},
        origin=origin(weights="none"),
    )


@parametrize_with_checks([MahalanobisDetector()])
def test_scikit_learn_estimator(estimator, check):
    check(estimator)


@pytest.mark.parametrize(
    ("n", "width"), [(30, 100), (300, 40), (50, 50), (51, 50), (3, 10), (209, 1280)]
)
def test_equals_scipy_and_scikit_learn(n, width):
    train, test = correlated(n, width), correlated(7, width, seed=1)
    oracle = LedoitWolf().fit(train)
    gaussian = fit_gaussian(train)
    expected = [mahalanobis(x, oracle.location_, oracle.precision_) for x in test]
    np.testing.assert_allclose(np.sqrt(gaussian.squared_distance(test)), expected, rtol=1e-8)
    np.testing.assert_allclose(gaussian.shrinkage, oracle.shrinkage_, rtol=1e-8)
    if width < 200:
        scale = np.abs(oracle.covariance_).max()
        np.testing.assert_allclose(
            gaussian.covariance(), oracle.covariance_, rtol=1e-8, atol=1e-12 * scale
        )


@settings(deadline=None, max_examples=40)
@given(
    n=st.integers(3, 30),
    width=st.integers(1, 40),
    seed=st.integers(0, 999),
    scale=st.sampled_from([1e-3, 1.0, 1e3]),
)
def test_equals_scikit_learn_for_any_shape(n, width, seed, scale):
    train = correlated(n, width, seed) * scale
    gaussian = fit_gaussian(train)
    centred = correlated(3, width, seed + 1) * scale - gaussian.mean
    covariance = LedoitWolf().fit(train).covariance_
    if np.linalg.cond(covariance) > 1e8:
        return
    expected = np.einsum("nd,nd->n", centred, np.linalg.solve(covariance, centred.T).T)
    np.testing.assert_allclose(
        gaussian.squared_distance(centred + gaussian.mean), expected, rtol=1e-6
    )


def test_a_constant_channel_is_defined():
    train = correlated(20, 30)
    train[:, 4] = 1.5
    oracle = LedoitWolf().fit(train)
    test = correlated(5, 30, seed=1)
    expected = [mahalanobis(x, oracle.location_, oracle.precision_) for x in test]
    found = np.sqrt(fit_gaussian(train).squared_distance(test))
    np.testing.assert_allclose(found, expected, rtol=1e-8)


def test_the_score_is_the_sum_of_scipys_distances(features):
    detector = MahalanobisDetector().fit(features)
    test = ad.FeatureSet.from_arrays(
        {"level_1": correlated(9, 8, 1), "level_2": correlated(9, 90, 1)},
        origin=origin(weights="none"),
    )
    expected = np.zeros(9)
    for name in features.levels:
        oracle = LedoitWolf().fit(features.levels[name].astype(np.float64))
        expected += [
            mahalanobis(x, oracle.location_, oracle.precision_)
            for x in test.levels[name].astype(np.float64)
        ]
    np.testing.assert_allclose(detector.anomaly_score(test), expected, rtol=1e-8)
    np.testing.assert_allclose(detector.score_samples(test), -expected, rtol=1e-8)


def test_a_subset_of_levels(features):
    one = MahalanobisDetector(levels=["level_2"]).fit(features)
    both = MahalanobisDetector().fit(features)
    assert list(one.gaussians_) == ["level_2"]
    np.testing.assert_allclose(
        one.anomaly_score(features), both.level_distances(features)["level_2"]
    )


def test_the_threshold_holds_for_new_normal_images():
    rng = np.random.default_rng(0)
    detector = MahalanobisDetector(quantile=0.9).fit(rng.normal(size=(2000, 20)))
    false_alarms = np.mean(detector.predict(rng.normal(size=(4000, 20))) == -1)
    assert false_alarms == pytest.approx(0.1, abs=4 * np.sqrt(0.09 / 2000))


def test_training_distances_are_too_small_but_the_threshold_is_not():
    train = correlated(40, 200)
    detector = MahalanobisDetector().fit(train)
    assert detector.threshold_ > detector.anomaly_score(train).max()


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"covariance": "identity"},
        {"covariance": "diagonal", "combination": "fisher"},
        {"covariance": "empirical", "ridge": 0.1, "threshold": "chi-square"},
        {"reduction": "npca", "variance_share": 0.9, "threshold": "conformal"},
    ],
)
@pytest.mark.filterwarnings("ignore:chi-square threshold")
def test_saving_and_loading(features, tmp_path, parameters):
    detector = MahalanobisDetector(levels=["level_2", "level_1"], quantile=0.8, **parameters)
    detector.fit(features)
    detector.save(tmp_path / "d.npz")
    loaded = MahalanobisDetector.load(tmp_path / "d.npz")
    np.testing.assert_array_equal(loaded.anomaly_score(features), detector.anomaly_score(features))
    assert loaded.get_params() == detector.get_params()
    assert vars(loaded).keys() == vars(detector).keys()
    assert loaded.threshold_ == detector.threshold_


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_a_detector_file_cut_off_is_refused(features, tmp_path, share):
    path = tmp_path / "d.npz"
    MahalanobisDetector().fit(features).save(path)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(UserError, match="not a detector file, or cut off"):
        MahalanobisDetector.load(path)


def test_a_detector_file_of_another_version_is_refused(features, tmp_path):
    path = tmp_path / "d.npz"
    MahalanobisDetector().fit(features).save(path)
    with np.load(path) as file:
        arrays = dict(file)
    record = json.loads(str(arrays.pop("record")))
    for version in ({"version": 2}, {}):  # the first format had no number
        old = {name: value for name, value in record.items() if name != "version"} | version
        np.savez(path, record=json.dumps(old), **arrays)
        found = version.get("version", 1)
        with pytest.raises(UserError, match=f"its format has version {found}, expected 4"):
            MahalanobisDetector.load(path)


def test_a_plain_array_is_refused_where_levels_were_fitted(features):
    detector = MahalanobisDetector().fit(features)
    with pytest.raises(UserError, match="fitted on levels level_1, level_2; give a FeatureSet"):
        detector.predict(np.ones((2, 98)))


def test_a_detector_file_is_read_without_pickle(tmp_path):
    np.savez(tmp_path / "d.npz", record=np.array([{}], dtype=object))
    with pytest.raises(UserError, match="not a detector file"):
        MahalanobisDetector.load(tmp_path / "d.npz")


def test_features_of_another_origin_are_refused(features):
    detector = MahalanobisDetector().fit(features)
    other = ad.FeatureSet.from_arrays(features.levels, origin=origin(weights="imagenet"))
    with pytest.raises(UserError, match=r"weights \('none', 'imagenet'\)"):
        detector.anomaly_score(other)
    np.testing.assert_array_equal(
        detector.anomaly_score(other, allow_other_origin=True), detector.anomaly_score(features)
    )


def test_errors_are_clear(features):
    with pytest.raises(UserError, match="unknown level 'level_7'; choose one of: level_1, level_2"):
        MahalanobisDetector(levels=["level_7"]).fit(features)
    with pytest.raises(UserError, match="no levels are chosen; there are: level_1, level_2"):
        MahalanobisDetector(levels=[]).fit(features)
    with pytest.raises(UserError, match="level_1: a Gaussian needs at least 3"):
        MahalanobisDetector().fit(features.rows([0]))
    labelled = ad.FeatureSet.from_arrays(features.levels, labels=[0] * 59 + [1])
    with pytest.raises(UserError, match="1 of 60 training images are labelled anomalous"):
        MahalanobisDetector().fit(labelled)
    with pytest.raises(UserError, match="quantile must lie between 0 and 1"):
        MahalanobisDetector(quantile=1).fit(features)
    with pytest.raises(UserError, match="n_folds"):
        MahalanobisDetector(n_folds=1).fit(features)
    with pytest.raises(UserError, match="no spread"):
        fit_gaussian(np.ones((5, 3)))
    detector = MahalanobisDetector().fit(features)
    narrow = ad.FeatureSet.from_arrays(
        {"level_1": np.ones((2, 3)), "level_2": np.ones((2, 90))},
        origin=origin(weights="none"),
    )
    with pytest.raises(UserError, match="level_1 has 3 features, but the detector was fitted on 8"):
        detector.anomaly_score(narrow)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_features_that_are_no_numbers_are_named(features, value):
    features.levels["level_2"][3, 4] = value
    with pytest.raises(UserError, match="level_2 has NaN or infinite features in 1 of 60"):
        MahalanobisDetector().fit(features)


def test_few_images_give_scores_and_from_six_on_a_threshold():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for n in (3, 4, 5, 6, 15):
            for n_folds in (2, 5):
                detector = MahalanobisDetector(n_folds=n_folds).fit(correlated(n, 6))
                assert np.isfinite(detector.anomaly_score(correlated(3, 6))).all()
                assert detector.has_threshold == (n >= 6)
                if n >= 6:
                    assert np.isfinite(detector.threshold_)
                    continue
                for asked in (detector.predict, detector.p_values):
                    with pytest.raises(UserError, match="fewer than 6 different ones.*give some"):
                        asked(correlated(3, 6))
