import json

import numpy as np
import pytest
from ai_edge_quantizer import qtyping, quantizer
from damage import unsealed
from networks import small_backbone
from origins import origin
from pictures import draw_image
from scipy.stats import spearmanr

import adhelpers as ad
from adhelpers import backbones, edge, export, quantization
from adhelpers.backbones import Graph
from adhelpers.ground import UserError, silence

SIZE = 32
TRAIN = np.stack([draw_image(i, size=SIZE) for i in range(60)])
TEST = np.stack([draw_image(100 + i, anomalous=i % 2 == 1, size=SIZE) for i in range(30)])


@pytest.fixture(scope="module")
def network() -> bytes:
    return backbones.convert(small_backbone(SIZE))


def features(network: bytes, images: np.ndarray, **fields) -> ad.FeatureSet:
    return ad.FeatureSet.from_arrays(
        backbones.LiteRTRunner(network).pooled(images), origin=origin(**fields)
    )


def fitted(network: bytes, count: int = len(TRAIN), **parameters) -> ad.MahalanobisDetector:
    return ad.MahalanobisDetector(**parameters).fit(features(network, TRAIN[:count]))


def run(model: bytes, images: np.ndarray = TEST) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    detector = edge.Detector(model)
    scores, distances = zip(*[detector.run(image) for image in images], strict=True)
    return np.array(scores), {name: np.array([d[name] for d in distances]) for name in distances[0]}


@pytest.mark.parametrize("precision", quantization.PRECISIONS)
def test_scores_equal_those_of_the_python_detector(network, precision):
    deployed = quantization.quantize(network, precision, TRAIN)
    detector = fitted(deployed)
    scores, distances = run(export.build(deployed, detector))
    expected = detector.anomaly_score(features(deployed, TEST))
    assert scores == pytest.approx(expected, rel=1e-4)
    assert spearmanr(scores, expected).statistic >= 0.999
    assert len(np.unique(scores)) == len(TEST)
    assert list(distances) == ["level_1", "level_2"]
    for name, expected in detector.level_distances(features(deployed, TEST)).items():
        assert distances[name] == pytest.approx(expected, rel=1e-4)


def test_a_whole_efficientnet_in_int8(small_b0_model):
    train, test = (np.stack([draw_image(i) for i in range(a, a + 16)]) for a in (0, 100))
    test[::2] = 255 - test[::2]
    deployed = quantization.quantize(small_b0_model, "int8", train)
    detector = ad.MahalanobisDetector().fit(features(deployed, train))
    model = export.build(deployed, detector)
    expected = detector.anomaly_score(features(deployed, test))
    assert len(np.unique(expected)) == 16
    assert export.check(model, test, expected) < 1e-4
    assert spearmanr(run(model, test)[0], expected).statistic >= 0.999


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_the_network_gives_the_features_that_were_fitted_on_bit_for_bit(network, precision):
    deployed = quantization.quantize(network, precision, TRAIN)
    graph = Graph(export.build(deployed, fitted(deployed)))
    graph.set_signature("image", Graph(deployed).outputs())
    from ai_edge_litert.interpreter import Interpreter

    invoke = Interpreter(model_content=graph.packed()).get_signature_runner()
    found = [invoke(image=image[None]) for image in TEST]
    for name, expected in backbones.LiteRTRunner(deployed).pooled(TEST).items():
        assert np.array_equal(np.concatenate([one[name] for one in found]), expected)


@pytest.mark.parametrize(
    ("count", "parameters"),
    [
        (60, {}),
        (10, {}),  # fewer images than features: axes, and a floor everywhere else
        (60, {"covariance": "empirical"}),
        (10, {"covariance": "empirical", "ridge": 1e-6}),
        (60, {"covariance": "diagonal"}),
        (60, {"covariance": "identity"}),
        (60, {"reduction": "pca"}),
        (60, {"reduction": "npca"}),
        (60, {"levels": ["level_2"]}),
        (60, {"combination": "relative"}),
        (60, {"combination": "z-score"}),
        (60, {"threshold": None}),
    ],
    ids=str,
)
def test_every_form_of_the_gaussian(network, count, parameters):
    detector = fitted(network, count, **parameters)
    model = export.build(network, detector)
    expected = detector.anomaly_score(features(network, TEST))
    assert run(model)[0] == pytest.approx(expected, rel=1e-3, abs=1e-3)
    assert export.check(model, TEST, expected) < 1e-3


def test_fewer_images_than_features_make_a_smaller_file(network):
    few, many = (len(export.build(network, fitted(network, n))) for n in (6, 60))
    assert few < many


def test_levels_that_are_combined_by_probabilities_cannot_be_exported(network):
    with pytest.raises(UserError, match="choose one of: sum, relative, z-score"):
        export.build(network, fitted(network, combination="fisher"))


@pytest.mark.parametrize("float_output", [True, False])
def test_a_quantized_tail_is_caught(network, float_output):
    detector = fitted(network)
    work = quantizer.Quantizer(unsealed(export.build(network, detector)))
    everything = qtyping.TFLOperationName.ALL_SUPPORTED
    work.add_static_config(".*", everything, activation_num_bits=8, weight_num_bits=8)
    if float_output:
        no = quantizer.AlgorithmName.NO_QUANTIZE
        work.update_quantization_recipe(".*", qtyping.TFLOperationName.OUTPUT, algorithm_key=no)
    with silence():
        ranges = work.calibrate({"serving_default": [{"image": image[None]} for image in TRAIN]})
        model = bytes(work.quantize(ranges).quantized_model)
    assert len(np.unique(run(model)[0])) < len(TEST) / 2
    reason = "different score" if float_output else "int8, not float32"
    with pytest.raises(UserError, match=reason):
        export.check(model, TEST, detector.anomaly_score(features(network, TEST)))


def test_a_detector_of_another_precision_is_caught(network):
    deployed = quantization.quantize(network, "int8", TRAIN)
    detector = fitted(network)
    with pytest.raises(UserError, match="off by"):
        export.check(
            export.build(deployed, detector),
            TEST,
            detector.anomaly_score(features(network, TEST)),
        )


def test_a_level_that_the_network_lacks(network):
    levels = {"level_9": np.random.default_rng(0).normal(size=(20, 8))}
    detector = ad.MahalanobisDetector().fit(ad.FeatureSet.from_arrays(levels))
    with pytest.raises(UserError, match="no level_9; it has: level_1, level_2"):
        export.build(network, detector)


def test_a_level_of_another_width(network):
    levels = {"level_1": np.random.default_rng(0).normal(size=(20, 9))}
    detector = ad.MahalanobisDetector().fit(ad.FeatureSet.from_arrays(levels))
    with pytest.raises(UserError, match="level_1 has 8 features.*fitted on 9"):
        export.build(network, detector)


def test_what_the_model_tells_about_itself(network):
    train = features(network, TRAIN, backbone="small", protocol="crop", precision="float32")
    detector = ad.MahalanobisDetector(quantile=0.9).fit(train)
    model = export.build(network, detector, {"category": "plate", "image_shape": (40, 50)})
    record = edge.read_record(model)
    assert record == json.loads(json.dumps(record))
    assert record["category"] == "plate"
    assert record["image_shape"] == [40, 50]
    assert record["protocol"] == "crop"
    assert record["detector"] == "pooled"
    assert record["levels"] == ["level_1", "level_2"]
    assert record["threshold"] == detector.threshold_
    assert record["parameters"]["quantile"] == 0.9
    assert record["n_train"] == len(TRAIN)
    assert record["versions"]["adhelpers"] == ad.__version__


def test_the_same_detector_makes_the_same_file(network):
    one, other = (export.build(network, fitted(network)) for _ in range(2))
    assert one == other


def test_a_network_with_a_quantized_input_is_refused(network):
    graph = Graph(network)
    graph.main.tensors[graph.main.inputs[0]].type = 9  # int8
    with pytest.raises(UserError, match="float32 nor uint8"):
        graph.take_bytes("image")
