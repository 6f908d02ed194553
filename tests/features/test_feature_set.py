import subprocess
import sys

import numpy as np
import pytest
from origins import origin

from adhelpers.features import FeatureSet, Origin, differing_fields, feature_set
from adhelpers.ground import UserError


@pytest.fixture
def features() -> FeatureSet:
    rng = np.random.default_rng(0)
    return FeatureSet(
        {"level_1": rng.random((5, 4), np.float32), "level_2": rng.random((5, 7), np.float32)},
        np.array([0, 0, 1, 1, 0]),
        ["good", "good", "scratch", "Kratzer ü", "good"],
        [f"{i}.png" for i in range(5)],
        [f"{i:032x}" for i in range(5)],
        origin(weights="none"),
    )


def assert_same(one: FeatureSet, other: FeatureSet) -> None:
    assert list(one.levels) == list(other.levels)
    assert all(np.array_equal(one.levels[k], other.levels[k]) for k in one.levels)
    assert one.levels["level_1"].dtype == np.float32
    assert np.array_equal(one.labels, other.labels)
    for name in ("defect_types", "paths", "digests", "origin"):
        assert getattr(one, name) == getattr(other, name)


def test_saving_and_loading(features, tmp_path):
    features.save(tmp_path / "f.npz")
    assert_same(FeatureSet.load(tmp_path / "f.npz"), features)


def test_features_of_plain_arrays_have_no_origin(tmp_path):
    plain = FeatureSet.from_arrays({"a": np.ones((3, 2))})
    plain.save(tmp_path / "f.npz")
    assert FeatureSet.load(tmp_path / "f.npz").origin is None


def test_a_file_of_another_version_is_refused(features, tmp_path, monkeypatch):
    monkeypatch.setattr(feature_set, "VERSION", 1)
    features.save(tmp_path / "f.npz")
    monkeypatch.undo()
    with pytest.raises(UserError, match="has version 1, expected 2"):
        FeatureSet.load(tmp_path / "f.npz")


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.95])
def test_a_file_cut_off_is_refused(features, tmp_path, share):
    path = tmp_path / "f.npz"
    features.save(path)
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(UserError, match="not a features file"):
        FeatureSet.load(path)


def test_the_pkl_needs_nothing_but_numpy(features, tmp_path):
    features.save(tmp_path / "f.pkl")
    program = (
        "import pickle, sys\n"
        "sys.modules['adhelpers'] = None\n"
        f"record = pickle.load(open({str(tmp_path / 'f.pkl')!r}, 'rb'))\n"
        "print(sorted(record), record['levels']['level_2'].shape, type(record['paths'][0]))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert "(5, 7) <class 'str'>" in done.stdout, done.stderr
    with pytest.raises(UserError, match=r"choose one of: \.npz"):
        FeatureSet.load(tmp_path / "f.pkl")


@pytest.mark.parametrize("name", ["f.txt", "missing.npz"])
def test_other_files_are_refused(tmp_path, name):
    with pytest.raises(UserError, match=name):
        FeatureSet.load(tmp_path / name)


def test_rows_and_levels(features):
    part = features.rows(features.labels == 1)
    assert part.paths == ["2.png", "3.png"]
    assert np.array_equal(part.levels["level_2"], features.levels["level_2"][2:4])
    assert list(features.with_levels(["level_2"]).levels) == ["level_2"]
    with pytest.raises(UserError, match="unknown level 'level_9'; choose one of: level_1, level_2"):
        features.with_levels(["level_9"])


def test_fields_of_origin_that_differ_are_named():
    one = origin(engine="keras")
    assert differing_fields(one, one) == []
    assert differing_fields(one, origin(engine="keras", precision="int8")) == [
        "precision ('float32', 'int8')"
    ]
    assert differing_fields(one, origin(engine="tflite"), but=["engine"]) == []
    assert len(differing_fields(one, None)) == 6  # `calibration` is None in both


@pytest.mark.parametrize(
    "change",
    [
        {"precision": None},
        {"input_size": "64"},
        {"input_size": True},
        {"more": 1},
        {"protocol": []},
    ],
)
def test_an_origin_of_another_form_is_refused(change):
    record = origin(weights="none").record
    assert Origin.from_record(record) == origin(weights="none")
    with pytest.raises(UserError, match="origin"):
        Origin.from_record(record | change)
    with pytest.raises(UserError, match="origin"):
        Origin.from_record([record])


def test_files_are_called_after_all_that_features_come_from():
    one = origin(weights="built-in (SHA-256 1a2b3c)", calibration="4d5e6f", precision="int8")
    assert one.slug == "efficientnet-b0_built-in-SHA-256-1a2b3c_square64_tflite_int8_4d5e6f"
    fields = {
        "weights": "none",
        "protocol": "crop",
        "engine": "keras",
        "precision": "int8",
        "input_size": 96,
    }
    slugs = {origin(**{name: value}).slug for name, value in fields.items()}
    assert len(slugs | {origin(backbone="efficientnet-b4").slug}) == len(fields) + 1
