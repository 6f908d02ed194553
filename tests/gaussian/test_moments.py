import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.covariance import LedoitWolf

from adhelpers.gaussian import Moments, fit_moments
from adhelpers.ground import UserError


def rows(n: int, width: int, seed: int, offset: float = 0.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, width)) @ rng.normal(size=(width, width)) + offset


def assert_equal(found: Moments, expected: Moments, rtol: float = 1e-9) -> None:
    assert found.count == expected.count
    for name in ("mean", "scatter", "third"):
        a, b = getattr(found, name), getattr(expected, name)
        np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol * np.abs(b).max(), err_msg=name)
    np.testing.assert_allclose(found.fourth, expected.fourth, rtol=rtol)


def test_the_sums_are_those_of_their_definitions():
    x = rows(3000, 5, 0, offset=7.0)  # more than a block of rows
    y = x - x.mean(axis=0)
    length = np.sum(y**2, axis=1)
    moments = Moments.of(x)
    assert_equal(moments, Moments(3000, x.mean(axis=0), y.T @ y, length @ y, np.sum(length**2)))
    np.testing.assert_allclose(moments.scatter / 3000, np.cov(x.T, bias=True))


def test_some_rows_alone():
    x, chosen = rows(50, 4, 0), np.array([3, 1, 40, 7])
    assert_equal(Moments.of(x, chosen), Moments.of(x[chosen]))


@settings(deadline=None, max_examples=50)
@given(
    cuts=st.lists(st.integers(1, 39), max_size=5, unique=True),
    order=st.randoms(use_true_random=False),
    width=st.integers(1, 6),
    offset=st.sampled_from([0.0, 1e4]),
)
def test_parts_make_the_same_whole_in_any_order(cuts, order, width, offset):
    x = rows(40, width, 1, offset)
    parts = [Moments.of(part) for part in np.split(x, sorted(cuts))]
    order.shuffle(parts)
    joined = parts[0]
    for part in parts[1:]:
        joined = joined + part
    assert_equal(joined, Moments.of(x), rtol=1e-9 if offset == 0 else 1e-6)


@settings(deadline=None, max_examples=50)
@given(n=st.integers(3, 60), width=st.integers(2, 20), batch=st.integers(1, 30))
def test_shrinkage_of_parts_is_scikit_learns(n, width, batch):
    x = rows(n, width, n + width)
    x[: n // 2] += 30  # the parts' means lie far apart, so that all corrections count
    moments = Moments.of(x[:batch])
    for start in range(batch, n, batch):
        moments = moments + Moments.of(x[start : start + batch])
    oracle = LedoitWolf().fit(x)
    gaussian = fit_moments(moments)
    np.testing.assert_allclose(gaussian.shrinkage, oracle.shrinkage_, rtol=1e-8)
    scale = np.abs(oracle.covariance_).max()
    np.testing.assert_allclose(
        gaussian.covariance(), oracle.covariance_, rtol=1e-8, atol=1e-10 * scale
    )


def test_a_mean_far_from_zero_does_no_harm():
    x = rows(500, 8, 2) + 1e6
    moments = Moments.of(x[:100]) + Moments.of(x[100:])
    oracle = LedoitWolf().fit(x - 1e6)
    np.testing.assert_allclose(fit_moments(moments).shrinkage, oracle.shrinkage_, rtol=1e-8)


def test_float32_is_summed_in_float64():
    x = (rows(5000, 3, 0) + 1000).astype(np.float32)
    assert_equal(Moments.of(x), Moments.of(x.astype(np.float64)))


def test_other_widths_are_refused():
    with pytest.raises(UserError, match="moments of 3 and of 4 features"):
        Moments.of(rows(5, 3, 0)) + Moments.of(rows(5, 4, 0))
