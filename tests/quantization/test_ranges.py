"""Ranges of activations, against NumPy on the whole values and a search over all ranges."""

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from networks import small_backbone
from pictures import draw_image

from adhelpers import backbones
from adhelpers.ground import UserError
from adhelpers.quantization import ranges, static_int8


@pytest.fixture(scope="module")
def model():
    return backbones.convert(small_backbone())


@pytest.fixture(scope="module")
def pictures():
    return [draw_image(seed, size=32) for seed in range(4)]


@pytest.fixture(scope="module")
def values(model, pictures):
    """Everything that the operators gave, by name, put together over the images."""
    names = ranges._results(model)
    rows = list(ranges.activations(model, list(names), pictures))
    return {name: np.stack([row[i] for row in rows]) for i, name in enumerate(names.values())}


def test_the_level_is_among_the_activations(model, pictures, values):
    pooled = backbones.LiteRTRunner(model).pooled(np.stack(pictures))
    for vectors in pooled.values():
        assert any(
            np.array_equal(x[:, 0], vectors)
            for x in values.values()
            if x[:, 0].shape == vectors.shape
        )


def test_extremes_and_counts_are_those_of_all_values(model, pictures, values):
    for name, histogram in ranges.histograms(model, pictures).items():
        expected, _ = np.histogram(values[name], histogram.edges)
        assert (histogram.low, histogram.high) == (values[name].min(), values[name].max())
        assert histogram.counts.sum() == values[name].size
        # Rounding may move a value that lies on an edge to the next bin.
        assert np.abs(np.cumsum(histogram.counts) - np.cumsum(expected)).max() <= 3


def test_minmax_spans_all_values_and_zero(model, pictures, values):
    for name, (low, high) in ranges.ranges(model, pictures, "minmax").items():
        assert low == min(0, values[name].min())
        assert high == max(0, values[name].max())


def test_percentile_agrees_with_numpy_to_a_bin(model, pictures, values):
    share = 0.01
    found = ranges.histograms(model, pictures)
    for name, histogram in found.items():
        low, high = ranges.percentile_range(histogram, share)
        width = histogram.edges[1] - histogram.edges[0]
        expected = np.quantile(values[name], [share, 1 - share], method="inverted_cdf")
        np.testing.assert_allclose([low, high], expected, atol=1.01 * width)


def test_ranges_take_the_place_of_those_of_the_quantizer():
    structure = {"x": {"min": np.zeros((1, 1)), "max": np.ones((1, 1))}, "w": {"min": np.ones(3)}}
    result = ranges.quantizer_ranges(structure, {"x": (-2.0, 3.0), "other": (0.0, 1.0)})
    assert result["x"]["min"].shape == (1, 1)
    assert (result["x"]["min"].item(), result["x"]["max"].item()) == (-2, 3)
    assert result["w"] == structure["w"]
    assert structure["x"]["min"].item() == 0
    assert set(result) == {"x", "w"}


def test_errors_say_what_to_choose(model):
    with pytest.raises(UserError, match="unknown rule for ranges 'best'.*minmax"):
        ranges.ranges(model, [np.zeros((32, 32, 3), np.uint8)], "best")
    with pytest.raises(UserError, match="there are none"):
        ranges.ranges(model, [])


class TestStaticInt8:
    def test_only_normalisation_and_averages_stay_float(self, model, pictures):
        quantized = static_int8.quantize(model, pictures)
        interpreter = Interpreter(model_content=quantized)
        types = {x["name"]: x["dtype"] for x in interpreter.get_tensor_details()}
        chosen = static_int8.operators(model)
        assert {x.kind for x in chosen} == {"CONV_2D"}
        assert all(types[x.name] == np.int8 for x in chosen)
        (source,) = interpreter.get_input_details()
        outputs = interpreter.get_output_details()
        assert {x["dtype"] for x in [source, *outputs]} == {np.float32}

    def test_scales_are_those_of_the_ranges(self, model, pictures):
        ranges = static_int8.ranges(model, pictures)
        quantized = static_int8.quantize(model, pictures)
        found = {x["name"]: x for x in Interpreter(model_content=quantized).get_tensor_details()}
        for operator in static_int8.operators(model):
            low, high = ranges[operator.name]
            scale, _ = found[operator.name]["quantization"]
            assert scale == pytest.approx((high - low) / 255, rel=1e-4)

    def test_the_range_of_the_normalised_image_is_that_of_all_images(self, small_b0_model):
        """EfficientNet's normalisation, as its authors gave it: (x / 255 - mean) / deviation."""
        grey = [np.full((64, 64, 3), value, np.uint8) for value in (100, 120)]
        found = static_int8.ranges(small_b0_model, grey)
        normalised = [found[x.name] for x in static_int8._image_operators(small_b0_model)[:3]]
        deviations, means = [0.229, 0.224, 0.225], [0.485, 0.456, 0.406]
        low = min(-mean / deviation for mean, deviation in zip(means, deviations, strict=True))
        high = max((1 - m) / d for m, d in zip(means, deviations, strict=True))
        assert normalised[-1] == pytest.approx((low, high), rel=1e-4)

    def test_features_are_close_to_float_though_the_calibration_was_dark(self, model, pictures):
        """The first convolution takes the image itself here: its range is that of all images."""
        dark = [x // 2 for x in pictures] + pictures[:1]
        found = backbones.LiteRTRunner(static_int8.quantize(model, dark)).pooled(np.stack(pictures))
        for name, x in backbones.LiteRTRunner(model).pooled(np.stack(pictures)).items():
            assert 0 < np.linalg.norm(found[name] - x) < 0.1 * np.linalg.norm(x)
