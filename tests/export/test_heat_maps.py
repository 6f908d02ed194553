"""Heat maps of an exported detector, by LiteRT alone, against those of the Keras network."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from pictures import draw_image

import adhelpers as ad
from adhelpers import backbones, edge
from adhelpers.evaluation import split_distance
from adhelpers.export import HeatMaps, build
from adhelpers.export.split import SplitDistances
from adhelpers.features import MAP_LEVELS, Batch
from adhelpers.ground import UserError
from adhelpers.images import resampled, seen_window, to_square

SIZE = 64
ORIGIN = ad.Origin("efficientnet-b0", "builtin", SIZE, "square", "tflite", "float32")


def fitted(network: bytes, n: int, **parameters) -> ad.MahalanobisDetector:
    train = np.stack([to_square(draw_image(i), SIZE) for i in range(n)])
    levels = backbones.LiteRTRunner(network).pooled(train)
    features = ad.FeatureSet.from_arrays(levels, origin=ORIGIN)
    return ad.MahalanobisDetector(**parameters).fit(features)


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"covariance": "diagonal"},
        {"covariance": "identity"},
        {"reduction": "npca"},
        {"levels": ["level_1", "level_4"]},
    ],
    ids=str,
)
@pytest.mark.parametrize("n", [12, 60])
def test_maps_are_those_of_the_keras_network(small_b0, small_b0_model, parameters, n):
    detector = fitted(small_b0_model, n, **parameters)
    model = build(small_b0_model, detector)
    pixels = to_square(draw_image(99, anomalous=True), SIZE)
    found = SplitDistances(model)(pixels)
    maps = small_b0.model(pixels[None].astype(np.float32), training=False)
    _, distances = edge.Detector(model).run(pixels)
    assert list(found) == list(detector.gaussians_)
    for name, gaussian in detector.gaussians_.items():
        expected = split_distance(gaussian, np.asarray(maps[name])[0])
        slack = 2e-3 * np.abs(expected).max()
        np.testing.assert_allclose(found[name], expected, rtol=2e-3, atol=slack)
        assert found[name].mean() == pytest.approx(distances[name], rel=1e-3)


def test_heat_is_laid_over_the_image_and_drawn_the_stronger_the_higher_the_score(small_b0_model):
    model = build(small_b0_model, fitted(small_b0_model, 20))
    image = np.concatenate([draw_image(99, anomalous=True)] * 2, axis=1)
    maps = HeatMaps(model)
    heat = maps(image)
    assert heat.shape == image.shape[:2]
    assert heat.min() >= 0
    hot, cold = np.unravel_index(heat.argmax(), heat.shape), heat == 0
    redness = []
    for score in (0.0, 5.0, 10.0, 20.0, 99.0):
        data = np.frombuffer(maps.overlay(image, score, threshold=10.0), np.uint8)
        drawn = cv2.imdecode(data, cv2.IMREAD_COLOR_RGB)
        assert drawn.shape == image.shape
        grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        assert (drawn[cold] == grey[cold][:, None]).all()
        red, green, _ = drawn[hot].astype(int)
        redness.append(red - green)
    assert redness[0] == 0 < redness[1] < redness[2] < redness[3] == redness[4]


def local(network: bytes, protocol: str = "square", kind: type = ad.LocalDetector) -> bytes:
    """Return the model of a detector that looks at each position."""
    runner = backbones.LiteRTRunner(network, 1, MAP_LEVELS)
    pooled, maps = runner.run(np.stack([to_square(draw_image(i), SIZE) for i in range(20)]))
    of_images = replace(ORIGIN, protocol=protocol)
    batch = Batch(ad.FeatureSet.from_arrays(pooled, origin=of_images), maps)
    labels = np.zeros(20, int)
    detector = kind().fit(
        ad.FeatureMaps(lambda: iter([batch]), runner.map_shapes, labels, of_images)
    )
    return build(network, detector)


@pytest.mark.parametrize("kind", [ad.LocalDetector, ad.JointDetector])
@pytest.mark.parametrize("protocol", ["square", "crop"])
def test_heat_of_a_detector_of_positions_is_its_own_output(small_b0_model, protocol, kind):
    model = local(small_b0_model, protocol, kind)
    image = np.full((64, 96, 3), 128, np.uint8)
    image[40:50, 50:60] = (250, 0, 0)
    heat = HeatMaps(model)(image)
    runner = edge.Detector(model)
    score, distances = runner.score(image)
    sum_of_local = sum(distances[name] for name in MAP_LEVELS)
    window = seen_window(image.shape[:2], SIZE, protocol)
    expected = resampled(runner.heat_map, image.shape[:2], window) * score / sum_of_local
    assert heat.shape == image.shape[:2]
    assert heat.max() <= score
    seen = resampled(np.ones((1, 1)), image.shape[:2], window)  # in part, at the border
    assert (heat[seen == 0] == 0).all() and (heat[seen > 0.999] > 0).all()
    off = np.abs(heat - expected)[cv2.erode(seen, np.ones((5, 5))) > 0.999]
    assert off.max() < 0.05 * heat.max()  # sampled, where `resampled` integrates
    y, x = np.unravel_index(heat.argmax(), heat.shape)
    assert 36 <= y < 54 and 46 <= x < 64


def test_a_detector_of_positions_is_drawn_on_one_scale_for_all_images(small_b0_model):
    model = local(small_b0_model)
    maps, image = HeatMaps(model), draw_image(99, anomalous=True)
    heat = maps(image)
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[..., None].astype(float)
    for threshold in (heat.max() * 3, heat.max() / 1.2, heat.max() / 4):
        data = np.frombuffer(maps.overlay(image, 0.0, threshold), np.uint8)
        drawn = cv2.imdecode(data, cv2.IMREAD_COLOR_RGB)
        untouched = heat < threshold / 2
        assert (drawn[untouched] == grey[untouched]).all()
        full = heat > 1.5 * threshold
        expected = 0.2 * grey[full] + 0.8 * np.array((230, 20, 20))
        np.testing.assert_allclose(drawn[full], expected, atol=0.5001)
        half = np.unravel_index(np.abs(heat - threshold).argmin(), heat.shape)
        if abs(heat[half] / threshold - 1) < 1e-3:
            expected = 0.6 * grey[half] + 0.4 * np.array((230, 20, 20))
            np.testing.assert_allclose(drawn[half], expected, atol=1)


def test_other_combinations_are_refused(small_b0_model):
    model = build(small_b0_model, fitted(small_b0_model, 20, combination="z-score"))
    with pytest.raises(UserError, match="z-score"):
        HeatMaps(model)
