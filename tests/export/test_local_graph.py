"""Detectors with Gaussians per position in one file; the Python detectors are the oracle."""

import numpy as np
import pytest
from networks import small_backbone
from origins import origin
from pictures import draw_image

import adhelpers as ad
from adhelpers import backbones, edge, export, quantization
from adhelpers.backbones import Graph
from adhelpers.features import MAP_LEVELS, Batch
from adhelpers.ground import UserError
from adhelpers.images import to_square

SIZE = 32
TRAIN = np.stack([draw_image(i, size=SIZE) for i in range(40)])
TEST = np.stack([draw_image(100 + i, anomalous=i % 2 == 1, size=SIZE) for i in range(20)])
KINDS = {"local": ad.LocalDetector, "both": ad.JointDetector}


@pytest.fixture(scope="module")
def network() -> bytes:
    return backbones.convert(small_backbone(SIZE))


def maps_of(
    network: bytes, images: np.ndarray, levels=("level_1", "level_2"), **fields
) -> ad.FeatureMaps:
    runner = backbones.LiteRTRunner(network, 1, levels)
    pooled, maps = runner.run(images)
    features = ad.FeatureSet.from_arrays(pooled, origin=origin(**fields))
    batch = Batch(features, maps)
    return ad.FeatureMaps(
        lambda: iter([batch]), runner.map_shapes, np.zeros(len(images), int), features.origin
    )


def fitted(network: bytes, kind: str, images: np.ndarray = TRAIN, **parameters):
    return KINDS[kind](**parameters).fit(maps_of(network, images))


def outputs(model: bytes, images: np.ndarray = TEST):
    """Return the scores, the distances by name, and the heat maps that the model itself gives."""
    detector, scores, distances, heat = edge.Detector(model), [], [], []
    for image in images:
        score, by_name = detector.run(image)
        scores.append(score)
        distances.append(by_name)
        heat.append(detector.heat_map.copy())
    return (
        np.array(scores),
        {name: np.array([one[name] for one in distances]) for name in distances[0]},
        np.stack(heat),
    )


def assert_equal(model: bytes, detector, maps: ad.FeatureMaps, images: np.ndarray = TEST) -> None:
    """Compare all outputs with what Python says."""
    scores, distances, heat = outputs(model, images)
    expected = detector.level_distances(maps)
    assert scores == pytest.approx(detector.anomaly_score(maps), rel=1e-4)
    assert len(np.unique(scores)) == len(images)
    assert list(distances) == list(expected)
    for name in expected:
        assert distances[name] == pytest.approx(expected[name], rel=1e-4)
    assert heat.dtype == np.float32
    np.testing.assert_allclose(heat, detector.heat_maps(maps), rtol=1e-4)


@pytest.mark.parametrize("rank", [None, 0, 4, 16])  # level_1 has but 8 channels
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("precision", ["float32", "int8", "int8-mixed"])
def test_outputs_equal_those_of_the_python_detector(network, precision, kind, rank):
    deployed = quantization.quantize(network, precision, TRAIN)
    detector = fitted(deployed, kind, rank=rank)
    model = export.build(deployed, detector)
    maps = maps_of(deployed, TEST)
    assert_equal(model, detector, maps)
    assert export.check(model, TEST, detector.anomaly_score(maps)) < 1e-4


@pytest.mark.parametrize(
    ("kind", "parameters"),
    [
        ("local", {"tied_weight": 1.0}),  # positions have no axes of their own that count
        ("local", {"tied_weight": 0.01}),
        ("local", {"combination": "relative"}),
        ("local", {"combination": "z-score"}),
        ("local", {"levels": ["level_1"]}),
        ("local", {"levels": ["level_2"]}),
        ("local", {"threshold": None}),
        ("both", {"levels": ["level_2"]}),
        ("both", {"tied_weight": None}),
    ],
    ids=str,
)
def test_every_form_of_the_detectors(network, kind, parameters):
    detector = fitted(network, kind, **parameters)
    scores, distances, heat = outputs(export.build(network, detector))
    maps = maps_of(network, TEST)
    expected = detector.anomaly_score(maps)
    assert scores == pytest.approx(expected, rel=1e-3, abs=1e-3)
    assert list(distances) == list(detector.level_distances(maps))
    np.testing.assert_allclose(heat, detector.heat_maps(maps), rtol=1e-3)


def test_few_images_where_positions_vary_most_along_few_axes(network):
    detector = fitted(network, "local", TRAIN[:4], rank=2, tied_weight=0.01)
    gaussian = detector.gaussians_["level_2"]
    assert (gaussian.variances / gaussian.floor[:, None]).max() > 100
    assert_equal(export.build(network, detector), detector, maps_of(network, TEST))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_a_whole_efficientnet(small_b0_model, precision, kind):
    train, test = (
        np.stack([to_square(draw_image(i), 64) for i in range(a, a + 16)]) for a in (0, 100)
    )
    test[::2] = 255 - test[::2]
    deployed = quantization.quantize(small_b0_model, precision, train)
    detector = KINDS[kind]().fit(maps_of(deployed, train, MAP_LEVELS))
    assert_equal(
        export.build(deployed, detector), detector, maps_of(deployed, test, MAP_LEVELS), test
    )


# -- the file


def test_what_the_model_tells_about_itself(network):
    for kind, names in (
        ("local", ["level_1", "level_2"]),
        ("both", ["level_1", "level_2", "pooled"]),
    ):
        maps = maps_of(network, TRAIN, backbone="small", precision="float32")
        detector = KINDS[kind](quantile=0.9, rank=3).fit(maps)
        record = edge.read_record(export.build(network, detector, {"category": "plate"}))
        assert record["detector"] == kind
        assert record["levels"] == names
        assert record["threshold"] == detector.threshold_
        assert record["parameters"] == detector.get_params()
        assert (record["category"], record["backbone"]) == ("plate", "small")
        assert record["n_train"] == len(TRAIN)


def test_what_no_score_needs_is_left_out(network):
    whole, first = (
        export.build(network, fitted(network, "local", rank=0, levels=levels))
        for levels in (None, ["level_1"])
    )
    operators = [len(Graph(model).main.operators) for model in (whole, first)]
    assert operators[1] < operators[0] / 1.5
    weights = 4 * 9 * 8 * 24  # of the second level's convolution
    assert len(whole) - len(first) > weights
    pooled = ad.MahalanobisDetector(levels=["level_1"]).fit(maps_of(network, TRAIN).features)
    assert len(export.build(network, pooled)) < len(network)


def test_the_same_detector_makes_the_same_file(network):
    one, other = (export.build(network, fitted(network, "both")) for _ in range(2))
    assert one == other


# -- what the user can put right


def local_of(**maps: np.ndarray) -> ad.LocalDetector:
    return ad.LocalDetector().fit(ad.FeatureMaps.from_arrays(maps))


@pytest.mark.parametrize(
    ("name", "shape", "words"),
    [
        ("level_9", (7, 7, 24), "the network has no level_9; it has: level_1, level_2"),
        ("level_2", (8, 7, 24), "level_2 has maps of 7 x 7 x 24.*fitted on 8 x 7 x 24"),
        ("level_2", (7, 7, 23), "level_2 has maps of 7 x 7 x 24.*fitted on 7 x 7 x 23"),
    ],
)
def test_maps_that_the_network_does_not_have(network, name, shape, words):
    detector = local_of(**{name: np.random.default_rng(0).normal(size=(20, *shape))})
    with pytest.raises(UserError, match=words) as caught:
        export.build(network, detector)
    assert "\n" not in str(caught.value)


def test_levels_that_are_combined_by_probabilities_cannot_be_exported(network):
    with pytest.raises(UserError, match="choose one of: sum, relative, z-score"):
        export.build(network, fitted(network, "local", combination="fisher"))


def test_a_detector_of_another_precision_is_caught(network):
    detector = fitted(network, "local")
    deployed = quantization.quantize(network, "int8", TRAIN)
    with pytest.raises(UserError, match="off by"):
        export.check(
            export.build(deployed, detector), TEST, detector.anomaly_score(maps_of(network, TEST))
        )
