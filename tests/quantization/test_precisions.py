"""Conversion, quantizing and running: the same numbers as Keras, under the right names."""

import numpy as np
import pytest
from pictures import draw_image

from adhelpers import backbones, quantization
from adhelpers.ground import UserError, ordered_map

SIDE = 64


@pytest.fixture
def float_model(small_b0_model):
    return small_b0_model


@pytest.fixture(scope="module")
def pictures():
    return np.stack([draw_image(seed, size=SIDE) for seed in range(12)])


@pytest.fixture(scope="module")
def expected(small_b0, pictures):
    maps = small_b0.model(pictures[:4].astype(np.float32), training=False)
    return {name: np.asarray(x, np.float64).mean(axis=(1, 2)) for name, x in maps.items()}


def errors(found, expected):
    """Return the relative error of each level."""
    return {
        name: np.linalg.norm(found[name] - x) / np.linalg.norm(x) for name, x in expected.items()
    }


#: Relative errors that were seen, with a margin: (least, greatest) over the levels.
BOUNDS = {
    "float32": (0, 1e-5),
    "float16": (1e-6, 1e-2),
    "int8-weights": (1e-4, 0.15),
    "dynamic": (1e-4, 0.2),
    "int8": (1e-3, 0.3),
    "int8-mixed": (1e-4, 0.2),
}


@pytest.mark.parametrize("precision", quantization.PRECISIONS)
def test_every_precision_gives_the_levels_of_keras(float_model, pictures, expected, precision):
    model = quantization.quantize(float_model, precision, pictures[4:])
    runner = backbones.LiteRTRunner(model)
    assert list(runner.levels) == list(expected)
    found = errors(runner.pooled(pictures[:4]), expected)
    low, high = BOUNDS[precision]
    assert max(found.values()) <= high, found
    assert min(found.values()) >= low, found
    if precision != "float32":
        assert len(model) < 0.62 * len(float_model)


def test_two_outputs_that_change_places_are_noticed(float_model, pictures, expected):
    from ai_edge_litert.tools import flatbuffer_utils

    model = flatbuffer_utils.read_model_from_bytearray(bytearray(float_model))
    first, second = model.signatureDefs[0].outputs[:2]
    first.tensorIndex, second.tensorIndex = second.tensorIndex, first.tensorIndex
    swapped = bytes(flatbuffer_utils.convert_object_to_bytearray(model))
    with pytest.raises((AssertionError, ValueError)):
        found = errors(backbones.LiteRTRunner(swapped).pooled(pictures[:4]), expected)
        assert max(found.values()) <= BOUNDS["float32"][1]


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_uint8_input_changes_nothing(float_model, pictures, precision):
    model = quantization.quantize(float_model, precision, pictures[4:])
    taken, given = (
        backbones.LiteRTRunner(backbones.take_bytes(model)),
        backbones.LiteRTRunner(model),
    )
    assert taken._input_type == np.uint8
    found, expected = taken.pooled(pictures[:2]), given.pooled(pictures[:2])
    for name in expected:
        np.testing.assert_array_equal(found[name], expected[name])


def test_vectors_are_copies_and_threads_do_not_mix(float_model, pictures):
    runner = backbones.LiteRTRunner(float_model, workers=2)
    one_by_one = [runner.pooled(pictures[i : i + 1])["level_9"][0] for i in range(12)]
    batches = [pictures[i : i + 3] for i in range(0, 12, 3)]
    found = ordered_map(runner.pooled, batches, workers=4)
    np.testing.assert_array_equal(
        np.concatenate([features["level_9"] for features in found]), one_by_one
    )


def test_errors_in_one_line(float_model):
    with pytest.raises(UserError, match="unknown precision 'int4'; choose one of: float32, "):
        quantization.quantize(float_model, "int4")
    with pytest.raises(UserError, match="int8 needs calibration images and there are none"):
        quantization.quantize(float_model, "int8", [])
    with pytest.raises(UserError, match="not a TFLite model"):
        backbones.LiteRTRunner(b"no model at all, but long enough to be looked at")
