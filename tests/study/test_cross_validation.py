import numpy as np
import pytest
from scipy.spatial.distance import mahalanobis
from scipy.stats import sem
from sklearn.covariance import LedoitWolf
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import KFold

import adhelpers as ad
from adhelpers.ground import UserError
from adhelpers.study import ALL_LEVELS, cross_validate


@pytest.fixture
def train() -> ad.FeatureSet:
    rng = np.random.default_rng(0)
    return ad.FeatureSet.from_arrays(
        {"a": rng.normal(size=(33, 5)), "b": rng.normal(size=(33, 50))}
    )


@pytest.fixture
def test_images() -> ad.FeatureSet:
    rng = np.random.default_rng(1)
    labels = np.repeat([0, 1], 20)
    return ad.FeatureSet.from_arrays(
        {"a": rng.normal(size=(40, 5)) + 0.6 * labels[:, None], "b": rng.normal(size=(40, 50))},
        labels=labels,
    )


def textbook(train: ad.FeatureSet, test: ad.FeatureSet) -> dict[str, float]:
    distances = {}
    for name, x in train.levels.items():
        model = LedoitWolf().fit(x.astype(np.float64))
        rows = test.levels[name].astype(np.float64)
        distances[name] = [mahalanobis(row, model.location_, model.precision_) for row in rows]
    distances[ALL_LEVELS] = np.sum(list(distances.values()), axis=0)
    return {name: roc_auc_score(test.labels, d) for name, d in distances.items()}


def test_single_fit_and_the_papers_folds(train, test_images):
    found = cross_validate(ad.MahalanobisDetector(), train, test_images)
    assert list(found) == ["a", "b", ALL_LEVELS]
    single = textbook(train, test_images)
    folds = KFold(5, shuffle=True, random_state=0).split(np.empty(33))
    runs = [textbook(train.rows(kept), test_images) for kept, _ in folds]
    for name, area in found.items():
        expected = [run[name] for run in runs]
        assert area.single == pytest.approx(single[name])
        np.testing.assert_allclose(area.runs, expected)
        assert area.mean == pytest.approx(np.mean(expected))
        assert area.sem == pytest.approx(sem(expected))


def test_without_folds_there_is_the_single_fit_alone(train, test_images):
    area = cross_validate(ad.MahalanobisDetector(), train, test_images, n_folds=0)["a"]
    assert (area.runs, area.mean, area.sem) == ((), None, None)


def test_the_detectors_parameters_count(train, test_images):
    detector = ad.MahalanobisDetector(combination="fisher", covariance="diagonal", levels=["a"])
    area = cross_validate(detector, train, test_images, n_folds=0)
    scores = detector.fit(train).anomaly_score(test_images)
    assert list(area) == ["a", ALL_LEVELS]
    assert area[ALL_LEVELS].single == roc_auc_score(test_images.labels, scores)


def test_copies_of_an_image_are_in_one_fold(train, test_images):
    copied = train.rows(list(range(33)) * 2)
    copied.paths[:] = [f"{i}.png" for i in range(33)] * 2
    once = cross_validate(ad.MahalanobisDetector(covariance="identity"), train, test_images)
    twice = cross_validate(ad.MahalanobisDetector(covariance="identity"), copied, test_images)
    assert once == twice


def test_errors_are_clear(train, test_images):
    detector = ad.MahalanobisDetector()
    with pytest.raises(UserError, match="4 training images cannot be divided into 5 folds"):
        cross_validate(detector, train.rows(range(4)), test_images)
    with pytest.raises(UserError, match="the number of folds must be 2 or more, or 0"):
        cross_validate(detector, train, test_images, n_folds=1)
    with pytest.raises(UserError, match="no anomalous images"):
        cross_validate(detector, train, test_images.rows(range(20)))
