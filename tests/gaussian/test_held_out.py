import numpy as np
import pytest

import adhelpers as ad
from adhelpers.gaussian import enough, fit_and_hold_out, fit_gaussian, folds
from adhelpers.gaussian.covariance import Covariance


def test_every_row_is_held_out_once():
    parts = folds(range(23), 5)
    assert [len(part) for part in parts] == [5, 5, 5, 4, 4]
    np.testing.assert_array_equal(np.sort(np.concatenate(parts)), np.arange(23))


def test_copies_of_an_image_stay_together():
    groups = [f"{i}.png" for i in range(20)] * 3
    parts = folds(groups, 4)
    assert len(parts) == 4
    for part in parts:
        assert len(part) == 15
        assert len({groups[row] for row in part}) == 5
    np.testing.assert_array_equal(parts[0][:5], folds(range(20), 4)[0])


def test_few_images_are_held_out_one_by_one():
    assert [len(part) for part in folds(range(8), 5)] == [1] * 8
    assert folds(range(3), 5) == []


def test_no_more_parts_than_needed():
    parts = folds(range(10_000), 5)
    assert len(enough(parts)) == 1
    assert len(enough(folds(range(3000), 5))) == 4
    assert len(enough(folds(range(2000), 5))) == 5
    assert enough([]) == []


@pytest.mark.parametrize(
    "choice", [{}, {"method": "oas"}, {"reduction": "pca"}, {"method": "diagonal"}]
)
@pytest.mark.parametrize(("n", "width"), [(40, 60), (200, 10)])
@pytest.mark.parametrize("n_parts", [1, 5])
def test_equals_fits_without_the_part(choice, n, width, n_parts):
    rng = np.random.default_rng(0)
    x = (rng.normal(size=(n, width)) @ rng.normal(size=(width, width)) + 50).astype(np.float32)
    covariance, parts = Covariance(**choice), folds(range(n), 5)[:n_parts]
    gaussian, distances = fit_and_hold_out(x, covariance, parts)
    whole = fit_gaussian(x, covariance)
    np.testing.assert_allclose(gaussian.covariance(), whole.covariance(), rtol=1e-8, atol=1e-10)
    expected = [
        np.sqrt(fit_gaussian(np.delete(x, part, axis=0), covariance).squared_distance(x[part]))
        for part in parts
    ]
    np.testing.assert_allclose(distances, np.concatenate(expected), rtol=1e-8)


def test_groups_are_the_files_where_these_are_known():
    features = ad.FeatureSet.from_arrays({"a": np.zeros((3, 2))})
    assert list(features.groups) == [0, 1, 2]
    features.paths[:] = ["x.png", "y.png", "x.png"]
    assert list(features.groups) == ["x.png", "y.png", "x.png"]


def test_copies_do_not_make_the_threshold_too_small():
    """With a copy of each image left in the fit, what is held out would not be."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 100))
    one = ad.FeatureSet.from_arrays({"a": x})
    copied = ad.FeatureSet.from_arrays(
        {"a": np.tile(x, (2, 1)) + 1e-3 * rng.normal(size=(80, 100))}
    )
    copied.paths[:] = [f"{i}.png" for i in range(40)] * 2
    threshold = ad.MahalanobisDetector().fit(copied).threshold_
    assert threshold > ad.MahalanobisDetector().fit(copied).anomaly_score(one).max()
