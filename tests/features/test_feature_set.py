import json
import subprocess
import sys
import zipfile
from dataclasses import fields, replace

import numpy as np
import pytest
from damage import damaged
from origins import origin

from adhelpers.datasets import Samples
from adhelpers.features import FeatureSet, Origin, differing_fields, feature_set, table
from adhelpers.ground import UserError
from adhelpers.images import Picture


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
    assert len(differing_fields(one, None)) == len(fields(Origin)) - 1  # `calibration` is None


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


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_features_that_are_no_numbers_are_not_written(features, tmp_path, bad):
    features.levels["level_2"][3, 1] = bad
    for name in ("f.npz", "f.pkl"):
        with pytest.raises(UserError, match=r"1 of 5 images have NaN .* first 3.png: not written"):
            features.save(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_nor_taken_from_a_file_that_holds_them(features, tmp_path):
    features.levels["level_1"][2, 0] = np.nan
    with (tmp_path / "f.npz").open("wb") as file:
        feature_set._write_npz(features, file)
    rows = table.known_rows(tmp_path / "f.npz", features.origin, features.widths)
    assert list(rows) == [features.digests[i] for i in (0, 1, 3, 4)]


def test_an_image_whose_features_are_no_numbers_is_named():
    samples = Samples(["a.png", "b.png"], ["good"] * 2, [None] * 2, "train")
    rows = table.Table(samples, {"level_1": 2}, origin())
    rows.put(Picture(0, "0", None), {"level_1": np.ones(2)})
    with pytest.raises(UserError, match="b.png: level_1 has NaN or infinite features"):
        rows.put(Picture(1, "1", None), {"level_1": np.array([1, np.nan])})
    assert rows.done().paths == ["a.png"]


@pytest.mark.parametrize(
    "change",
    [
        {"labels": np.zeros(4, int)},
        {"levels": {"level_1": np.zeros((5, 4))}},
        {"levels": {"level_1": np.zeros((4, 4), np.float32)}},
        {"levels": {"level_1": np.zeros(5, np.float32)}},
        {"paths": ["a"]},
        {"digests": [1] * 5},
        {"defect_types": ["good"]},
    ],
)
def test_a_file_whose_parts_do_not_go_together_is_refused(features, tmp_path, change):
    with (tmp_path / "f.npz").open("wb") as file:
        feature_set._write_npz(replace(features, **change), file)
    with pytest.raises(UserError, match="f.npz"):
        FeatureSet.load(tmp_path / "f.npz")


def members(path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write_members(path, content: dict[str, bytes], method=zipfile.ZIP_STORED) -> None:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in content.items():
            archive.writestr(name, data)


def packed_in_an_unknown_way(data: bytes) -> bytes:
    """Say of each member that it is packed by method 99, in the local header and the directory."""
    for mark, place in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        parts = data.split(mark)
        data = mark.join(
            [parts[0], *(x[: place - 4] + b"\x63\x00" + x[place - 2 :] for x in parts[1:])]
        )
    return data


def encrypted(data: bytes) -> bytes:
    """Say of each member that it needs a password."""
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        parts = data.split(mark)
        data = mark.join(
            [parts[0], *(x[: place - 4] + b"\x01\x00" + x[place - 2 :] for x in parts[1:])]
        )
    return data


def array_header(shape: str, dtype: str = "<f4") -> bytes:
    text = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode()


@pytest.mark.parametrize("change", [packed_in_an_unknown_way, encrypted])
def test_an_archive_of_another_kind_is_refused(features, tmp_path, change):
    path = tmp_path / "f.npz"
    features.save(path)
    path.write_bytes(change(path.read_bytes()))
    assert_refused(path, features)


@pytest.mark.parametrize(
    "header",
    [
        array_header("(1000000000000, 2000)"),  # 7 PiB
        array_header("(10000000000, 2000)"),
        array_header("(-1, 4)"),
        array_header("(5, 4)", "|O"),
        array_header("(" * 1000),
        b"\x93NUMPY\x09\x00",
        b"",
    ],
)
def test_an_array_that_claims_what_it_is_not_is_refused(features, tmp_path, header):
    path = tmp_path / "f.npz"
    features.save(path)
    content = members(path)
    write_members(path, {**content, "level/level_1.npy": header + bytes(80)})
    assert_refused(path, features)
    write_members(path, content, zipfile.ZIP_BZIP2)  # a way that is known
    assert_same(FeatureSet.load(path), features)


@pytest.mark.parametrize(
    "record",
    ["[" * 100_000, '{"a":' * 50_000, "null", "[]", "7", '"text"', "{}", "{", ""],
    ids=lambda text: text[:5],
)
def test_a_record_that_is_none_is_refused(features, tmp_path, record):
    with (tmp_path / "f.npz").open("wb") as file:
        np.savez(file, record=record, labels=features.labels)
    assert_refused(tmp_path / "f.npz", features)


@pytest.mark.parametrize(
    "change",
    [
        {"origin": ["efficientnet-b0"]},
        {"origin": "text"},
        {"origin": {}},
        {"levels": []},
        {"levels": "level_1"},
        {"levels": ["level_1", "level_9"]},
        {"levels": [["level_1"]]},
        {"levels": None},
        {"paths": None},
        {"paths": "01234"},
        {"more": 1},
        {"version": True},
        {"version": [2]},
    ],
    ids=str,
)
def test_a_record_of_another_form_is_refused(features, tmp_path, change):
    path = tmp_path / "f.npz"
    features.save(path)
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    record = json.loads(str(arrays.pop("record"))) | change
    np.savez(path, record=json.dumps(record), **arrays)
    assert_refused(path, features)


@pytest.mark.parametrize("labels", [[0, 0, 1, 1, 2], [0, 0, -1, 1, 1], [0.5] * 5, ["0"] * 5])
def test_labels_are_0_and_1(features, tmp_path, labels):
    with pytest.raises(UserError, match=r"labels must be 0 \(normal\) and 1 \(anomalous\)"):
        replace(features, labels=np.array(labels))
    with pytest.raises(UserError, match=r"labels must be 0 \(normal\) and 1 \(anomalous\)"):
        FeatureSet.from_arrays(features.levels, labels)
    features.save(tmp_path / "f.npz")
    with np.load(tmp_path / "f.npz") as file:
        arrays = {name: file[name] for name in file.files}
    np.savez(tmp_path / "f.npz", **{**arrays, "labels": np.array(labels)})
    assert_refused(tmp_path / "f.npz", features)


def test_of_200_files_with_a_damaged_byte_none_gives_other_features(features, tmp_path):
    path = tmp_path / "f.npz"
    features.save(path)
    for bad in damaged(path.read_bytes(), 200):
        path.write_bytes(bad)
        try:
            found = FeatureSet.load(path)
        except UserError as error:
            assert "f.npz" in str(error) and "\n" not in str(error)
        else:
            assert_same(found, features)


def test_rows_of_other_widths_are_extracted_again(features, tmp_path, capsys):
    features.save(tmp_path / "f.npz")
    wider = {**features.widths, "level_2": 8}
    assert table.known_rows(tmp_path / "f.npz", features.origin, wider) == {}
    captured = capsys.readouterr()
    assert "extracted again" in captured.out + captured.err


def assert_refused(path, features) -> None:
    """Make sure that a file is refused in one line, and that its images are extracted again."""
    with pytest.raises(UserError, match=f"{path}: not a features file") as raised:
        FeatureSet.load(path)
    assert "\n" not in str(raised.value) and len(str(raised.value)) < 500
    assert table.known_rows(path, features.origin, features.widths) == {}
