"""Detectors' files that are damaged, or say what no detector can be."""

import json
import math
import os

import numpy as np
import pytest
from damage import damaged
from sklearn.model_selection import GridSearchCV

import adhelpers as ad
from adhelpers.detector import load_detector
from adhelpers.ground import UserError

pytestmark = pytest.mark.trouble

RNG = np.random.default_rng(0)
ROWS = {"level_1": RNG.normal(size=(30, 4)), "level_2": RNG.normal(size=(30, 40))}
POOLED = ad.FeatureSet.from_arrays(ROWS)
MAPS = ad.FeatureMaps.from_arrays({"level_4": RNG.normal(size=(30, 2, 2, 3))})
FAR = {name: np.full((2, x.shape[1]), 1e3) for name, x in ROWS.items()}

DETECTORS = {
    "few images": lambda: ad.MahalanobisDetector(["level_2"]).fit(POOLED),
    "many images": lambda: ad.MahalanobisDetector(["level_1"]).fit(POOLED),
    "scales": lambda: ad.MahalanobisDetector(combination="relative").fit(POOLED),
    "in parts": lambda: ad.MahalanobisDetector(threshold="chi-square").partial_fit(POOLED),
    "local": lambda: ad.LocalDetector(rank=1).fit(MAPS),
    "local in parts": lambda: ad.LocalDetector().partial_fit(MAPS).set_threshold(MAPS),
    "joint": lambda: ad.JointDetector(rank=1).fit(MAPS),
}
filters = pytest.mark.filterwarnings("ignore:chi-square threshold")


@pytest.fixture(params=DETECTORS)
def written(request, tmp_path):
    """A detector's file, and images for it."""
    detector = DETECTORS[request.param]()
    detector.save(tmp_path / "detector.npz")
    return tmp_path / "detector.npz", POOLED if hasattr(detector, "covariance") else MAPS


def answers(detector, images) -> list:
    return [detector.anomaly_score(images).tolist(), detector.threshold_]


@filters
def test_of_200_files_with_a_damaged_byte_none_scores_differently(written):
    path, images = written
    content, expected = path.read_bytes(), answers(load_detector(path), images)
    for bad in damaged(content, 200):
        path.write_bytes(bad)
        try:
            found = answers(load_detector(path), images)
        except UserError as error:
            assert str(path) in str(error) and "\n" not in str(error)
        else:
            assert found == expected


@filters
def test_files_that_are_cut_off_are_refused(written):
    path, _ = written
    content = path.read_bytes()
    for length in [*range(0, len(content), len(content) // 50), len(content) - 1]:
        path.write_bytes(content[:length])
        with pytest.raises(UserError, match="detector.npz: not a detector file, or cut off"):
            load_detector(path)


def rewritten(path, change) -> None:
    """Change a detector's record and arrays, and write them with right check sums."""
    with np.load(path) as file:
        arrays = {name: file[name].copy() for name in file.files}
    record = json.loads(str(arrays.pop("record")))
    change(record, arrays)
    np.savez(path, record=json.dumps(record), **arrays)


def put(name, value, place=...):
    """Return what puts a number into an array."""

    def change(record, arrays):
        arrays[name][place] = value

    return change


def tell(value, *keys):
    """Return what puts a value into the record."""

    def change(record, arrays):
        for key in keys[:-1]:
            record = record[key]
        record[keys[-1]] = value

    return change


def reshape(name, shape):
    def change(record, arrays):
        arrays[name] = np.ones(shape)

    return change


FEW = [
    put("level_2/mean", math.nan, 0),
    put("level_2/axes", math.inf, (0, 0)),
    put("level_2/axes", 0.0),
    put("level_2/variances", -1.0, 3),
    put("level_2/variances", 0.0, 3),
    put("held_out_scores", math.nan, 0),
    tell(math.nan, "levels", "level_2", "floor"),
    tell(-1.0, "levels", "level_2", "floor"),
    tell(0.0, "levels", "level_2", "floor"),
    tell(True, "levels", "level_2", "floor"),
    tell("1", "levels", "level_2", "floor"),
    tell(2.0, "levels", "level_2", "shrinkage"),
    tell("OtherGaussian", "levels", "level_2", "kind"),
    tell({}, "levels"),
    tell(None, "levels"),
    tell({"level_2": [1.0, math.nan]}, "scales"),
    tell({"level_2": [1.0]}, "scales"),
    tell({"local": {}}, "detectors"),
    tell("nonsense", "parameters", "covariance"),
    tell(7, "parameters", "quantile"),
    tell([], "parameters"),
    tell(["origin"], "origin"),
    reshape("level_2/mean", 39),
    reshape("level_2/variances", 3),
    reshape("level_2/axes", (40,)),
    reshape("held_out_scores", 0),
]
LOCAL = [
    put("level_4/whitening", math.nan, (0, 0)),
    put("level_4/whitening", 0.0),
    put("level_4/variances", -1.0, (0, 0)),
    put("level_4/floor", 0.0, 1),
    tell([2, 3], "levels", "level_4", "shape"),
    tell([2, "2"], "levels", "level_4", "shape"),
    tell(-0.5, "levels", "level_4", "weight"),
    reshape("level_4/floor", 3),
]


@pytest.mark.parametrize(
    ("name", "change"), [("few images", x) for x in FEW] + [("local", x) for x in LOCAL]
)
def test_what_no_detector_can_be_is_refused_in_one_line(name, change, tmp_path):
    path = tmp_path / "detector.npz"
    DETECTORS[name]().save(path)
    rewritten(path, lambda record, arrays: None)
    load_detector(path)
    rewritten(path, change)
    with pytest.raises(UserError, match="detector.npz: not a detector file") as raised:
        load_detector(path)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("record", ["null", "[]", '"text"', "7", "{}", "[" * 100_000, "{", ""])
def test_records_that_are_none(tmp_path, record):
    path = tmp_path / "detector.npz"
    np.savez(path, record=record)
    with pytest.raises(UserError, match="not a detector file") as raised:
        load_detector(path)
    assert "\n" not in str(raised.value)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_does_not_hang(tmp_path):
    os.mkfifo(tmp_path / "detector.npz")
    with pytest.raises(UserError, match="no regular file"):
        load_detector(tmp_path / "detector.npz")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *((field, math.nan) for field in ("mean", "axes", "variances", "floor")),
        ("floor", -1.0),
        ("variances", -1.0),
    ],
)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_detector_that_is_damaged_in_memory_calls_nothing_normal(field, value):
    detector = DETECTORS["few images"]()
    images = ad.FeatureSet.from_arrays(FAR)
    assert detector.predict(images).tolist() == [-1, -1]
    gaussian = detector.gaussians_["level_2"]
    old = getattr(gaussian, field)
    object.__setattr__(gaussian, field, value * np.ones_like(old) if field != "floor" else value)
    assert detector.predict(images).tolist() == [-1, -1]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_threshold_that_is_no_number_is_none():
    detector = DETECTORS["few images"]()
    detector.held_out_scores_[0] = math.nan
    detector._threshold = None
    with pytest.raises(UserError, match="no finite number"):
        detector.predict(POOLED)


LEVELS = [None, ["level_4"], ("level_4", "level_5"), np.array(["level_5", "level_4"])]
NUMPY = {"n_folds": np.int64(4), "quantile": np.float32(0.9), "threshold": np.str_("held-out")}
OF_KIND = {
    ad.MahalanobisDetector: {"covariance": np.str_("empirical"), "ridge": np.float32(0.1)},
    ad.LocalDetector: {"rank": np.int32(1), "tied_weight": np.float32(0.5)},
    ad.JointDetector: {"rank": np.uint8(1), "tied_weight": np.float16(0.5)},
}
TWO = ad.FeatureMaps.from_arrays(
    {"level_4": RNG.normal(size=(30, 2, 2, 3)), "level_5": RNG.normal(size=(30, 2, 2, 4))}
)


def images_for(kind):
    return TWO.features if kind is ad.MahalanobisDetector else TWO


@pytest.mark.parametrize("levels", LEVELS, ids=lambda levels: type(levels).__name__)
@pytest.mark.parametrize("kind", OF_KIND)
def test_parameters_of_any_type_are_saved_and_merged(kind, levels, tmp_path):
    """As scikit-learn's searches give them, from arrays."""
    images, path = images_for(kind), tmp_path / "detector.npz"
    fitted = kind(levels, **NUMPY, **OF_KIND[kind]).fit(images)
    fitted.save(path)
    loaded = kind.load(path)
    assert repr(loaded).startswith(kind.__name__) and loaded.words == fitted.words
    np.testing.assert_allclose(loaded.anomaly_score(images), fitted.anomaly_score(images))
    assert loaded.threshold_ == pytest.approx(fitted.threshold_)
    plain = None if levels is None else list(map(str, levels))
    for one, other in [(levels, plain), (plain, levels), (levels, levels)]:
        parts = [kind(x).partial_fit(images) for x in (one, other)]
        parts[1].save(path)
        parts[0].merge(kind.load(path))
        assert parts[0].n_train_ == 60


@pytest.mark.parametrize("kind", OF_KIND)
def test_detectors_of_other_parameters_are_not_merged(kind):
    one = kind(["level_4"]).partial_fit(images_for(kind))
    for other in (kind(np.array(["level_5"])), kind(("level_4", "level_5"))):
        with pytest.raises(UserError, match="the detectors differ in: levels"):
            one.merge(other.partial_fit(images_for(kind)))


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_what_a_grid_search_chooses_can_be_saved(tmp_path):
    grid = {"n_folds": np.arange(3, 5), "ridge": np.logspace(-3, -1, 3)}
    search = GridSearchCV(
        ad.MahalanobisDetector(covariance="empirical"),
        grid,
        scoring=lambda detector, X, y=None: -detector.anomaly_score(X).mean(),
        cv=3,
    ).fit(RNG.normal(size=(30, 4)))
    search.best_estimator_.save(tmp_path / "detector.npz")
    assert load_detector(tmp_path / "detector.npz").get_params()["ridge"] in grid["ridge"]


@pytest.mark.parametrize("n_folds", [1, True, 2.5, "5", None, np.float64(5)])
@pytest.mark.parametrize("kind", OF_KIND)
def test_folds_are_a_whole_number(kind, n_folds):
    with pytest.raises(UserError, match="n_folds must be a whole number from 2 on, not"):
        kind(n_folds=n_folds).fit(images_for(kind))
