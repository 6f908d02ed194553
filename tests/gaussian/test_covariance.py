import numpy as np
import pytest
from scipy.spatial.distance import cdist, mahalanobis
from sklearn.covariance import OAS, EmpiricalCovariance, LedoitWolf
from sklearn.decomposition import PCA

from adhelpers.gaussian import AxisGaussian, DenseGaussian, Moments, fit_gaussian, fit_moments
from adhelpers.gaussian.covariance import METHODS, Covariance, Spectrum
from adhelpers.ground import UserError

SHAPES = [(30, 100), (300, 40), (50, 50), (51, 50)]


def correlated(n: int, width: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, width)) @ rng.normal(size=(width, width)) + rng.normal(size=width)


def distances(x: np.ndarray, train: np.ndarray, **choice) -> np.ndarray:
    return np.sqrt(fit_gaussian(train, Covariance(**choice)).squared_distance(x))


@pytest.mark.parametrize(("n", "width"), SHAPES)
@pytest.mark.parametrize(("method", "oracle"), [("oas", OAS), ("ledoit-wolf", LedoitWolf)])
def test_shrunk_covariances_are_scikit_learns(n, width, method, oracle):
    train, test = correlated(n, width), correlated(7, width, seed=1)
    model = oracle().fit(train)
    gaussian = fit_gaussian(train, Covariance(method))
    np.testing.assert_allclose(gaussian.shrinkage, model.shrinkage_, rtol=1e-8)
    expected = [mahalanobis(x, model.location_, model.precision_) for x in test]
    np.testing.assert_allclose(np.sqrt(gaussian.squared_distance(test)), expected, rtol=1e-8)


def test_the_empirical_covariance_is_scikit_learns():
    train, test = correlated(300, 40), correlated(7, 40, seed=1)
    model = EmpiricalCovariance().fit(train)
    expected = np.sqrt(model.mahalanobis(test))
    np.testing.assert_allclose(distances(test, train, method="empirical"), expected, rtol=1e-8)


@pytest.mark.parametrize(("n", "width"), SHAPES)
def test_a_ridge_is_a_share_of_the_mean_variance(n, width):
    train, test = correlated(n, width), correlated(7, width, seed=1)
    covariance = np.cov(train.T, bias=True)
    inverse = np.linalg.inv(covariance + 0.1 * np.trace(covariance) / width * np.eye(width))
    expected = [mahalanobis(x, train.mean(axis=0), inverse) for x in test]
    found = distances(test, train, method="empirical", ridge=0.1)
    np.testing.assert_allclose(found, expected, rtol=1e-8)


@pytest.mark.parametrize(("n", "width"), SHAPES)
def test_l2_and_sed_are_scipys(n, width):
    train, test = correlated(n, width), correlated(7, width, seed=1)
    mean = train.mean(axis=0)[None]
    l2 = cdist(test, mean)[:, 0]
    np.testing.assert_allclose(distances(test, train, method="identity"), l2, rtol=1e-10)
    sed = cdist(test, mean, "seuclidean", V=train.var(axis=0))[:, 0]
    np.testing.assert_allclose(distances(test, train, method="diagonal"), sed, rtol=1e-10)


def kept_components(train: np.ndarray, reduction: str, share: float) -> np.ndarray:
    """Return the paper's components, by scikit-learn's PCA; without those that have no spread."""
    pca = PCA(n_components=min(len(train) - 1, train.shape[1])).fit(train)
    last = np.argmax(np.cumsum(pca.explained_variance_ratio_) > share)
    if reduction == "pca":
        return pca.components_[: last + 1]
    return pca.components_[max(last - 1, 0) :]


@pytest.mark.parametrize(("n", "width"), SHAPES)
@pytest.mark.parametrize("reduction", ["pca", "npca"])
@pytest.mark.parametrize("share", [0.5, 0.95, 0.99])
def test_reductions_are_distances_among_the_components_kept(n, width, reduction, share):
    train, test = correlated(n, width), correlated(7, width, seed=1)
    components = kept_components(train, reduction, share)
    model = LedoitWolf().fit(train @ components.T)
    expected = [mahalanobis(x, model.location_, model.precision_) for x in test @ components.T]
    found = distances(test, train, reduction=reduction, variance_share=share)
    np.testing.assert_allclose(found, expected, rtol=1e-7)


def test_pca_keeps_what_scikit_learns_share_keeps():
    train = correlated(200, 30)
    gaussian = fit_gaussian(train, Covariance(reduction="pca", variance_share=0.95))
    assert gaussian.dimensions == PCA(n_components=0.95, svd_solver="full").fit(train).n_components_
    assert np.isinf(gaussian.floor)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("reduction", [None, "npca"])
def test_axes_and_variances_are_the_covariance(method, reduction):
    choice = Covariance(method, reduction=reduction)
    gaussian = fit_gaussian(correlated(90, 12), choice)
    np.testing.assert_allclose(
        gaussian.axes @ gaussian.axes.T, np.eye(len(gaussian.axes)), atol=1e-12
    )
    found = AxisGaussian(
        gaussian.mean, gaussian.axes, gaussian.variances, gaussian.floor, gaussian.shrinkage
    )
    test = correlated(5, 12, seed=1)
    np.testing.assert_allclose(
        found.squared_distance(test), gaussian.squared_distance(test), rtol=1e-9
    )
    np.testing.assert_allclose(found.covariance(), gaussian.covariance(), atol=1e-10)
    inverse = np.linalg.pinv(gaussian.covariance())
    expected = [mahalanobis(x, gaussian.mean, inverse) ** 2 for x in test]
    np.testing.assert_allclose(gaussian.squared_distance(test), expected, rtol=1e-7)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("n", "width"), [(80, 20), (15, 20)])
def test_moments_give_the_same_gaussian(method, n, width):
    if (method, n) == ("empirical", 15):
        pytest.skip("singular")
    train, test = correlated(n, width), correlated(5, width, seed=1)
    found = fit_moments(Moments.of(train), Covariance(method)).squared_distance(test)
    expected = fit_gaussian(train, Covariance(method)).squared_distance(test)
    np.testing.assert_allclose(found, expected, rtol=1e-8)


def test_a_reduction_of_moments():
    choice = Covariance("oas", reduction="npca", variance_share=0.9)
    train, test = correlated(80, 20), correlated(5, 20, seed=1)
    found = fit_moments(Moments.of(train), choice).squared_distance(test)
    np.testing.assert_allclose(found, fit_gaussian(train, choice).squared_distance(test), rtol=1e-8)
    with pytest.raises(UserError, match="needs all images at once"):
        fit_moments(Moments.of(train), Covariance(reduction="pca"))


def test_many_images_are_kept_as_a_factor_and_few_by_their_axes():
    assert isinstance(fit_gaussian(correlated(30, 10)), DenseGaussian)
    few = fit_gaussian(correlated(10, 30))
    assert isinstance(few, AxisGaussian)
    assert few.axes.shape == (9, 30)  # about their mean, ten images span nine dimensions


@pytest.mark.parametrize("n", [20, 200])
@pytest.mark.parametrize("value", [0.0, 1.5, 1e5 / 3])
def test_a_constant_channel_does_not_count_in_sed(n, value):
    train, test = correlated(n, 30), correlated(5, 30, seed=1)
    train[:, 4] = value
    others = np.delete(np.arange(30), 4)
    expected = distances(test[:, others], train[:, others], method="diagonal")
    np.testing.assert_allclose(distances(test, train, method="diagonal"), expected)


@pytest.mark.parametrize("method", ["ledoit-wolf", "oas"])
def test_a_constant_channel_is_defined_where_shrinkage_is_left(method):
    train, test = correlated(200, 6), correlated(5, 6, seed=1)
    train[:, 4] = 1.5
    model = (OAS if method == "oas" else LedoitWolf)().fit(train)
    expected = [mahalanobis(x, model.location_, model.precision_) for x in test]
    np.testing.assert_allclose(distances(test, train, method=method), expected, rtol=1e-7)


@pytest.mark.parametrize(("n", "width"), [(200, 6), (10, 30)])
def test_a_singular_empirical_covariance_is_refused(n, width):
    train = correlated(n, width)
    train[:, 0] = train[:, 1] if n > width else train[:, 0]
    with pytest.raises(UserError, match=f"of {n} images in {width} features is singular"):
        fit_gaussian(train, Covariance("empirical"))
    assert np.isfinite(distances(train, train, method="empirical", ridge=0.01)).all()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("width", [3, 30])
@pytest.mark.parametrize("value", [0.0, 1.0, 0.1, 1e5 / 3])  # the mean of the last two is rounded
def test_no_spread_at_all_is_refused(method, width, value):
    with pytest.raises(UserError, match="no spread"):
        fit_gaussian(np.full((10, width), value), Covariance(method))


@pytest.mark.parametrize(
    ("choice", "words"),
    [
        ({"method": "ledoit"}, "unknown covariance 'ledoit'; choose one of: ledoit-wolf, oas"),
        ({"reduction": "ica"}, "unknown reduction 'ica'; choose one of: pca, npca, None"),
        ({"variance_share": 1.0}, "variance_share must lie between 0 and 1, not 1.0"),
        ({"variance_share": np.nan}, "variance_share must lie between 0 and 1"),
        ({"method": "empirical", "ridge": -1.0}, "ridge must be 0 or more"),
        ({"ridge": 0.1}, "ridge belongs to the covariances empirical and diagonal"),
    ],
)
def test_errors_are_clear(choice, words):
    with pytest.raises(UserError, match=words):
        Covariance(**choice)


def test_axes_stay_at_right_angles_where_variances_differ_greatly():
    x = np.random.default_rng(0).normal(size=(60, 200)) * np.logspace(0, -6, 200)
    spectrum = Spectrum.of_rows(x)
    _, singular, _ = np.linalg.svd(x - x.mean(axis=0))
    assert len(spectrum.axes) == 59
    np.testing.assert_allclose(spectrum.axes @ spectrum.axes.T, np.eye(59), atol=1e-12)
    np.testing.assert_allclose(spectrum.variances, singular[:59] ** 2 / 60, rtol=1e-9)
