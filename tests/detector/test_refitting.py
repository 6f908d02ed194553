"""Refitting: against fits to all images at once, and held-out distances by hand."""

import numpy as np
import pytest
from feature_maps import draw_maps, maps_of, rows, some
from origins import origin

from adhelpers.detector import (
    JointDetector,
    LocalDetector,
    MahalanobisDetector,
    check_refittable,
    load_detector,
    refit,
    summed,
)
from adhelpers.features import FeatureMaps
from adhelpers.ground import UserError

KINDS = [MahalanobisDetector, LocalDetector, JointDetector]
MAPS = draw_maps(60)


def input_of(detector, chosen, **about):
    """Return some of the images as the detector takes them."""
    maps: FeatureMaps = maps_of(rows(MAPS, chosen), **about)
    return maps.features if isinstance(detector, MahalanobisDetector) else maps


def parts_of(detector, **about):
    return [input_of(detector, slice(30 + i, 60, 5), **about) for i in range(5)]


def kept_of(detector, **about):
    old = input_of(detector, slice(30), **about)
    return summed(detector.fit(old), old)


@pytest.mark.parametrize("make", KINDS)
def test_a_refit_measures_as_a_fit_to_all_images(make):
    found = refit(kept_of(make()), parts_of(make()))
    expected = make().fit(input_of(make(), slice(60)))
    test = input_of(make(), slice(40, 50))
    for name, x in expected.level_distances(test).items():
        np.testing.assert_allclose(found.level_distances(test)[name], x, rtol=1e-6)
    assert found.n_train_ == 60


@pytest.mark.parametrize("make", KINDS)
def test_old_and_new_images_that_were_held_out_set_the_threshold(make):
    detector = make(quantile=0.9)
    kept = kept_of(detector)
    found = refit(kept, parts_of(detector))
    earlier = detector.held_out_distances_
    for fold in range(5):
        others = np.setdiff1d(np.arange(60), np.arange(30 + fold, 60, 5))
        without = make(quantile=0.9).fit(input_of(make(), others))
        measured = without.level_distances(input_of(make(), slice(30 + fold, 60, 5)))
        for name, x in found.held_out_distances_.items():
            np.testing.assert_allclose(x[:30], earlier[name])
            np.testing.assert_allclose(x[30 + 6 * fold :][:6], measured[name], rtol=1e-6)
    assert found.threshold_ == pytest.approx(np.quantile(found.held_out_scores_, 0.9))
    assert kept.n_train_ == 30 and not kept.has_threshold  # it stays as it is


def test_scales_are_those_of_all_held_out_images():
    detector = LocalDetector(combination="relative", threshold=None)
    found = refit(kept_of(detector), parts_of(detector))
    for name, x in found.held_out_distances_.items():
        assert found.scales_[name] == pytest.approx((x.mean(), x.std(ddof=1)))
    assert not found.has_threshold


def test_a_conformal_threshold_rests_on_new_images_held_out_for_good():
    detector = MahalanobisDetector(threshold="conformal", quantile=0.6)
    found = refit(kept_of(detector), parts_of(detector))
    assert found.n_train_ == 54
    scores = np.sort(found.anomaly_score(parts_of(detector)[0]))
    assert found.threshold_ == scores[int(np.ceil(0.6 * 7)) - 1]


def test_few_images_are_enough_where_there_were_some_and_are_said_where_not():
    detector = LocalDetector()
    one = refit(kept_of(detector), [input_of(detector, [33])])
    assert one.n_train_ == 31 and len(one.held_out_scores_) == 31
    few = LocalDetector().fit(input_of(detector, slice(4)))
    kept = summed(few, input_of(detector, slice(4)))
    assert not refit(kept, [input_of(detector, [33])]).has_threshold
    with pytest.raises(UserError, match="no new images"):
        refit(kept, [])


@pytest.mark.parametrize("make", KINDS)
def test_what_is_kept_comes_back_from_its_file_and_is_refitted_again(make, tmp_path):
    about = {"origin": origin(weights="none")}
    kept = kept_of(make(), **about)
    kept.save(tmp_path / "kept.npz")
    parts = parts_of(make(), **about)
    once = refit(load_detector(tmp_path / "kept.npz"), parts[:2])
    once.save(tmp_path / "once.npz")
    twice = refit(load_detector(tmp_path / "once.npz"), parts[2:])
    assert twice.n_train_ == 60
    assert [len(x) for x in twice.held_out_distances_.values()] == [60] * len(
        twice.held_out_distances_
    )
    test = input_of(make(), slice(40, 50), **about)
    at_once = refit(kept, parts)
    for name, x in at_once.level_distances(test).items():
        np.testing.assert_allclose(twice.level_distances(test)[name], x, rtol=1e-9)


def test_a_fitted_detectors_own_file_has_no_held_out_distances(tmp_path):
    LocalDetector().fit(some(20)).save(tmp_path / "d.npz")
    assert load_detector(tmp_path / "d.npz").held_out_distances_ is None


def test_what_cannot_be_refitted_is_refused_before_the_work():
    cases = [
        (LocalDetector(tied_weight=None), "give tied_weight a number"),
        (JointDetector(tied_weight=None), "give tied_weight a number"),
        (MahalanobisDetector(reduction="npca"), "needs all images at once"),
        (MahalanobisDetector(threshold="conformal", combination="relative"), "'sum' alone"),
    ]
    for detector, words in cases:
        with pytest.raises(UserError, match=words):
            check_refittable(detector)
    other = LocalDetector().fit(some(9, origin=origin(weights="x")))
    kept = summed(other, some(9, origin=origin(weights="x")))
    with pytest.raises(UserError, match="differ in: weights"):
        refit(kept, [some(9, origin=origin(weights="none"))])
