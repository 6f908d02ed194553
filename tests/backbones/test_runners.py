"""The feature maps of a network, from TensorFlow and from LiteRT."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from networks import small_backbone
from pictures import draw_image

from adhelpers import backbones, quantization

SIDE = 64
SOME = ("level_5", "level_3")  # in an order of their own


@pytest.fixture(scope="module")
def pictures():
    return np.stack([draw_image(seed, size=SIDE) for seed in range(8)])


@pytest.fixture(scope="module")
def expected(small_b0, pictures):
    maps = small_b0.model(pictures.astype(np.float32), training=False)
    return {name: np.asarray(x) for name, x in maps.items()}


@pytest.fixture(scope="module", params=backbones.RUNNERS)
def runner(request, small_b0, small_b0_model):
    if request.param == "keras":
        return backbones.KerasRunner(small_b0, SOME)
    return backbones.LiteRTRunner(small_b0_model, 2, SOME)


def test_maps_are_those_of_keras(runner, pictures, expected):
    pooled, maps = runner.run(pictures)
    assert list(maps) == list(runner.map_shapes) == list(SOME)
    for name in SOME:
        assert maps[name].dtype == np.float32
        assert maps[name].shape[1:] == runner.map_shapes[name] == expected[name].shape[1:]
        scale = np.abs(expected[name]).max()
        np.testing.assert_allclose(maps[name], expected[name], rtol=1e-4, atol=1e-5 * scale)
        mean = maps[name].mean(axis=(1, 2), dtype=np.float64)
        np.testing.assert_allclose(pooled[name], mean, rtol=1e-4, atol=1e-6 * scale)


def test_pooled_features_are_the_same_beside_maps(runner, pictures, small_b0, small_b0_model):
    if isinstance(runner, backbones.KerasRunner):
        plain = backbones.KerasRunner(small_b0)
    else:
        plain = backbones.LiteRTRunner(small_b0_model)
    assert plain.map_shapes == {}
    pooled, maps = plain.run(pictures)
    assert maps == {}
    assert list(runner.levels.items()) == list(plain.levels.items())
    for found in (runner.pooled(pictures), runner.run(pictures)[0]):
        assert list(found) == list(pooled)
        for name, x in pooled.items():
            np.testing.assert_allclose(found[name], x, rtol=1e-6, atol=1e-7)


def test_maps_of_several_threads_are_not_mixed_up(small_b0_model, pictures):
    runner = backbones.LiteRTRunner(small_b0_model, 2, ["level_4"])
    whole = runner.run(pictures)[1]["level_4"]
    with ThreadPoolExecutor(4) as pool:
        parts = list(pool.map(lambda i: runner.run(pictures[i : i + 1])[1]["level_4"], range(8)))
    np.testing.assert_array_equal(np.concatenate(parts), whole)


@pytest.mark.parametrize("precision", quantization.PRECISIONS)
def test_maps_of_every_precision_are_float32_and_near_keras(precision):
    backbone = small_backbone()
    images = np.stack([draw_image(seed, size=32) for seed in range(20)])
    model = quantization.quantize(backbones.convert(backbone), precision, images[4:])
    runner = backbones.LiteRTRunner(model, map_levels=list(backbone.levels))
    pooled, maps = runner.run(images[:4])
    expected = backbone.model(images[:4].astype(np.float32), training=False)
    for name, x in expected.items():
        x = np.asarray(x)
        assert maps[name].dtype == np.float32
        assert maps[name].shape == x.shape
        assert np.linalg.norm(maps[name] - x) < 0.15 * np.linalg.norm(x)
        mean = maps[name].mean(axis=(1, 2))
        np.testing.assert_allclose(pooled[name], mean, atol=0.02 * np.abs(x).max())
    for name, x in backbones.LiteRTRunner(model).pooled(images[:4]).items():
        np.testing.assert_allclose(pooled[name], x, rtol=1e-6)
