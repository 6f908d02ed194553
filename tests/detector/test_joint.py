"""Positions and the whole image together, against the two detectors and fits by hand."""

import numpy as np
import pytest
from feature_maps import MAPPED, draw_maps, maps_of, rows, some
from origins import origin
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

import adhelpers as ad
from adhelpers.detector import (
    DETECTORS,
    POOLED,
    JointDetector,
    LocalDetector,
    MahalanobisDetector,
    kind_of,
    load_detector,
)
from adhelpers.features import FeatureMaps
from adhelpers.ground import UserError

FROM_MAPS_ON = ["level_4", "level_6", "level_8"]


def distances_by_hand(train: FeatureMaps, test: FeatureMaps, **parameters) -> dict:
    local = LocalDetector(threshold=None, **parameters).fit(train)
    pooled = MahalanobisDetector(FROM_MAPS_ON, threshold=None).fit(train.features)
    return {**local.level_distances(test), POOLED: pooled.anomaly_score(test.features)}


def held_out_by_hand(maps, folds: np.ndarray, **parameters) -> dict:
    expected = {name: np.empty(len(folds)) for name in (*MAPPED, POOLED)}
    for fold in set(folds.tolist()):
        train, test = (maps_of(rows(maps, chosen)) for chosen in (folds != fold, folds == fold))
        for name, x in distances_by_hand(train, test, **parameters).items():
            expected[name][folds == fold] = x
    return expected


@pytest.mark.parametrize("parameters", [{}, {"tied_weight": 0.7, "rank": None}])
def test_distances_are_the_positions_and_the_whole_images(parameters):
    train, test = some(30), some(5, 1)
    found = JointDetector(**parameters).fit(train).level_distances(test)
    expected = distances_by_hand(train, test, **parameters)
    assert list(found) == [*MAPPED, "pooled"]
    for name, x in expected.items():
        np.testing.assert_array_equal(found[name], x)


@pytest.mark.parametrize("copies", [0, 1])
def test_the_score_is_of_the_distances_over_their_means_where_held_out(copies):
    maps, test = draw_maps(34), some(5, 1)
    images = np.arange(34) // (1 + copies)
    train = maps_of(maps, [f"{i}.png" for i in images])
    detector = JointDetector(quantile=0.8, n_folds=4).fit(train)
    held_out = held_out_by_hand(maps, images % 4)
    for name, x in held_out.items():
        assert detector.scales_[name] == pytest.approx((x.mean(), x.std(ddof=1)), rel=1e-6)
    means = {name: x.mean() for name, x in held_out.items()}
    scores = sum(x / means[name] for name, x in held_out.items())
    np.testing.assert_allclose(detector.held_out_scores_, scores, rtol=1e-6)
    assert detector.threshold_ == pytest.approx(np.quantile(scores, 0.8))
    expected = sum(x / means[name] for name, x in detector.level_distances(test).items())
    np.testing.assert_allclose(detector.anomaly_score(test), expected, rtol=1e-6)
    np.testing.assert_array_equal(
        detector.predict(test), np.where(expected > detector.threshold_, -1, 1)
    )


@pytest.mark.parametrize("levels", [["level_4", "level_6"], ["level_6", "level_4"], ["level_6"]])
def test_the_whole_image_is_seen_from_the_first_level_with_maps_on(levels):
    detector = JointDetector(levels).fit(some(12))
    assert detector.map_levels == levels
    start = FROM_MAPS_ON.index(min(levels))
    assert list(detector.pooled_.gaussians_) == FROM_MAPS_ON[start:]


def test_it_finds_what_either_of_the_two_finds():
    detector = JointDetector(quantile=0.9).fit(some(60))
    small, large, normal = draw_maps(4, 1), draw_maps(4, 2), some(40, 3)
    small["level_4"][:, 2, 1] += 25  # at one position
    large["level_8"] += 12  # where there are no maps
    assert (detector.predict(maps_of(small)) == -1).all()
    assert (detector.predict(maps_of(large)) == -1).all()
    assert np.mean(detector.predict(normal) == 1) > 0.7
    places = [np.unravel_index(x.argmax(), x.shape) for x in detector.heat_maps(maps_of(small))]
    assert places == [(2, 1)] * 4
    for maps in (detector.heat_maps, detector.distance_maps):
        expected = getattr(detector.local_, maps.__name__)(normal)
        np.testing.assert_array_equal(list(maps(normal)), list(expected))


def test_parts_need_other_images_and_are_the_whole():
    maps, test, others = draw_maps(40), some(5, 1), some(20, 2)
    whole = JointDetector().fit(maps_of(maps)).level_distances(test)
    streamed = JointDetector()
    for part in (slice(15), slice(15, 40)):
        streamed.partial_fit(maps_of(rows(maps, part)))
    first, second = (
        JointDetector().partial_fit(maps_of(rows(maps, part)))
        for part in (slice(22), slice(22, 40))
    )
    for detector in (streamed, first.merge(second)):
        assert detector.n_train_ == 40
        for name, x in detector.level_distances(test).items():
            np.testing.assert_allclose(x, whole[name], rtol=1e-8)
        for asked in (detector.anomaly_score, detector.predict, detector.p_values):
            with pytest.raises(UserError, match="give some that were not fitted to set_thresh"):
                asked(test)
        detector.set_threshold(others)
        means = {name: x.mean() for name, x in detector.level_distances(others).items()}
        scores = sum(x / means[name] for name, x in detector.level_distances(others).items())
        np.testing.assert_allclose(detector.anomaly_score(others), scores)
        assert detector.threshold_ == pytest.approx(np.quantile(scores, 0.95))
    streamed.partial_fit(some(3, 4))
    with pytest.raises(UserError, match="set_threshold"):
        streamed.anomaly_score(test)


def test_other_images_for_the_threshold_leave_the_scales_of_a_whole_fit():
    """Even if it was fitted in parts before."""
    detector, test = JointDetector().partial_fit(some(9, 5)).fit(some(30)), some(5, 1)
    scores = detector.anomaly_score(test)
    detector.set_threshold(some(20, 2))
    np.testing.assert_array_equal(detector.anomaly_score(test), scores)
    np.testing.assert_array_equal(detector.held_out_scores_, detector.anomaly_score(some(20, 2)))
    fresh = JointDetector().fit(some(30))
    assert vars(detector).keys() == vars(fresh).keys()
    np.testing.assert_array_equal(fresh.anomaly_score(test), scores)
    assert detector.partial_fit(some(9, 5)).n_train_ == 9


@pytest.mark.parametrize("n", [3, 4, 5, 6, 12])
def test_few_images_give_scores_and_from_six_on_a_threshold(n):
    detector = JointDetector().fit(some(n))
    assert detector.has_threshold == detector.local_.has_threshold == (n >= 6)
    assert n < 6 or np.isfinite(detector.threshold_)
    assert np.isfinite(detector.anomaly_score(some(3, 1))).all()


def test_copies_of_a_single_image_cannot_be_held_out():
    train = some(6, paths=["a.png"] * 6)
    detector = JointDetector().fit(train)
    assert detector.held_out_scores_ is None and not detector.has_threshold
    assert np.isfinite(detector.anomaly_score(train)).all()


@pytest.mark.parametrize(
    "parameters",
    [{}, {"levels": ["level_6"], "rank": None, "quantile": 0.7}, {"threshold": None}],
)
def test_saving_and_loading(tmp_path, parameters):
    about = {"origin": origin(weights="none")}
    detector, path = JointDetector(**parameters).fit(some(30, **about)), tmp_path / "d.npz"
    detector.save(path)
    test = some(6, 1, **about)
    for loaded in (JointDetector.load(path), load_detector(path)):
        np.testing.assert_array_equal(loaded.anomaly_score(test), detector.anomaly_score(test))
        np.testing.assert_array_equal(loaded.heat_maps(test), detector.heat_maps(test))
        assert loaded.get_params() == detector.get_params()
        for name in ("n_train_", "n_features_in_", "origin_", "scales_", "words"):
            assert getattr(loaded, name) == getattr(detector, name)
        if detector.threshold:
            assert loaded.threshold_ == detector.threshold_
        loaded.partial_fit(some(5, 2, **about))


def test_parts_saved_elsewhere_are_merged(tmp_path):
    maps, test, others = draw_maps(30), some(5, 1), some(20, 2)
    for i in range(2):
        JointDetector().partial_fit(maps_of(rows(maps, slice(i, 30, 2)))).save(
            tmp_path / f"{i}.npz"
        )
    first, second = (JointDetector.load(tmp_path / f"{i}.npz") for i in range(2))
    first.merge(second).set_threshold(others)
    whole = JointDetector().partial_fit(maps_of(maps)).set_threshold(others)
    np.testing.assert_allclose(first.anomaly_score(test), whole.anomaly_score(test), rtol=1e-8)
    first.save(tmp_path / "set.npz")
    loaded = JointDetector.load(tmp_path / "set.npz")
    assert loaded.threshold_ == first.threshold_
    np.testing.assert_array_equal(loaded.anomaly_score(test), first.anomaly_score(test))
    loaded.set_threshold(some(9, 3))  # sets the scales as well, as before the file
    assert loaded.scales_ != first.scales_


def test_a_file_of_another_kind_is_refused(tmp_path):
    train, path = some(9), tmp_path / "d.npz"
    for kind in DETECTORS.values():
        detector = kind.make().fit(train if kind.needs_maps else train.features)
        detector.save(path)
        assert type(load_detector(path)) is kind.make
        assert DETECTORS[kind_of(detector)] is kind
        for other in DETECTORS.values():
            if other is not kind:
                with pytest.raises(
                    UserError, match=f"a {kind.make.__name__}, expected a {other.make.__name__}"
                ):
                    other.make.load(path)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(UserError, match="not a detector file, or cut off"):
        load_detector(path)


def test_errors_are_clear():
    with pytest.raises(UserError, match="conformal threshold would rest on the images that the"):
        JointDetector(threshold="conformal").fit(some(60))
    with pytest.raises(UserError, match="chi-square law is not that of the largest distance"):
        JointDetector(threshold="chi-square").fit(some(9))
    with pytest.raises(UserError, match="weight must be above 0"):
        JointDetector(tied_weight=0).fit(some(9))
    with pytest.raises(UserError, match="give tied_weight a number"):
        JointDetector(tied_weight=None).partial_fit(some(9))
    with pytest.raises(UserError, match="at least 3 training images, not 2"):
        JointDetector().fit(some(2))
    with pytest.raises(UserError, match="1 of 3 training images are labelled anomalous"):
        JointDetector().fit(some(3, labels=[0, 1, 0]))
    for step in (JointDetector().fit, JointDetector().partial_fit):
        with pytest.raises(UserError, match=r"take feature maps \(Extractor.maps\), not FeatureS"):
            step(some(9).features)
    detector = JointDetector().fit(some(9, origin=origin(weights="none")))
    with pytest.raises(UserError, match=r"another origin: weights \('none', 'x'\)"):
        detector.anomaly_score(some(3, origin=origin(weights="x")))
    with pytest.raises(UserError, match="fitted by partial_fit"):
        detector.merge(clone(detector).fit(some(9, origin=origin(weights="none"))))
    parts = JointDetector().partial_fit(some(9))
    with pytest.raises(UserError, match="differ in: rank"):
        parts.merge(JointDetector(rank=2).partial_fit(some(9)))
    for unfitted in (JointDetector().anomaly_score, JointDetector().merge, parts.merge):
        with pytest.raises(NotFittedError):
            unfitted(JointDetector())
    with pytest.raises(UserError, match="threshold=None gives scores alone"):
        JointDetector(threshold=None).fit(some(9)).predict(some(3))


def test_parameters_and_words():
    given = {
        "levels": ["level_6"],
        "quantile": 0.8,
        "n_folds": 3,
        "tied_weight": None,
        "rank": 2,
        "threshold": None,
    }
    assert clone(JointDetector(**given).fit(some(9))).get_params() == given
    assert ad.JointDetector is JointDetector
    assert JointDetector().words == (
        "Gaussians per position, 0.3 tied, rank 16 of all levels, and pooled, relative to held-out "
        "images; threshold: held-out at 0.95"
    )
    assert JointDetector(["level_6"], threshold=None).words == (
        "Gaussians per position, 0.3 tied, rank 16 of level_6, and pooled, relative to held-out "
        "images"
    )
