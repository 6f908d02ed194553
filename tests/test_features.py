import pickle
import subprocess
import sys

import numpy as np
import pytest

from adhelpers.errors import UserError
from adhelpers.features import FeatureSet, differing_fields


@pytest.fixture
def features() -> FeatureSet:
    rng = np.random.default_rng(0)
    return FeatureSet(
        {"level_1": rng.random((5, 4), np.float32), "level_2": rng.random((5, 7), np.float32)},
        np.array([0, 0, 1, 1, 0]),
        ["good", "good", "scratch", "Kratzer ü", "good"],
        [f"{i}.png" for i in range(5)],
        [f"{i:032x}" for i in range(5)],
        {"backbone": "efficientnet-b0", "weights": "none"},
    )


def assert_same(one: FeatureSet, other: FeatureSet) -> None:
    assert list(one.levels) == list(other.levels)
    assert all(np.array_equal(one.levels[k], other.levels[k]) for k in one.levels)
    assert one.levels["level_1"].dtype == np.float32
    assert np.array_equal(one.labels, other.labels)
    for name in ("defect_types", "paths", "digests", "origin"):
        assert getattr(one, name) == getattr(other, name)


@pytest.mark.parametrize("suffix", [".npz", ".pkl"])
def test_saving_and_loading(features, tmp_path, suffix):
    features.save(tmp_path / f"f{suffix}")
    assert_same(FeatureSet.load(tmp_path / f"f{suffix}"), features)


@pytest.mark.parametrize("suffix", [".npz", ".pkl"])
@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.95])
def test_a_file_cut_off_is_refused(features, tmp_path, suffix, share):
    path = tmp_path / f"f{suffix}"
    features.save(path)
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(UserError, match="not a features file, or cut off"):
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


class Evil:
    def __reduce__(self):
        return print, ("harm done",)


@pytest.mark.parametrize("where", ["labels", "levels", "extra"])
def test_a_hostile_pkl_is_refused_before_it_acts(tmp_path, capsys, where):
    path = tmp_path / "f.pkl"
    path.write_bytes(pickle.dumps({where: Evil()}))
    with pytest.raises(UserError, match="refused, it would make a builtins.print"):
        FeatureSet.load(path)
    assert "harm" not in capsys.readouterr().out


def test_numpys_own_loaders_of_pickles_are_refused(tmp_path):
    path = tmp_path / "f.pkl"
    path.write_bytes(b"cnumpy\nload\n(S'x'\ntR.")
    with pytest.raises(UserError, match=r"numpy\.load"):
        FeatureSet.load(path)


def test_an_array_of_objects_is_refused(tmp_path):
    path = tmp_path / "f.pkl"
    path.write_bytes(pickle.dumps({"labels": np.array([Evil()], dtype=object)}))
    with pytest.raises(UserError, match="refused"):
        FeatureSet.load(path)


@pytest.mark.parametrize("name", ["f.txt", "missing.npz"])
def test_other_files_are_refused(tmp_path, name):
    with pytest.raises(UserError, match=name):
        FeatureSet.load(tmp_path / name)


def test_rows_and_levels(features):
    part = features.rows(features.labels == 1)
    assert part.paths == ["2.png", "3.png"]
    assert np.array_equal(part.levels["level_2"], features.levels["level_2"][2:4])
    assert list(features.with_levels(["level_2"]).levels) == ["level_2"]
    with pytest.raises(UserError, match="unknown level 'level_9'; there are: level_1, level_2"):
        features.with_levels(["level_9"])


def test_fields_of_origin_that_differ_are_named():
    one = {"backbone": "efficientnet-b0", "precision": "float32", "engine": "keras"}
    assert differing_fields(one, one) == []
    assert differing_fields(one, one | {"precision": "int8"}) == ["precision ('float32', 'int8')"]
