"""Gaussians per position as a detector, against SciPy, scikit-learn and fits by hand."""

import json

import numpy as np
import pytest
from feature_maps import MAPPED, SHAPES, draw_maps, maps_of, rows, some
from origins import origin
from scipy.spatial.distance import mahalanobis
from sklearn.base import clone
from sklearn.covariance import ledoit_wolf
from sklearn.exceptions import NotFittedError

import adhelpers as ad
from adhelpers.detector import LocalDetector, MahalanobisDetector, load_detector
from adhelpers.gaussian import WEIGHTS, LocalMoments, likeliest_weight
from adhelpers.ground import UserError


def scores_alone(**parameters) -> LocalDetector:
    return LocalDetector(threshold=None, **parameters)


def held_out_by_hand(maps, folds: np.ndarray, **parameters) -> dict[str, np.ndarray]:
    """Distances from detectors that were fitted to the images of the other folds alone."""
    expected = {name: np.empty(len(folds)) for name in MAPPED}
    for fold in set(folds.tolist()):
        one = scores_alone(**parameters).fit(maps_of(rows(maps, folds != fold)))
        for name, x in one.level_distances(maps_of(rows(maps, folds == fold))).items():
            expected[name][folds == fold] = x
    return expected


@pytest.mark.parametrize("weight", [0.2, 1.0])
def test_distances_are_scipys(weight):
    train, test = draw_maps(30), draw_maps(4, seed=1)
    detector = scores_alone(tied_weight=weight, rank=None).fit(maps_of(train))
    found = detector.distance_maps(maps_of(test))
    score = np.zeros(4)
    for name in MAPPED:
        x, new = train[name].astype(np.float64), test[name].astype(np.float64)
        height, width, channels = SHAPES[name]
        tied, _ = ledoit_wolf((x - x.mean(axis=0)).reshape(-1, channels), assume_centered=True)
        expected = np.empty((4, height, width))
        for h, w in np.ndindex(height, width):
            own = np.cov(x[:, h, w].T, bias=True)
            precision = np.linalg.inv((1 - weight) * own + weight * tied)
            mean = x[:, h, w].mean(axis=0)
            expected[:, h, w] = [mahalanobis(v, mean, precision) for v in new[:, h, w]]
        expected /= channels**0.5
        np.testing.assert_allclose(found[name], expected, rtol=1e-8)
        score += expected.max(axis=(1, 2))
    np.testing.assert_allclose(detector.anomaly_score(maps_of(test)), score, rtol=1e-8)
    np.testing.assert_allclose(detector.score_samples(maps_of(test)), -score, rtol=1e-8)


@pytest.mark.parametrize("rank", [None, 2])
def test_parts_and_halves_are_the_whole(rank):
    train, test = draw_maps(50), some(6, 1)
    whole = scores_alone(rank=rank).fit(maps_of(train, batch_size=50))
    expected = whole.anomaly_score(test)
    streamed = scores_alone(rank=rank)
    for start, stop in ((0, 1), (1, 12), (12, 50)):
        streamed.partial_fit(maps_of(rows(train, slice(start, stop)), batch_size=7))
    np.testing.assert_allclose(streamed.anomaly_score(test), expected, rtol=1e-8)
    first, second = (
        scores_alone(rank=rank).partial_fit(maps_of(rows(train, half)))
        for half in (slice(30), slice(30, 50))
    )
    np.testing.assert_allclose(first.merge(second).anomaly_score(test), expected, rtol=1e-8)
    assert streamed.n_train_ == first.n_train_ == whole.n_train_ == 50
    assert whole.n_features_in_ == first.n_features_in_ == 4 * 3 * 5 + 2 * 2 * 7


@pytest.mark.parametrize(("n", "n_folds"), [(12, 5), (41, 3), (6, 7)])
def test_images_are_dealt_to_the_folds_and_held_out_in_turn(n, n_folds):
    maps = draw_maps(n)
    detector = LocalDetector(n_folds=n_folds, quantile=0.8).fit(maps_of(maps))
    expected = held_out_by_hand(maps, np.arange(n) % n_folds)
    for name in MAPPED:
        np.testing.assert_allclose(detector.held_out_distances_[name], expected[name], rtol=1e-7)
    scores = sum(expected.values())
    np.testing.assert_allclose(detector.held_out_scores_, scores, rtol=1e-7)
    assert detector.threshold_ == pytest.approx(np.quantile(scores, 0.8))
    whole = scores_alone().fit(maps_of(maps))
    test = some(5, 1)
    np.testing.assert_allclose(detector.anomaly_score(test), whole.anomaly_score(test), rtol=1e-8)


def test_copies_of_an_image_are_held_out_with_it():
    """Batches end between an image and its copies."""
    maps = draw_maps(30)
    images = np.array([0, 0, 0, 0, 1, 2, 2, *np.repeat(np.arange(3, 14), 2), 14])
    paths = [f"{i}.png" for i in images]
    detector = LocalDetector(n_folds=4).fit(maps_of(maps, paths))
    expected = held_out_by_hand(maps, images % 4)
    np.testing.assert_allclose(detector.held_out_scores_, sum(expected.values()), rtol=1e-7)


@pytest.mark.parametrize("combination", ["relative", "z-score"])
def test_scales_are_of_the_held_out_distances(combination):
    maps, test = draw_maps(20), some(5, 1)
    detector = LocalDetector(combination=combination).fit(maps_of(maps))
    found, score = detector.level_distances(test), 0
    for name, x in held_out_by_hand(maps, np.arange(20) % 5).items():
        mean, spread = x.mean(), x.std(ddof=1)
        relative, standard = found[name] / mean, (found[name] - mean) / spread
        score = score + (relative if combination == "relative" else standard)
    np.testing.assert_allclose(detector.anomaly_score(test), score, rtol=1e-7)
    without = scores_alone(combination=combination).fit(maps_of(maps))
    np.testing.assert_array_equal(without.anomaly_score(test), detector.anomaly_score(test))


def test_conformal_images_are_never_fitted_and_their_copies_do_not_count():
    maps = draw_maps(80)
    images = np.repeat(np.arange(40), 2)
    paths = [f"{i}.png" for i in images]
    detector = LocalDetector(threshold="conformal", n_folds=2).fit(maps_of(maps, paths))
    assert detector.n_train_ == 40
    fitted = scores_alone().fit(maps_of(rows(maps, images % 2 == 1)))
    aside = maps_of(rows(maps, np.arange(0, 80, 4)))  # the first row of each even image
    expected = fitted.anomaly_score(aside)
    np.testing.assert_allclose(detector.held_out_scores_, expected, rtol=1e-8)
    assert detector.threshold_ == pytest.approx(np.sort(expected)[19])  # ceil(21 * 0.95)
    for name in MAPPED:
        maps[name][images % 2 == 0] *= 3
    other = LocalDetector(threshold="conformal", n_folds=2).fit(maps_of(maps, paths))
    test = some(3, 1)
    np.testing.assert_array_equal(other.anomaly_score(test), detector.anomaly_score(test))
    with pytest.raises(UserError, match="needs 19 held-out normal images, not 8"):
        LocalDetector(threshold="conformal").fit(maps_of(maps, paths))
    with pytest.raises(UserError, match="needs 19 held-out normal images, not 0"):
        LocalDetector(threshold="conformal").fit(some(5, paths=["a.png"] * 5))


def test_the_weight_is_the_likeliest_at_each_level():
    maps = draw_maps(60)
    maps["level_6"] = np.random.default_rng(5).normal(size=maps["level_6"].shape)  # of one law
    detector = LocalDetector(tied_weight=None).fit(maps_of(maps))
    for name in MAPPED:
        parts = [LocalMoments.of(maps[name][fold::5]) for fold in range(5)]
        assert detector.gaussians_[name].weight == likeliest_weight(parts)
    assert detector.gaussians_["level_4"].weight < detector.gaussians_["level_6"].weight
    assert {gaussian.weight for gaussian in detector.gaussians_.values()} <= set(WEIGHTS)
    with pytest.raises(UserError, match="give tied_weight a number"):
        LocalDetector(tied_weight=None).partial_fit(maps_of(maps))


@pytest.mark.parametrize("n", [3, 4, 5, 6, 12])
def test_few_images_give_scores_and_from_six_on_a_threshold(n, tmp_path):
    detector = LocalDetector().fit(some(n))
    assert np.isfinite(detector.anomaly_score(some(2, 1))).all()
    detector.save(tmp_path / "d.npz")
    for one in (detector, load_detector(tmp_path / "d.npz")):
        assert one.has_threshold == (n >= 6)
        if n >= 6:
            assert np.isfinite(one.threshold_)
            continue
        with pytest.raises(UserError, match="fewer than 6 different ones"):
            one.predict(some(2, 1))


def test_copies_of_a_single_image_cannot_be_held_out():
    train = some(6, paths=["a.png"] * 6)
    detector = LocalDetector().fit(train)
    assert detector.held_out_scores_ is None and not detector.has_threshold
    assert np.isfinite(detector.anomaly_score(train)).all()


def test_a_threshold_from_other_images():
    streamed = LocalDetector(quantile=0.9).partial_fit(some(40))
    for asked in (streamed.predict, streamed.p_values):
        with pytest.raises(UserError, match="give some that were not fitted to set_threshold"):
            asked(some(5, 1))
    others = some(30, 1)
    streamed.set_threshold(others)
    scores = streamed.anomaly_score(others)
    assert streamed.threshold_ == np.quantile(scores, 0.9)
    np.testing.assert_array_equal(
        streamed.predict(others), np.where(scores > streamed.threshold_, -1, 1)
    )
    assert np.sum(streamed.predict(others) == -1) == 3
    np.testing.assert_array_equal(
        np.sign(streamed.decision_function(others)), streamed.predict(others)
    )
    streamed.partial_fit(some(9, 2))  # more images: the threshold no longer holds
    with pytest.raises(UserError, match="set_threshold"):
        streamed.predict(others)
    with pytest.raises(UserError, match="takes no held-out images"):
        scores_alone().fit(some(9)).set_threshold(others)
    with pytest.raises(UserError, match="threshold=None gives scores alone"):
        scores_alone().fit(some(9)).predict(others)


def test_heat_maps_show_where_and_keep_the_mean():
    detector = LocalDetector().fit(some(40))
    odd = draw_maps(3, 1)
    odd["level_4"][0, 3, 1] += 30
    odd["level_4"][1, 0, 2] += 30
    odd["level_6"][2, 1, 0] += 60
    found, by_level = detector.heat_maps(maps_of(odd)), detector.distance_maps(maps_of(odd))
    assert found.shape == (3, 4, 3)
    assert found.dtype == np.float32
    places = [np.unravel_index(x.argmax(), x.shape) for x in found]
    assert places[:2] == [(3, 1), (0, 2)]
    assert places[2] in [(2, 0), (3, 0)]
    expected = sum(x.mean(axis=(1, 2)) for x in by_level.values())
    np.testing.assert_allclose(found.mean(axis=(1, 2)), expected, rtol=1e-5)
    assert (detector.predict(maps_of(odd)) == -1).all()
    for name, x in detector.level_distances(maps_of(odd)).items():
        np.testing.assert_array_equal(x, by_level[name].max(axis=(1, 2)))


def test_levels_can_be_chosen_and_have_their_order():
    train, test = some(20), some(5, 1)
    both = scores_alone().fit(train)
    one = scores_alone(levels=["level_6"]).fit(train)
    assert one.map_levels == ["level_6"]
    assert one.n_features_in_ == 2 * 2 * 7
    np.testing.assert_array_equal(one.anomaly_score(test), both.level_distances(test)["level_6"])
    turned = scores_alone(levels=["level_6", "level_4"]).fit(train)
    assert turned.map_levels == ["level_6", "level_4"]
    np.testing.assert_array_equal(turned.anomaly_score(test), both.anomaly_score(test))


# --- the file -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"levels": ["level_6"], "rank": None, "combination": "fisher"},
        {"rank": 0, "tied_weight": None, "quantile": 0.5},
        {"threshold": None},
        {"threshold": "conformal", "quantile": 0.8},
    ],
)
def test_saving_and_loading(tmp_path, parameters):
    detector = LocalDetector(**parameters).fit(some(30, origin=origin(weights="none")))
    detector.save(tmp_path / "d.npz")
    loaded, test = LocalDetector.load(tmp_path / "d.npz"), some(6, 1, origin=origin(weights="none"))
    np.testing.assert_array_equal(loaded.anomaly_score(test), detector.anomaly_score(test))
    np.testing.assert_array_equal(loaded.heat_maps(test), detector.heat_maps(test))
    assert loaded.get_params() == detector.get_params()
    assert loaded.words == detector.words
    for name in ("n_train_", "n_features_in_", "origin_", "scales_", "map_levels"):
        assert getattr(loaded, name) == getattr(detector, name)
    if detector.threshold:
        assert loaded.threshold_ == detector.threshold_
        np.testing.assert_array_equal(loaded.predict(test), detector.predict(test))
    assert type(load_detector(tmp_path / "d.npz")) is LocalDetector


def test_parts_saved_elsewhere_are_merged(tmp_path):
    train, test = draw_maps(30), some(5, 1)
    for i in range(3):
        part = LocalDetector(levels=MAPPED).partial_fit(maps_of(rows(train, slice(i, 30, 3))))
        part.save(tmp_path / f"{i}.npz")
        loaded = LocalDetector.load(tmp_path / f"{i}.npz")
        np.testing.assert_array_equal(loaded.anomaly_score(test), part.anomaly_score(test))
    first, *others = (LocalDetector.load(tmp_path / f"{i}.npz") for i in (2, 0, 1))
    for other in others:
        first.merge(other)
    whole = LocalDetector().fit(maps_of(train))
    np.testing.assert_allclose(first.anomaly_score(test), whole.anomaly_score(test), rtol=1e-8)
    assert first.n_train_ == 30
    first.set_threshold(test).save(tmp_path / "set.npz")
    assert LocalDetector.load(tmp_path / "set.npz").threshold_ == first.threshold_


def test_other_files_are_refused(tmp_path):
    path = tmp_path / "d.npz"
    LocalDetector().fit(some(9)).save(path)
    with pytest.raises(UserError, match="it holds a LocalDetector, expected a Mahalanobis"):
        MahalanobisDetector.load(path)
    MahalanobisDetector().fit(some(9).features).save(tmp_path / "pooled.npz")
    with pytest.raises(UserError, match="it holds a MahalanobisDetector, expected a LocalDet"):
        LocalDetector.load(tmp_path / "pooled.npz")
    content = path.read_bytes()
    for share in (0.0, 0.3, 0.9):
        path.write_bytes(content[: int(share * len(content))])
        with pytest.raises(UserError, match="not a detector file, or cut off"):
            load_detector(path)
    with pytest.raises(UserError, match="there is no such file"):
        load_detector(tmp_path / "gone.npz")


@pytest.mark.parametrize("gone", ["level_4/mean", "level_6/floor"])
def test_a_file_that_lacks_an_array_is_refused(tmp_path, gone):
    path = tmp_path / "d.npz"
    LocalDetector().fit(some(9)).save(path)
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files if name != gone}
    np.savez(path, **arrays)
    with pytest.raises(UserError, match="not a detector file"):
        LocalDetector.load(path)


def test_a_file_of_an_earlier_version_is_refused(tmp_path):
    path = tmp_path / "d.npz"
    LocalDetector().fit(some(9)).save(path)
    with np.load(path) as file:
        arrays = dict(file)
    record = json.loads(str(arrays.pop("record"))) | {"version": 3}
    np.savez(path, record=json.dumps(record), **arrays)
    with pytest.raises(UserError, match="its format has version 3, expected 4"):
        load_detector(path)


# --- what is refused ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"threshold": "chi-square"}, "chi-square law is not that of the largest distance"),
        ({"threshold": "conformal", "combination": "z-score"}, "combination 'sum' alone"),
        ({"threshold": "sigma"}, "unknown threshold 'sigma'"),
        ({"combination": "product"}, "unknown combination 'product'"),
        ({"quantile": 1}, "quantile must lie between 0 and 1"),
        ({"n_folds": 1}, "n_folds must be a whole number from 2 on"),
        ({"tied_weight": 0}, "weight must be above 0"),
        ({"rank": -1}, "rank must be 0 or more"),
        ({"levels": ["level_7"]}, "unknown level 'level_7'; choose one of: level_4, level_6"),
        ({"levels": []}, "no levels are chosen; there are: level_4, level_6"),
    ],
)
@pytest.mark.parametrize("step", ["fit", "partial_fit"])
def test_parameters_are_checked(parameters, words, step):
    with pytest.raises(UserError, match=words):
        getattr(LocalDetector(**parameters), step)(some(20))


@pytest.mark.parametrize("step", ["fit", "partial_fit", "again", "score", "set_threshold"])
def test_maps_that_do_not_fit_are_refused(step):
    """Each step says what is wrong with the maps, and is as it was afterwards."""
    detector = LocalDetector()
    if step != "fit" and step != "partial_fit":
        detector.partial_fit(some(9, origin=origin(weights="none")))
    call = {"again": detector.partial_fit, "score": detector.anomaly_score}
    take = call.get(step) or getattr(detector, step)
    about = {"origin": origin(weights="none")}
    nan = draw_maps(9)
    nan["level_6"][5, 1, 1, 3] = np.nan
    wide = draw_maps(9) | {"level_4": np.ones((9, 5, 3, 5), np.float32)}
    cases = [
        (maps_of(nan, [f"{i}.png" for i in range(9)], **about), r"level_6 has NaN .* in 5\.png"),
        (maps_of(nan, **about), "level_6 has NaN .* in an image in memory"),
        (some(9, **about).features, r"take feature maps \(Extractor.maps\), not FeatureSet"),
        (np.ones((3, 4)), r"take feature maps \(Extractor.maps\), not ndarray"),
        (some(0, **about), "there are no images in these features; give at least one"),
    ]
    if step in ("again", "score", "set_threshold"):
        cases += [
            (maps_of(wide, **about), "level_4 has maps of 5 x 3 .* fitted on 4 x 3 positions"),
            (some(9, mapped=["level_4"], **about), "unknown level 'level_6'; choose .* level_4"),
            (some(9, origin=origin(weights="x")), r"another origin: weights \('none', 'x'\)"),
        ]
    if step != "score":
        cases += [(some(9, labels=[0] * 8 + [1], **about), "1 of 9 training images are labelled")]
    for maps, words in cases:
        with pytest.raises(UserError, match=words):
            take(maps)
    if hasattr(detector, "moments_"):
        assert detector.n_train_ == 9
        fresh = LocalDetector().partial_fit(some(9))
        np.testing.assert_array_equal(
            detector.anomaly_score(some(3, 1, **about)), fresh.anomaly_score(some(3, 1))
        )


def test_too_few_images_are_refused():
    with pytest.raises(UserError, match="level_4: .* at least 3 training images, not 2"):
        LocalDetector().fit(some(2))
    with pytest.raises(UserError, match="level_4: .* at least 3 training images, not 2"):
        LocalDetector().partial_fit(some(2)).anomaly_score(some(2))
    with pytest.raises(UserError, match="too few to hold others out"):
        LocalDetector(tied_weight=None).fit(some(3))
    with pytest.raises(UserError, match="no spread"):
        LocalDetector().fit(maps_of({name: np.ones((9, *SHAPES[name])) for name in SHAPES}))
    with pytest.raises(NotFittedError):
        LocalDetector().anomaly_score(some(3))


def test_another_origin_can_be_allowed():
    detector = LocalDetector().fit(some(9, origin=origin(weights="none")))
    other = some(4, 1, origin=origin(weights="x"))
    for asked in (detector.predict, detector.distance_maps, detector.heat_maps):
        with pytest.raises(UserError, match="another origin"):
            asked(other)
    same = some(4, 1, origin=origin(weights="none"))
    np.testing.assert_array_equal(
        detector.anomaly_score(other, allow_other_origin=True), detector.anomaly_score(same)
    )


def test_what_does_not_belong_together_is_not_merged():
    one = LocalDetector().partial_fit(some(9, origin=origin(weights="none")))
    other = LocalDetector(rank=3).partial_fit(some(9, origin=origin(weights="x")))
    with pytest.raises(UserError, match="differ in: rank, weights"):
        one.merge(other)
    with pytest.raises(UserError, match="fitted by partial_fit"):
        one.merge(LocalDetector().fit(some(9, origin=origin(weights="none"))))
    assert one.n_train_ == 9


# --- as scikit-learn has it ---------------------------------------------------------------------


def test_fit_and_partial_fit_start_anew_after_each_other():
    detector = LocalDetector(combination="relative").fit(some(20))
    detector.partial_fit(some(9, 1))
    assert detector.n_train_ == 9
    assert detector.held_out_distances_ is detector.held_out_scores_ is None
    assert detector.scales_ == {}
    detector.fit(some(20))
    fresh = LocalDetector(combination="relative").fit(some(20))
    assert vars(detector).keys() == vars(fresh).keys()
    assert detector.threshold_ == fresh.threshold_


def test_parameters_are_scikit_learns():
    given = {
        "levels": ["level_6"],
        "quantile": 0.8,
        "n_folds": 3,
        "tied_weight": 0.5,
        "rank": 2,
        "combination": "fisher",
        "threshold": None,
    }
    detector = LocalDetector(**given)
    assert detector.get_params() == given
    copy = clone(detector.fit(some(9))).set_params(rank=None)
    assert copy.get_params() == given | {"rank": None}
    assert not hasattr(copy, "n_train_")
    assert ad.LocalDetector is LocalDetector


def test_words_tell_the_choice():
    assert LocalDetector(["level_4"], rank=None, tied_weight=None).words == (
        "Gaussians per position, likeliest weight tied, full rank, sum of level_4; "
        "threshold: held-out at 0.95"
    )
    assert scores_alone(combination="fisher", rank=3).words == (
        "Gaussians per position, 0.3 tied, rank 3, fisher of all levels"
    )
