"""Heat maps: the split of the distance, and how it is laid over the image."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import draw_image, write_category

import adhelpers as ad
from adhelpers import images
from adhelpers.evaluation import explain, pixel_scores
from adhelpers.gaussian import AxisGaussian, fit_gaussian
from adhelpers.ground import UserError
from adhelpers.images import resampled, seen_window

sides = st.integers(1, 9)


def random_gaussian(rng, width: int, rank: int, floor: float) -> AxisGaussian:
    axes = np.linalg.qr(rng.normal(size=(width, width)))[0][:rank]
    return AxisGaussian(rng.normal(size=width), axes, rng.uniform(0.1, 9, rank), floor, 0.1)


def precision(gaussian: AxisGaussian) -> np.ndarray:
    """The inverse covariance, written out."""
    along = gaussian.axes.T @ np.diag(1 / gaussian.variances) @ gaussian.axes
    across = np.eye(len(gaussian.mean)) - gaussian.axes.T @ gaussian.axes
    return along + across / gaussian.floor


@given(
    st.integers(0, 2**32 - 1),
    sides,
    sides,
    st.integers(1, 12),
    st.floats(0, 1),
    st.sampled_from([0.3, np.inf]),
)
def test_each_term_is_the_formulas_and_their_mean_the_distance(seed, h, w, width, share, floor):
    rng = np.random.default_rng(seed)
    gaussian = random_gaussian(rng, width, round(share * width), floor)
    feature_map = rng.normal(size=(h, w, width))
    split = explain.split_distance(gaussian, feature_map)
    average = feature_map.mean(axis=(0, 1))
    (squared,) = gaussian.squared_distance(average[None])
    assert split.mean() == pytest.approx(np.sqrt(squared), rel=1e-6, abs=1e-12)
    terms = np.einsum(
        "hwi,ij,j->hw", feature_map - gaussian.mean, precision(gaussian), average - gaussian.mean
    )
    np.testing.assert_allclose(split * np.sqrt(squared), terms, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(("n", "width"), [(8, 40), (200, 12)], ids=["n < D", "n > D"])
def test_fitted_gaussians_agree_with_the_inverse_of_their_covariance(n, width):
    rng = np.random.default_rng(3)
    gaussian = fit_gaussian(rng.normal(size=(n, width)) * rng.uniform(0.1, 5, width))
    vector = rng.normal(size=width)
    np.testing.assert_allclose(
        explain.whitened_twice(gaussian, vector),
        np.linalg.solve(gaussian.covariance(), vector),
        rtol=1e-8,
    )


def test_a_map_at_the_mean_has_no_heat():
    gaussian = random_gaussian(np.random.default_rng(0), 4, 4, 1.0)
    split = explain.split_distance(gaussian, np.broadcast_to(gaussian.mean, (2, 3, 4)))
    assert (split == np.zeros((2, 3))).all()


# --- laying maps over images -------------------------------------------------------------------


@given(st.integers(0, 99), sides, sides, st.integers(1, 40), st.integers(1, 40))
def test_resampling_keeps_the_mean_for_any_sizes(seed, h, w, height, width):
    values = np.random.default_rng(seed).normal(size=(2, h, w))
    laid = resampled(values, (height, width))
    assert laid.shape == (2, height, width)
    np.testing.assert_allclose(laid.mean(axis=(1, 2)), values.mean(axis=(1, 2)), atol=1e-12)


def test_resampling_is_the_integral_of_the_linear_function_between_the_centres():
    values = np.array([3.0, -1.0, 4.0, 1.5, -5.0])
    laid = resampled(values[None], (1, 7))[0]
    fine = (np.arange(7 * 4000) + 0.5) / 4000
    line = np.interp(fine * 5 / 7, np.arange(5) + 0.5, values)
    np.testing.assert_allclose(laid, line.reshape(7, -1).mean(axis=1), atol=1e-6)


@given(st.integers(0, 99), st.integers(20, 60), st.integers(20, 60))
def test_a_map_in_a_window_keeps_its_mean_there_and_is_0_outside(seed, height, width):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(3, 4)) + 5
    top, left = rng.uniform(0, 10, 2)
    window = (top, left, *rng.uniform(3, 10, 2))
    laid = resampled(values, (height, width), window)
    assert laid.sum() / (window[2] * window[3]) == pytest.approx(values.mean())
    rows, columns = np.nonzero(laid)
    assert rows.min() == int(top)
    assert columns.max() == int(np.ceil(left + window[3])) - 1


@settings(max_examples=25, deadline=None)
@given(st.integers(60, 400), st.integers(60, 400))
def test_the_window_is_what_a_crop_shows(height, width):
    """A picture that is white in the window alone comes out of the crop all white."""
    top, left, seen_height, seen_width = seen_window((height, width), 56, "crop")
    assert 0 <= top < top + seen_height <= height + 1e-9
    assert 0 <= left < left + seen_width <= width + 1e-9
    ramp = np.zeros((height, width, 3), np.uint8)
    rows = slice(int(np.floor(top)), int(np.ceil(top + seen_height)))
    columns = slice(int(np.floor(left)), int(np.ceil(left + seen_width)))
    ramp[rows, columns] = 255
    shown = images.to_square(ramp, 56, "crop")
    assert shown[2:-2, 2:-2].min() == 255  # resizing may blend the border
    assert (ramp.sum() / 765) <= (seen_height + 2) * (seen_width + 2)


# --- of a network ------------------------------------------------------------------------------


def pixels(samples: ad.datasets.Samples) -> np.ndarray:
    return np.stack([picture.pixels for picture in images.stream(samples.paths, 224)])


@pytest.fixture(scope="module")
def fitted(untrained, tmp_path_factory):
    root = tmp_path_factory.mktemp("data")
    write_category(root / "plate", n_train=8)
    data = ad.datasets.load_mvtec(root, "plate")
    return data, ad.MahalanobisDetector().fit(untrained(data.train))


def test_the_heat_of_an_image_sums_up_to_its_score(fitted, untrained):
    data, detector = fitted
    explainer = explain.Explainer(untrained, detector)
    scores = detector.anomaly_score(untrained(data.test))
    distances = detector.level_distances(untrained(data.test))
    levels = explainer.of_pixels(pixels(data.test))
    assert {name: maps.shape[1] for name, maps in levels.items()} == {
        f"level_{i}": side for i, side in enumerate([112, 112, 56, 28, 14, 14, 7, 7, 7], start=1)
    }
    for name, maps in levels.items():
        np.testing.assert_allclose(maps.mean(axis=(1, 2)), distances[name], rtol=1e-3)
    np.testing.assert_allclose(
        explain.summed(levels, 224).mean(axis=(1, 2), dtype=float), scores, rtol=1e-4
    )
    for path, score in zip(data.test.paths, scores, strict=True):
        heat = explainer(images.read(path))
        assert heat.total.shape == (64, 64)
        assert heat.total.mean() == pytest.approx(heat.score, rel=1e-9)
        assert heat.score == pytest.approx(score, rel=1e-4)


def test_a_crop_is_put_back_where_it_was(fitted, tmp_path):
    data, _ = fitted
    extract = ad.Extractor("efficientnet-b0", "none", "crop", batch_size=4, engine="keras")
    detector = ad.MahalanobisDetector(levels=["level_3", "level_9"]).fit(extract(data.train))
    wide = np.concatenate([draw_image(5), draw_image(6)], axis=1)
    heat = explain.Explainer(extract, detector)(wide)
    assert list(heat.levels) == ["level_3", "level_9"]
    assert heat.total.shape == (64, 128)
    assert heat.window == (4, 36, 56, 56)
    assert heat.total.sum() / 56**2 == pytest.approx(heat.score)
    assert (heat.total[:, :36] == 0).all()
    assert (heat.total[4:60, 36:92] != 0).all()


def test_positive_parts_alone(fitted, untrained):
    data, detector = fitted
    levels = explain.Explainer(untrained, detector).of_pixels(pixels(data.test.subset([0, 5])))
    exact, positive = (explain.summed(levels, 32, cut) for cut in (False, True))
    assert exact.min() < 0 <= positive.min()
    only = explain.summed({"level_9": levels["level_9"]}, 32, positive_only=True)
    expected = resampled(np.maximum(levels["level_9"], 0), (32, 32))
    np.testing.assert_allclose(only, expected, rtol=1e-5)


def test_another_origin_is_an_error(fitted, untrained, monkeypatch):
    _, detector = fitted
    for field, value in (("weights", "imagenet"), ("protocol", "crop"), ("backbone", "b7")):
        monkeypatch.setattr(untrained, "origin", replace(untrained.origin, **{field: value}))
        with pytest.raises(UserError, match=f"another origin: .*{field}"):
            explain.Explainer(untrained, detector)
        monkeypatch.undo()
    monkeypatch.setattr(untrained, "origin", replace(untrained.origin, precision="int8"))
    with pytest.raises(UserError, match="int8, which gives no feature maps"):
        explain.Explainer(untrained, detector)


def test_another_engine_is_none(fitted, untrained, monkeypatch):
    _, detector = fitted
    monkeypatch.setattr(untrained, "origin", replace(untrained.origin, engine="tflite"))
    explain.Explainer(untrained, detector)


def test_a_detector_of_plain_arrays_is_an_error(untrained):
    detector = ad.MahalanobisDetector().fit(np.random.default_rng(0).normal(size=(20, 3)))
    with pytest.raises(UserError, match="plain arrays"):
        explain.Explainer(untrained, detector)


def test_no_images_are_an_error(fitted, untrained):
    _, detector = fitted
    with pytest.raises(UserError, match="no images"):
        explain.Explainer(untrained, detector).of_pixels(np.empty((0, 224, 224, 3), np.uint8))


def test_real_defects_are_found(mvtec_root, v2b0_weights):
    data = ad.datasets.load_mvtec(mvtec_root, "toothbrush")
    extract = ad.Extractor("efficientnetv2-b0", v2b0_weights, engine="keras")
    detector = ad.MahalanobisDetector().fit(extract(data.train))
    explainer = explain.Explainer(extract, detector)
    levels = explainer.of_pixels(pixels(data.test))
    maps = explain.summed(levels, 224)
    scores = detector.anomaly_score(extract(data.test))
    np.testing.assert_allclose(maps.mean(axis=(1, 2), dtype=float), scores, rtol=1e-4)
    masks = pixel_scores.read_truth(data.test, 224).masks
    curves = pixel_scores.pixel_curves(masks, maps)
    assert curves.auroc == pytest.approx(0.955, abs=0.01)
    assert curves.pro() == pytest.approx(0.59, abs=0.02)
