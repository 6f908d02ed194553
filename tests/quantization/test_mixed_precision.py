"""int8-mixed: convolutions found and measured, weights rounded, the damage and the choice."""

import keras
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from ai_edge_litert.tools import flatbuffer_utils
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import small_backbone
from pictures import draw_image
from scipy.stats import spearmanr
from threadpoolctl import threadpool_info, threadpool_limits

import adhelpers as ad
from adhelpers import backbones
from adhelpers.backbones import Backbone
from adhelpers.ground import UserError
from adhelpers.quantization import convolutions, mixed_precision
from adhelpers.quantization.weight_rounding import round_weights

SIDE = 64


@pytest.fixture(scope="module")
def pictures():
    return np.stack([draw_image(seed, size=SIDE) for seed in range(24)])


@pytest.fixture(scope="module")
def model(small_b0_model):
    return small_b0_model


@pytest.fixture(scope="module")
def found(model):
    return convolutions.find(model)


@pytest.fixture(scope="module")
def rounded(model, found, pictures):
    return mixed_precision.rounded_weights(model, found, pictures)


def types_of_operators(model: bytes) -> list[str]:
    content = flatbuffer_utils.read_model_from_bytearray(bytearray(model))
    return [
        flatbuffer_utils.opcode_to_name(content, x.opcodeIndex)
        for x in content.subgraphs[0].operators
    ]


def types_of_weights(model: bytes) -> list[type]:
    """Return the types of the convolutions' weights, in the model's order."""
    interpreter = Interpreter(model_content=model)
    types = {x["index"]: x["dtype"] for x in interpreter.get_tensor_details()}
    content = flatbuffer_utils.read_model_from_bytearray(bytearray(model))
    made = {x.outputs[0]: x for x in content.subgraphs[0].operators}
    found = []
    for x in convolutions.find(model):
        source = made.get(x.weights)
        found.append(types[x.weights if source is None else source.inputs[0]])
    return found


class TestConvolutions:
    def test_all_but_those_of_squeeze_and_excite_are_found(self, found):
        # B0 has the stem, 15 expansions, 16 projections and the head.
        assert len(found) == 33
        assert found[0].shape == (32, 3, 3, 3)
        assert found[-1].shape == (1280, 1, 1, 320)

    def test_multiply_adds_are_positions_times_weights(self, found):
        assert found[0].multiply_adds == (SIDE // 2) ** 2 * 32 * 27
        assert found[-1].multiply_adds == (SIDE // 32) ** 2 * 1280 * 320

    @pytest.mark.parametrize("kernel", [1, 2, 3, 5])
    @pytest.mark.parametrize("stride", [1, 2])
    @pytest.mark.parametrize("padding", ["same", "valid"])
    def test_patches_times_weights_is_the_convolution(self, kernel, stride, padding):
        rng = np.random.default_rng(0)
        value = rng.normal(size=(7, 10, 3)).astype(np.float32)
        weights = rng.normal(size=(4, kernel, kernel, 3)).astype(np.float32)
        convolution = convolutions.Convolution(
            "x", 0, 0, weights.shape, (stride, stride), padding == "same", 0
        )
        expected = keras.ops.conv(value[None], weights.transpose(1, 2, 3, 0), stride, padding)
        seen = convolutions.patches(value, convolution)
        np.testing.assert_allclose(
            seen @ weights.reshape(4, -1).T, np.reshape(expected, (-1, 4)), atol=1e-4
        )

    def test_moments_sum_over_images(self, model, found, pictures):
        both = convolutions.patch_moments(model, found[:2], pictures[:2])
        one, two = (convolutions.patch_moments(model, found[:2], x[None]) for x in pictures[:2])
        for name, moments in both.items():
            np.testing.assert_allclose(moments, one[name] + two[name], rtol=1e-5)
            np.testing.assert_array_equal(moments, moments.T)

    def test_other_weights_are_taken_and_the_rest_is_left(self, model, found):
        before = convolutions.weights(model, found)
        name = found[3].name
        after = convolutions.weights(
            convolutions.with_weights(model, found, {name: 2 * before[name]}), found
        )
        for other, x in before.items():
            np.testing.assert_array_equal(after[other], 2 * x if other == name else x)


class TestRoundWeights:
    @staticmethod
    def draw(seed: int, n: int = 40, outputs: int = 6):
        """Return weights, and inputs that go together as those of a network do."""
        rng = np.random.default_rng(seed)
        x = rng.normal(size=(500, 5)) @ rng.normal(size=(5, n)) + 0.1 * rng.normal(size=(500, n))
        return rng.normal(size=(outputs, n)), x

    @settings(deadline=None, max_examples=20)
    @given(st.integers(0, 1000), st.integers(1, 150))
    def test_results_are_on_the_grid_that_the_quantizer_will_choose(self, seed, n):
        weights, x = self.draw(seed, n)
        rounded = round_weights(weights, x.T @ x).astype(np.float64)
        step = np.abs(weights).max(axis=1, keepdims=True) / 127
        np.testing.assert_allclose(np.abs(rounded).max(axis=1), 127 * step[:, 0], rtol=1e-6)
        np.testing.assert_allclose(rounded / step, np.rint(rounded / step), atol=1e-4)

    @pytest.mark.parametrize("n", [40, 64, 150])
    def test_what_the_layer_gives_changes_less_than_by_plain_rounding(self, n):
        weights, x = self.draw(0, n)
        step = np.abs(weights).max(axis=1, keepdims=True) / 127
        plain = np.rint(weights / step) * step
        errors = [
            np.linalg.norm(x @ (w - weights).T) for w in (round_weights(weights, x.T @ x), plain)
        ]
        assert errors[0] < 0.5 * errors[1]

    def test_inputs_that_do_not_go_together_leave_plain_rounding(self):
        weights, _ = self.draw(0)
        step = np.abs(weights).max(axis=1, keepdims=True) / 127
        np.testing.assert_allclose(
            round_weights(weights, np.eye(40)), np.rint(weights / step) * step, rtol=1e-6
        )

    def test_dead_inputs_and_outputs_are_left_finite(self):
        weights, _ = self.draw(0)
        weights[2] = 0
        rounded = round_weights(weights, np.zeros((40, 40)))
        assert np.isfinite(rounded).all()
        assert not rounded[2].any()

    def test_any_shape_comes_back(self):
        weights = np.random.default_rng(0).normal(size=(4, 3, 3, 2))
        assert round_weights(weights, np.eye(18)).shape == weights.shape


class TestSelect:
    damages = st.lists(
        st.tuples(st.floats(0, 1), st.floats(0, 1), st.integers(1, 100)), min_size=1, max_size=12
    )

    @given(damages, st.floats(0.01, 1))
    def test_no_level_exceeds_the_budget(self, rows, budget):
        damage, costs = np.array([row[:2] for row in rows]), np.array([row[2] for row in rows])
        chosen = mixed_precision.select(damage, costs, budget)
        assert (np.sum(damage[chosen] ** 2, axis=0) <= budget**2 + 1e-12).all()

    def test_all_are_chosen_where_the_budget_allows(self):
        assert mixed_precision.select(np.full((9, 2), 0.1), np.ones(9), 0.3001).all()

    def test_the_cheap_one_of_two_that_harm_alike_stays_float(self):
        chosen = mixed_precision.select(np.array([[0.2], [0.2]]), np.array([1, 10]), 0.25)
        assert chosen.tolist() == [False, True]


class TestQuantize:
    def test_chosen_convolutions_are_int8_and_the_rest_float16(self, model, found, rounded):
        chosen = [found[i] for i in (1, 5, 32)]
        quantized = mixed_precision.with_int8(model, chosen, rounded)
        types = types_of_weights(quantized)
        expected = [np.int8 if i in (1, 5, 32) else np.float16 for i in range(33)]
        assert types == expected

    def test_activations_stay_float(self, model, found, rounded):
        quantized = mixed_precision.with_int8(model, found, rounded)
        assert "QUANTIZE" not in types_of_operators(quantized)

    def test_int8_weights_in_the_file_are_the_rounded_ones(self, model, found, rounded):
        interpreter = Interpreter(model_content=mixed_precision.with_int8(model, found, rounded))
        stored = convolutions.find(mixed_precision.with_int8(model, found, rounded))
        details = {
            x["index"]: x["quantization_parameters"] for x in interpreter.get_tensor_details()
        }
        for convolution, before in zip(stored, found, strict=True):
            codes = interpreter.get_tensor(convolution.weights).astype(np.float64)
            values = codes * details[convolution.weights]["scales"][:, None, None, None]
            np.testing.assert_allclose(values, rounded[before.name], rtol=1e-5, atol=1e-9)

    def test_damage_is_none_for_the_same_model_and_grows(self, model, found, rounded, pictures):
        probe = mixed_precision.probe_of(model, pictures)
        assert set(mixed_precision.damage_of(model, probe).values()) == {0.0}
        some, all_ = (
            mixed_precision.damage_of(mixed_precision.with_int8(model, x, rounded), probe)
            for x in (found[1:3], found)
        )
        assert 0 < max(some.values()) < max(all_.values()) < 2

    def test_a_constant_offset_is_no_damage(self, model, pictures):
        probe = mixed_precision.probe_of(model, pictures)
        moved = {name: x + 1 for name, x in probe.features.items()}
        damage = mixed_precision.damage_of(model, probe._replace(features=moved))
        assert max(damage.values()) < 1e-5

    def test_errors_stay_within_the_budget_on_other_images(self, model, pictures):
        budget = 0.15
        quantized = mixed_precision.quantize(model, pictures, budget, show_progress=False)
        others = np.stack([draw_image(100 + seed, size=SIDE) for seed in range(24)])
        damage = mixed_precision.damage_of(quantized, mixed_precision.probe_of(model, others))
        assert max(damage.values()) < 1.5 * budget
        assert np.int8 in types_of_weights(quantized)
        assert len(quantized) < 0.5 * len(model)

    def test_a_convolution_that_does_much_damage_stays_float(self, pictures):
        """One channel a thousand times as large as the others takes the whole int8 range."""
        image = keras.Input((SIDE, SIDE, 3))
        x = keras.layers.Conv2D(8, 3, 2, kernel_initializer=keras.initializers.HeNormal(1))(image)
        scales = np.array([1e3, *[1.0] * 7], np.float32)
        uneven = keras.layers.Multiply()([x, keras.ops.reshape(scales, (1, 1, 1, 8))])
        weights = keras.initializers.HeNormal(2)((1, 1, 8, 8)) / scales[:, None]
        layer = keras.layers.Conv2D(8, 1, use_bias=False)
        levels = {"level_1": x, "level_2": layer(uneven)}
        layer.set_weights([np.asarray(weights)])
        network = Backbone("uneven", keras.Model(image, levels), SIDE, "none")
        model = backbones.convert(network)
        quantized = mixed_precision.quantize(model, pictures, show_progress=False)
        assert types_of_weights(quantized)[-1] == np.float16

    def test_the_model_is_the_same_with_any_number_of_threads(self, pictures, monkeypatch):
        """With two, the inverse in `round_weights` has other last bits."""
        model, made, threads, real = backbones.convert(small_backbone(SIDE)), set(), set(), {}

        def watch(name):
            real[name] = getattr(mixed_precision, name)

            def watched(*arguments):
                threads.update((name, x["num_threads"]) for x in threadpool_info() if is_blas(x))
                return real[name](*arguments)

            monkeypatch.setattr(mixed_precision, name, watched)

        def is_blas(library):
            return library["user_api"] == "blas"

        for name in ("round_weights", "fit_gaussian", "damage_of"):
            watch(name)
        for count in (1, 2):
            with threadpool_limits(count, "blas"):
                made.add(mixed_precision.quantize(model, pictures[:7], show_progress=False))
                assert {x["num_threads"] for x in threadpool_info() if is_blas(x)} == {count}
        assert threads == {(name, 1) for name in real}
        assert len(made) == 1

    def test_too_few_images_are_refused_in_one_line(self, pictures):
        with pytest.raises(UserError, match="at least 7 calibration images, not 6"):
            mixed_precision.quantize(backbones.convert(small_backbone(SIDE)), pictures[:6])

    def test_seven_images_do(self, pictures):
        model = backbones.convert(small_backbone(SIDE))
        quantized = mixed_precision.quantize(model, pictures[:7], show_progress=False)
        assert list(backbones.LiteRTRunner(quantized).levels) == ["level_1", "level_2"]


def test_scores_on_real_images_go_in_the_order_of_float(mvtec_root, v2b0_weights):
    backbone = ad.backbones.load_backbone("efficientnetv2-b0", v2b0_weights)
    model = backbones.convert(backbone)
    data = ad.datasets.load_mvtec(mvtec_root, "toothbrush")
    train, test = (
        np.stack([ad.images.to_square(ad.images.read(path), 224) for path in part.paths])
        for part in (data.train, data.test)
    )
    scores = {}
    for name in ("float32", "mixed"):
        if name == "mixed":  # as `quantize` chooses here: all but the stem and the first block
            found = convolutions.find(model)
            rounded = mixed_precision.rounded_weights(model, found, train[::2])
            model = mixed_precision.with_int8(model, found[2:], rounded)
        levels = (mixed_precision.features(model, x) for x in (train, test))
        fitted, scored = (ad.FeatureSet.from_arrays(x) for x in levels)
        detector = ad.MahalanobisDetector(threshold=None).fit(fitted)
        scores[name] = detector.anomaly_score(scored)
    areas = {name: ad.evaluation.roc_auc(data.test.labels, x) for name, x in scores.items()}
    assert spearmanr(scores["mixed"], scores["float32"])[0] >= 0.99
    assert abs(areas["mixed"] - areas["float32"]) <= 0.01
    assert len(set(scores["mixed"])) == len(test)
