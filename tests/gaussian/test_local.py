"""Gaussians per position, against SciPy and scikit-learn."""

import numpy as np
import pytest
from scipy.linalg import eigh
from scipy.spatial.distance import mahalanobis
from scipy.stats import multivariate_normal
from sklearn.covariance import ledoit_wolf

from adhelpers.gaussian import LocalMoments, LocalVectors, fit_local, likeliest_weight
from adhelpers.ground import UserError

#: What a Gaussian per position is fitted to: sums, or the maps themselves.
either = pytest.mark.parametrize("of", [LocalMoments.of, LocalVectors])


def draw(n: int, height: int = 3, width: int = 2, channels: int = 5, seed: int = 0) -> np.ndarray:
    """Maps with a mean and a covariance of its own at each position."""
    rng = np.random.default_rng(seed)
    law = np.random.default_rng(99)
    mixing = law.normal(size=(height, width, channels, channels)) + 3 * np.eye(channels)
    mean = law.normal(size=(height, width, channels))
    return (
        np.einsum("nhwd,hwde->nhwe", rng.normal(size=(n, height, width, channels)), mixing) + mean
    )


@either
@pytest.mark.parametrize(("n", "channels"), [(40, 5), (4, 9)])
@pytest.mark.parametrize("weight", [0.05, 0.3, 1.0])
def test_distances_are_scipys(of, n, channels, weight):
    maps, test = draw(n, channels=channels), draw(3, channels=channels, seed=1)
    found = fit_local(of(maps), weight, rank=None).distance(test)
    assert found.shape == (3, 3, 2)
    residuals = (maps - maps.mean(axis=0)).reshape(-1, channels)
    tied, _ = ledoit_wolf(residuals, assume_centered=True)
    for h, w in ((0, 0), (2, 1)):
        own = np.cov(maps[:, h, w].T, bias=True)
        precision = np.linalg.inv((1 - weight) * own + weight * tied)
        mean = maps[:, h, w].mean(axis=0)
        expected = [mahalanobis(x, mean, precision) / channels**0.5 for x in test[:, h, w]]
        np.testing.assert_allclose(found[:, h, w], expected, rtol=1e-9)


@either
def test_the_tied_covariance_is_scikit_learns(of):
    maps = draw(6, channels=20)
    residuals = (maps - maps.mean(axis=0)).reshape(-1, 20)
    expected, shrinkage = ledoit_wolf(residuals, assume_centered=True)
    assert 0.01 < shrinkage < 1
    np.testing.assert_allclose(of(maps).tied(), expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("cuts", [[1], [5, 9], [2, 3, 4, 11]])
def test_parts_are_the_whole(cuts):
    maps = draw(12) + 100
    whole = LocalMoments.of(maps)
    first, *others = map(LocalMoments.of, np.split(maps, cuts))
    joined = sum(others, first)
    assert joined.count == 12
    for name in ("mean", "scatter", "third", "fourth"):
        found, expected = getattr(joined, name), getattr(whole, name)
        np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-8 * np.abs(expected).max())
    test = draw(4, seed=1)
    np.testing.assert_allclose(
        fit_local(joined, 0.2).distance(test), fit_local(whole, 0.2).distance(test), rtol=1e-8
    )


def test_the_weight_is_the_one_by_which_scipy_finds_images_held_out_the_likeliest():
    maps, weights = draw(24), (0.05, 0.2, 0.5, 0.9)
    folds = np.split(maps, 4)
    expected = np.zeros(len(weights))
    for i, part in enumerate(folds):
        rest = np.concatenate(folds[:i] + folds[i + 1 :])
        residuals = (rest - rest.mean(axis=0)).reshape(-1, 5)
        tied, _ = ledoit_wolf(residuals, assume_centered=True)
        for h, w in np.ndindex(3, 2):
            own = np.cov(rest[:, h, w].T, bias=True)
            for j, weight in enumerate(weights):
                covariance = (1 - weight) * own + weight * tied
                law = multivariate_normal(rest[:, h, w].mean(axis=0), covariance)
                expected[j] += law.logpdf(part[:, h, w]).sum()
    found = likeliest_weight(list(map(LocalMoments.of, folds)), weights)
    assert found == weights[int(expected.argmax())]


def test_the_weight_follows_the_data():
    """Positions alike want the tied covariance; different ones, with many images, their own."""
    alike = np.random.default_rng(0).normal(size=(24, 6, 6, 8))
    parts = [LocalMoments.of(part) for part in np.split(alike, 4)]
    assert likeliest_weight(parts) == 1.0
    different = [LocalMoments.of(part) for part in np.split(draw(400), 4)]
    assert likeliest_weight(different) <= 0.1


def test_errors_are_clear():
    moments = LocalMoments.of(draw(5))
    with pytest.raises(UserError, match="at least 3 training images, not 2"):
        fit_local(LocalMoments.of(draw(2)), 0.3)
    for weight in (0, -1, 1.1, np.nan):
        with pytest.raises(UserError, match="weight must be above 0"):
            fit_local(moments, weight)
    for of in (LocalMoments.of, LocalVectors):
        with pytest.raises(UserError, match="no spread"):
            fit_local(of(np.ones((4, 2, 2, 5))), 0.3)
    with pytest.raises(UserError, match="3 x 2 positions and 5 .* 3 x 2 positions and 4"):
        moments + LocalMoments.of(draw(5, channels=4))
    with pytest.raises(UserError, match=r"shape \(2, 2, 5\), but those fitted on had \(3, 2, 5\)"):
        fit_local(moments, 0.3).distance(draw(2, height=2))
    with pytest.raises(UserError, match="two parts or more"):
        likeliest_weight([moments])
    with pytest.raises(UserError, match="too few to hold others out"):
        likeliest_weight([moments, LocalMoments.of(draw(2))])


def test_what_is_taken_away_leaves_the_rest():
    maps = draw(12) + 100
    rest = LocalMoments.of(maps) - LocalMoments.of(maps[8:])
    expected = LocalMoments.of(maps[:8])
    assert rest.count == 8
    for name in ("mean", "scatter", "third", "fourth"):
        found, wanted = getattr(rest, name), getattr(expected, name)
        np.testing.assert_allclose(found, wanted, rtol=1e-8, atol=1e-8 * np.abs(wanted).max())


@pytest.mark.parametrize("rank", [0, 1, 3, 5, 99])
def test_few_axes_of_its_own_leave_the_mean_precision(rank):
    """The inverse covariance has the eigenvalues of the whole one, its last ones averaged."""
    maps, height, width = draw(40), 2, 1
    whole = fit_local(LocalMoments.of(maps), 0.3, rank=None)
    short = fit_local(LocalMoments.of(maps), 0.3, rank=rank)
    p = height * 2 + width
    variances = np.sort(whole.variances[p])[::-1]
    kept = min(rank, 5)
    precisions = 1 / variances
    precisions[kept:] = precisions[kept:].mean() if kept < 5 else precisions[kept:]
    basis = whole.axes[p][np.argsort(-whole.variances[p])]
    inverse = whole.whitening.T @ basis.T @ np.diag(precisions) @ basis @ whole.whitening
    test = draw(3, seed=1)
    expected = [mahalanobis(x, short.mean[p], inverse) / 5**0.5 for x in test[:, height, width]]
    np.testing.assert_allclose(short.distance(test)[:, height, width], expected, rtol=1e-9)


_RANKS = [(40, 0), (40, 2), (40, 4), (4, 0), (4, 2), (4, 99), (40, None)]


@either
@pytest.mark.parametrize(("n", "rank"), _RANKS)
def test_the_covariance_of_a_rank_is_explicit(of, n, rank):
    """Along SciPy's axes of S and T, the variances that are not kept become one number."""
    maps, test, weight = draw(n, channels=6), draw(3, channels=6, seed=1), 0.2
    found = fit_local(of(maps), weight, rank).distance(test)
    residuals = (maps - maps.mean(axis=0)).reshape(-1, 6)
    tied, _ = ledoit_wolf(residuals, assume_centered=True)
    for h, w in np.ndindex(3, 2):
        ratios, axes = eigh(np.cov(maps[:, h, w].T, bias=True), tied)  # the least variance first
        variances = (1 - weight) * ratios + weight
        lost = 6 - min(6, 6 if rank is None else rank)
        if lost:
            variances[:lost] = 1 / np.mean(1 / variances[:lost])
        covariance = tied @ axes @ np.diag(variances) @ axes.T @ tied
        mean, precision = maps[:, h, w].mean(axis=0), np.linalg.inv(covariance)
        expected = [mahalanobis(x, mean, precision) / 6**0.5 for x in test[:, h, w]]
        np.testing.assert_allclose(found[:, h, w], expected, rtol=1e-7)


def test_equal_maps_among_few_leave_orthonormal_axes():
    """Four maps three times over have covariances of three axes; eight more are asked for."""
    maps, test = np.repeat(draw(4, channels=20), 3, axis=0), draw(3, channels=20, seed=1)
    found = fit_local(LocalVectors(maps), 0.2, rank=11)
    assert (found.variances[:, :8] == pytest.approx(0.2)) and found.variances[:, 8:].min() > 0.21
    identity = np.broadcast_to(np.eye(11), (6, 11, 11))
    np.testing.assert_allclose(found.axes @ found.axes.transpose(0, 2, 1), identity, atol=1e-9)
    expected = fit_local(LocalMoments.of(maps), 0.2, rank=11).distance(test)
    np.testing.assert_allclose(found.distance(test), expected, rtol=1e-9)
