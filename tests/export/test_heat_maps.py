"""Heat maps of an exported detector, by LiteRT alone, against those of the Keras network."""

import cv2
import numpy as np
import pytest
from pictures import draw_image

import adhelpers as ad
from adhelpers import backbones, edge
from adhelpers.evaluation import split_distance
from adhelpers.export import HeatMaps, build, overlay
from adhelpers.ground import UserError
from adhelpers.images import to_square

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
    found = HeatMaps(model).of_pixels(pixels)
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
    heat = HeatMaps(model)(image)
    assert heat.shape == image.shape[:2]
    assert heat.min() >= 0
    hot, cold = np.unravel_index(heat.argmax(), heat.shape), heat == 0
    redness = []
    for score in (0.0, 5.0, 10.0, 20.0, 99.0):
        data = np.frombuffer(overlay(image, heat, score, threshold=10.0), np.uint8)
        drawn = cv2.imdecode(data, cv2.IMREAD_COLOR_RGB)
        assert drawn.shape == image.shape
        grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        assert (drawn[cold] == grey[cold][:, None]).all()
        red, green, _ = drawn[hot].astype(int)
        redness.append(red - green)
    assert redness[0] == 0 < redness[1] < redness[2] < redness[3] == redness[4]


def test_other_combinations_are_refused(small_b0_model):
    model = build(small_b0_model, fitted(small_b0_model, 20, combination="z-score"))
    with pytest.raises(UserError, match="z-score"):
        HeatMaps(model)
