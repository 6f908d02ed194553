"""Many images scored by a detector in one file; edge.py, image by image, is the oracle."""

import json
import math
import os
import pickle
import shutil
import struct
import sys
from pathlib import Path

import numpy as np
import pytest
from damage import damaged, with_record, without_record
from origins import origin
from pictures import draw_image, write_image

import adhelpers as ad
from adhelpers import backbones, edge, images
from adhelpers.export import Row, Scorer, build, check_table, score_files, write_table
from adhelpers.ground import UserError

SIZE = 64


def detector_of(network: bytes, protocol: str = "square", **parameters) -> bytes:
    """Return a detector that was fitted on drawn images."""
    train = np.stack([images.to_square(draw_image(i), SIZE, protocol) for i in range(20)])
    pooled = backbones.LiteRTRunner(network).pooled(train)
    features = ad.FeatureSet.from_arrays(pooled, origin=origin(protocol=protocol))
    return build(network, ad.MahalanobisDetector(**parameters).fit(features))


@pytest.fixture(scope="module")
def model(small_b0_model) -> bytes:
    return detector_of(small_b0_model)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> list[Path]:
    """Images of several sizes and formats, some of them anomalous."""
    folder = tmp_path_factory.mktemp("pictures")
    return [
        write_image(
            folder / f"{i:02d}{('.png', '.jpg', '.bmp')[i % 3]}",
            draw_image(100 + i, anomalous=i % 4 == 0, size=40 + 13 * (i % 5))[: 40 + i],
        )
        for i in range(24)
    ]


def by_edge(model: bytes, paths, threads: int = 1) -> list[tuple]:
    detector = edge.Detector(model, threads)
    return [detector.score(edge.decode(path.read_bytes())) for path in paths]


def scores(rows) -> list[tuple]:
    return [(row.score, row.distances) for row in rows]


def test_scores_and_distances_are_those_of_edge_to_the_bit(small_b0_model, pictures):
    for protocol in ("square", "crop"):
        model = detector_of(small_b0_model, protocol)
        for threads in (1, 3):
            rows = list(score_files(model, pictures, threads))
            assert scores(rows) == by_edge(model, pictures)
            assert [row.path for row in rows] == list(map(str, pictures))
        assert scores(rows) == by_edge(model, pictures, threads=4)
    assert list(rows[0].distances) == [f"level_{i}" for i in range(1, 10)]


def test_a_path_in_place_of_the_content(model, pictures, tmp_path):
    path = tmp_path / "detector.tflite"
    path.write_bytes(model)
    assert list(score_files(path, pictures[:3])) == list(score_files(model, pictures[:3]))
    assert list(score_files(str(path), map(str, pictures[:3]))) == list(
        score_files(model, pictures[:3])
    )


def test_decisions(model, pictures):
    rows = list(score_files(model, pictures))
    threshold = edge.read_record(model)["threshold"]
    assert {row.threshold for row in rows} == {threshold}
    assert {row.decision for row in rows} == {"normal", "ANOMALY"}
    highest = max(row.score for row in rows)
    rows = list(score_files(model, pictures, threshold=highest))
    assert {row.decision for row in rows} == {"normal"}  # up to the threshold, and at it
    below = math.nextafter(highest, -math.inf)
    rows = list(score_files(model, pictures, threshold=below))
    assert [row.decision for row in rows].count("ANOMALY") == 1


def test_without_a_threshold_nothing_is_decided(small_b0_model, pictures):
    model = detector_of(small_b0_model, threshold=None)
    (row,) = score_files(model, pictures[:1])
    assert (row.threshold, row.decision) == (None, None)
    assert row.score is not None


def test_rows_can_be_sent_to_other_processes(model, pictures):
    rows = list(score_files(model, pictures[:2]))
    assert pickle.loads(pickle.dumps(rows)) == rows


def test_what_cannot_be_read_does_not_stop_the_others(model, pictures, tmp_path):
    whole = pictures[0].read_bytes()
    bad = {
        "empty.png": b"",
        "text.png": b"no image",
        "cut.png": whole[: len(whole) // 2],
        "header.png": whole[:16] + struct.pack(">II", 2**30, 2**30) + whole[24:],
    }
    for name, content in bad.items():
        (tmp_path / name).write_bytes(content)
    paths = [*map(tmp_path.joinpath, bad), tmp_path / "gone.png", tmp_path, "a\0b", pictures[1]]
    *failed, good = score_files(model, paths, threads=2)
    assert (good.score, good.distances) == by_edge(model, [pictures[1]])[0]
    for row in failed:
        assert (row.score, row.decision, row.distances) == (None, None, {})
        assert row.error
        assert "\n" not in row.error
        assert str(tmp_path) not in row.error  # it has a column of its own
    assert failed[4].error == "No such file or directory"


def test_a_score_that_is_no_number_is_never_normal(model, pictures, monkeypatch):
    detector = edge.Detector(model)
    for wrong in (math.nan, math.inf, -math.inf):
        detector._invoke = lambda x=wrong, **_: {detector._output: np.array([x])}
        monkeypatch.setattr(edge, "Detector", lambda *_, **__: detector)
        (row,) = score_files(model, pictures[:1])
        assert (row.score, row.decision, row.distances) == (None, None, {})
        assert row.error == f"the score is {wrong}, not a finite number; is the detector damaged?"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_pipes_do_not_hang(model, pictures, tmp_path):
    os.mkfifo(tmp_path / "a.png")
    failed, good = score_files(model, [tmp_path / "a.png", pictures[1]])
    assert (failed.error, failed.score) == ("not a regular file", None)
    assert good.score is not None
    with pytest.raises(UserError, match="not a regular file"):
        Scorer(tmp_path / "a.png")


def test_at_most_one_detector_for_each_thread(model, pictures, monkeypatch):
    started = []
    real = edge.Detector.__init__
    monkeypatch.setattr(
        edge.Detector, "__init__", lambda self, *a, **b: started.append(b) or real(self, *a, **b)
    )
    list(score_files(model, pictures * 3, threads=3))
    assert 1 <= len(started) <= 3
    assert all(arguments == {"threads": 1} for arguments in started)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (lambda model: b"", "not a detector"),
        (lambda model: b"no model at all", "not a detector"),
        (lambda model: model[: len(model) // 2], "not a detector"),
        (lambda model: without_record(model), "tells nothing about itself"),
        (lambda model: next(damaged(model, 1)), "its checksum is another one"),
        (lambda model: model[:-48], "its checksum is missing"),
        (lambda model: with_record(model, {"threshold": math.nan}), "threshold must be a finite"),
        (lambda model: with_record(model, [1]), "not an object of JSON"),
        (lambda model: None, "No such file"),
    ],
    ids=[
        *("empty", "text", "half", "no record", "damaged", "end lost", "threshold", "list"),
        "not there",
    ],
)
def test_files_that_are_no_detector(model, tmp_path, content, words):
    path, data = tmp_path / "bad.tflite", content(model)
    if data is not None:
        path.write_bytes(data)
        with pytest.raises(UserError, match=f"^the detector: .*{words}"):
            Scorer(data)
    with pytest.raises(UserError, match=f"bad.tflite: .*{words}") as raised:
        Scorer(path)
    assert "\n" not in str(raised.value)


def test_a_network_without_a_detector(small_b0_model):
    with pytest.raises(UserError, match="not a detector"):
        Scorer(small_b0_model)


@pytest.mark.parametrize(
    "wrong", [{"threads": 0}, {"threshold": math.nan}, {"threshold": math.inf}]
)
def test_numbers_that_make_no_sense(model, wrong):
    with pytest.raises(UserError):
        Scorer(model, **wrong)


# -- going on after a stop


@pytest.fixture
def counted(monkeypatch) -> list:
    """A list that grows by each image that is decoded."""
    seen, real = [], edge.decode

    def decode(data, name="image", *more):
        seen.append(name)
        return real(data, name, *more)

    monkeypatch.setattr(edge, "decode", decode)
    return seen


def stopped(model, paths, checkpoint, after: int, **more) -> None:
    """Score, and be stopped after some rows."""
    rows = score_files(model, paths, 1, checkpoint=checkpoint, **more)
    for _ in range(after):
        next(rows)
    rows.close()


def test_a_run_goes_on_where_it_was_stopped(model, pictures, tmp_path, counted):
    partial = tmp_path / "rows.partial"
    stopped(model, pictures, partial, after=10)
    counted.clear()
    rows = list(score_files(model, pictures, 2, checkpoint=partial))
    assert sorted(counted) == list(map(str, pictures[10:]))
    assert scores(rows) == by_edge(model, pictures)
    counted.clear()
    assert list(score_files(model, pictures, checkpoint=partial)) == rows
    assert counted == []


def test_rows_are_used_for_the_same_image_alone(model, pictures, tmp_path, counted):
    paths = [Path(shutil.copy2(path, tmp_path)) for path in pictures[:6]]
    partial = tmp_path / "rows.partial"
    stopped(model, paths, partial, after=6)
    os.utime(paths[0], ns=(0, 12345))  # changed at another time
    shutil.copy(pictures[9], paths[3])
    status = paths[3].stat()
    os.utime(paths[3], ns=(status.st_atime_ns, pictures[3].stat().st_mtime_ns))  # another size
    paths[4].unlink()
    counted.clear()
    rows = list(score_files(model, paths, 1, checkpoint=partial))
    assert counted == [str(paths[0]), str(paths[3])]
    assert rows[4].error == "No such file or directory"
    there = [*paths[:4], paths[5]]
    assert scores(rows[:4] + rows[5:]) == by_edge(model, there)


def test_rows_are_used_for_the_same_detector_and_threshold_alone(
    small_b0_model, model, pictures, tmp_path, counted
):
    paths, partial = pictures[:4], tmp_path / "rows.partial"
    other = detector_of(small_b0_model, levels=["level_9"])
    for more in ({"detector": model}, {"detector": other}, {"detector": model, "threshold": 5.0}):
        counted.clear()
        rows = list(score_files(paths=paths, checkpoint=partial, **more))
        assert len(counted) == len(paths)
        assert scores(rows) == by_edge(more["detector"], paths)
    counted.clear()
    list(score_files(model, paths, checkpoint=partial))
    assert counted == []  # the first one's rows are still there


def test_errors_are_looked_into_again(model, pictures, tmp_path):
    path, partial = tmp_path / "a.png", tmp_path / "rows.partial"
    path.write_bytes(b"")
    (row,) = score_files(model, [path], checkpoint=partial)
    assert row.error
    write_image(path, draw_image(0))
    (row,) = score_files(model, [path], checkpoint=partial)
    assert row.error is None


def test_a_line_that_is_cut_off_or_spoiled_is_not_taken(model, pictures, tmp_path, counted):
    paths, partial = pictures[:5], tmp_path / "rows.partial"
    stopped(model, paths, partial, after=4)
    whole = partial.read_bytes()
    expected = by_edge(model, paths)
    for cut in range(1, 700, 43):  # into the last line and the one before
        partial.write_bytes(whole[:-cut])
        assert scores(score_files(model, paths, 1, checkpoint=partial)) == expected
        counted.clear()
        assert scores(score_files(model, paths, 1, checkpoint=partial)) == expected
        assert counted == []  # what followed the line that was cut off is whole
    spoiled = whole.replace(b"level_9", b"level_8", 1)
    partial.write_bytes(b"\xff\xfe\0 no line\n\n{}" + spoiled)
    assert scores(score_files(model, paths, 1, checkpoint=partial)) == expected
    assert len(counted) == 2


def test_names_of_any_bytes(model, tmp_path):
    odd = os.fsdecode(b"caf\xe9 \xc3\xbc,\n\"'.png")
    try:
        path = write_image(tmp_path / odd, draw_image(0))
    except (OSError, UnicodeError):
        pytest.skip("this file system takes text alone")
    partial = tmp_path / "rows.partial"
    (row,) = score_files(model, [path], checkpoint=partial)
    assert list(score_files(model, [path], checkpoint=partial)) == [row]
    write_table(tmp_path / "scores.csv", ["level_1"], [row])
    assert "\\udce9 ü" in (tmp_path / "scores.csv").read_text("utf-8")


def test_a_checkpoint_that_is_a_folder(model, pictures, tmp_path):
    with pytest.raises(UserError, match="cannot be written"):
        list(score_files(model, pictures[:1], checkpoint=tmp_path))


def test_a_checkpoint_for_which_there_is_no_room(model, pictures, tmp_path):
    resource = pytest.importorskip("resource")
    partial = tmp_path / "rows.partial"
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(UserError, match=r"rows.partial: cannot be written \(File too large\)"):
            list(score_files(model, pictures, checkpoint=partial))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert scores(score_files(model, pictures, checkpoint=partial)) == by_edge(model, pictures)


# -- tables

ROWS = [
    Row("a, b.png", 1.25, 2.0, {"level_1": 0.5, "level_2": 0.1 + 0.2}),
    Row("c.png", None, 2.0, error="No such file or directory"),
    Row("d.png", 3.5, None, {"level_1": 1e-30, "level_2": 3.5}),
]


def test_csv(tmp_path):
    path = tmp_path / "scores.csv"
    write_table(path, ["level_1", "level_2"], ROWS)
    assert path.read_text().splitlines() == [
        "path,score,threshold,decision,level_1,level_2,error",
        '"a, b.png",1.25,2.0,normal,0.5,0.30000000000000004,',
        "c.png,,2.0,,,,No such file or directory",
        "d.png,3.5,,,1e-30,3.5,",
    ]


def test_parquet_holds_what_csv_does(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    pandas = pytest.importorskip("pandas")
    levels = ["level_1", "level_2"]
    for rows in (ROWS, ROWS[1:2]):  # the latter: columns without any number
        for suffix in (".csv", ".parquet"):
            write_table(tmp_path / f"scores{suffix}", levels, rows)
        table = parquet.read_table(tmp_path / "scores.parquet")
        assert {str(kind) for kind in table.schema.types} == {"string", "double"}
        expected = pandas.read_csv(tmp_path / "scores.csv")
        found = table.to_pandas()
        assert json.loads(found.to_json()) == json.loads(expected.to_json())
        np.testing.assert_array_equal(
            found[["score", *levels]].to_numpy(float), expected[["score", *levels]].to_numpy(float)
        )


@pytest.mark.parametrize("name", ["scores", "scores.txt", "folder.csv", "a.txt/scores.csv"])
def test_tables_that_cannot_be_written(tmp_path, name):
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "a.txt").touch()
    with pytest.raises(UserError):
        check_table(tmp_path / name)
    assert sorted(os.listdir(tmp_path)) == ["a.txt", "folder.csv"]


def test_a_package_that_is_missing_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(UserError, match=r"needs the package pyarrow"):
        check_table(tmp_path / "scores.parquet")
