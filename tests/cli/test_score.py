"""Scoring on many images, as a user calls it; edge.py's own command is the oracle."""

import csv
import io
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from damage import damaged, without_record
from origins import origin
from pictures import draw_image, write_image, write_mixed_folder

import adhelpers as ad
from adhelpers import backbones, edge, export, images
from adhelpers.cli import main
from adhelpers.features import MAP_LEVELS, Batch

SIZE, COUNT = 64, 240


def detector_of(network: bytes, protocol: str = "square", **parameters) -> bytes:
    train = np.stack([images.to_square(draw_image(i), SIZE, protocol) for i in range(20)])
    pooled = backbones.LiteRTRunner(network).pooled(train)
    features = ad.FeatureSet.from_arrays(pooled, origin=origin(protocol=protocol))
    return export.build(network, ad.MahalanobisDetector(**parameters).fit(features))


@pytest.fixture(scope="module")
def model(small_b0_model, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("score") / "detector.tflite"
    path.write_bytes(detector_of(small_b0_model))
    return path


@pytest.fixture(scope="module")
def many(tmp_path_factory) -> Path:
    """A folder with enough images for a run to be stopped in the middle; two are unreadable."""
    folder = tmp_path_factory.mktemp("many")
    for i in range(COUNT):
        write_image(folder / f"{i % 3}" / f"{i:03d}.png", draw_image(100 + i, anomalous=i % 4 == 0))
    (folder / "0" / "120.png").write_bytes(b"")
    (folder / "1" / "121.png").write_bytes(b"no image")
    return folder


@pytest.fixture(scope="module")
def undisturbed(model, many) -> bytes:
    """The table of all of them, from one run without a stop."""
    path = model.with_name("undisturbed.csv")
    assert main(["score", str(model), str(many), "-o", str(path)]) == 2
    assert not partial_of(path).exists()
    return path.read_bytes()


@pytest.fixture
def pictures(tmp_path) -> Path:
    return write_mixed_folder(tmp_path / "pictures", ("b.png", "more/a.JPG"))


def partial_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.partial")


def score(capsys, *arguments) -> tuple[int, list[dict], str]:
    """Run the command here; return its code, its rows on stdout, and stderr."""
    capsys.readouterr()
    try:
        code = main(["score", *map(str, arguments)])
    except SystemExit as stop:
        code = stop.code
    out, err = capsys.readouterr()
    return code, list(csv.DictReader(io.StringIO(out))), err


def by_edge(capsys, *arguments) -> list[dict]:
    capsys.readouterr()
    edge.main([*map(str, arguments), "--format", "json"])
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


# -- rows


@pytest.mark.parametrize("protocol", ["square", "crop"])
def test_rows_are_those_of_edge(small_b0_model, many, tmp_path, capsys, protocol):
    model = tmp_path / "detector.tflite"
    model.write_bytes(detector_of(small_b0_model, protocol))
    expected = by_edge(capsys, model, many / "2")
    code, rows, err = score(capsys, model, many / "2")
    assert (code, err, len(rows)) == (0, "", COUNT // 3)
    for row, other in zip(rows, expected, strict=True):
        assert list(row) == ["path", "score", "threshold", "decision", *other["distances"], "error"]
        assert float(row["score"]) == other["score"]
        assert {name: float(row[name]) for name in other["distances"]} == other["distances"]
        assert [row[name] for name in ("path", "decision", "error")] == [
            other["path"],
            other["decision"],
            "",
        ]
        assert row["threshold"] == str(other["threshold"])


def test_a_file_holds_what_stdout_does(model, many, undisturbed, capsys):
    code, rows, err = score(capsys, model, many)
    assert code == 2
    assert err == "adhelpers: 2 of 240 images could not be scored; the column error says why\n"
    assert rows == list(csv.DictReader(io.StringIO(undisturbed.decode(), newline="")))
    failed = [row for row in rows if row["error"]]
    assert [Path(row["path"]).name for row in failed] == ["120.png", "121.png"]
    assert {(row["score"], row["decision"], row["level_9"]) for row in failed} == {("", "", "")}


def test_parquet_holds_what_csv_does(model, many, undisturbed, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "scores.parquet"
    assert main(["score", str(model), str(many), "-o", str(path)]) == 2
    table = parquet.read_table(path).to_pylist()
    rows = list(csv.DictReader(io.StringIO(undisturbed.decode(), newline="")))
    assert [{k: "" if v is None else str(v) for k, v in row.items()} for row in table] == rows


def test_folders_patterns_and_files_in_a_fixed_order(model, pictures, capsys):
    one, two = str(pictures / "b.png"), str(pictures / "more" / "a.JPG")
    code, rows, err = score(capsys, model, two, pictures, f"{pictures}/*.png")
    assert [row["path"] for row in rows] == [one, two]
    assert (code, err) == (0, "left out, as no images by their names: 1 .txt\n")


def test_paths_on_stdin_as_they_come(model, pictures, capsys, monkeypatch):
    paths = [str(pictures / "more" / "a.JPG"), str(pictures / "b.png"), "gone.png"]
    text = "\n\n".join([*paths, paths[0]]).encode()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text)))
    code, rows, err = score(capsys, model, "-")
    assert [row["path"] for row in rows] == [*paths, paths[0]]
    assert [row["error"] for row in rows] == ["", "", "No such file or directory", ""]
    assert code == 2
    assert "1 of 4 images" in err


def test_heat_maps(model, pictures, tmp_path, capsys):
    (pictures / "more/b.png").write_bytes((pictures / "b.png").read_bytes())
    (pictures / "bad.png").write_bytes(b"no image")
    maps = tmp_path / "maps"
    code, _, error = score(capsys, model, pictures, "--heat_maps", maps)
    assert code == 2 and "1 of 4 images" in error
    assert sorted(path.name for path in maps.iterdir()) == [
        "000001_b.png",
        "000003_a.png",
        "000004_b.png",
    ]
    for path in maps.iterdir():
        assert images.read(path).shape == (64, 64, 3)


def local_detector_of(network: bytes, kind: type) -> bytes:
    runner = backbones.LiteRTRunner(network, 1, MAP_LEVELS)
    pooled, maps = runner.run(np.stack([images.to_square(draw_image(i), SIZE) for i in range(20)]))
    features = ad.FeatureSet.from_arrays(pooled, origin=origin(protocol="square"))
    batch, labels = Batch(features, maps), np.zeros(20, int)
    fitted = kind().fit(
        ad.FeatureMaps(lambda: iter([batch]), runner.map_shapes, labels, features.origin)
    )
    return export.build(network, fitted)


@pytest.mark.parametrize("kind", [ad.LocalDetector, ad.JointDetector])
def test_detectors_that_look_at_each_position(small_b0_model, pictures, tmp_path, capsys, kind):
    model, maps = tmp_path / "detector.tflite", tmp_path / "maps"
    model.write_bytes(local_detector_of(small_b0_model, kind))
    expected = by_edge(capsys, model, pictures, "--overlay", tmp_path / "drawn")
    code, rows, err = score(capsys, model, pictures, "--heat_maps", maps)
    assert (code, err) == (0, "left out, as no images by their names: 1 .txt\n")
    for row, other in zip(rows, expected, strict=True):
        assert list(row) == ["path", "score", "threshold", "decision", *other["distances"], "error"]
        assert {name: float(row[name]) for name in other["distances"]} == other["distances"]
        assert (float(row["score"]), row["decision"]) == (other["score"], other["decision"])
    pairs = {"000001_b.png": "b.png", "000002_a.png": "a.png"}
    assert sorted(path.name for path in maps.iterdir()) == list(pairs)
    for name, other in pairs.items():  # the same pictures as edge.py draws
        assert np.array_equal(images.read(maps / name), images.read(tmp_path / "drawn" / other))


def test_threshold(model, pictures, capsys):
    for threshold, decision in (("1e9", "normal"), ("-1", "ANOMALY")):
        code, rows, _ = score(capsys, model, pictures, "--threshold", threshold)
        assert code == 0
        assert {row["decision"] for row in rows} == {decision}
        assert {float(row["threshold"]) for row in rows} == {float(threshold)}


def test_without_a_threshold(small_b0_model, pictures, tmp_path, capsys):
    path = tmp_path / "detector.tflite"
    path.write_bytes(detector_of(small_b0_model, threshold=None))
    code, rows, err = score(capsys, path, pictures)
    assert code == 0
    assert {(row["threshold"], row["decision"]) for row in rows} == {("", "")}
    assert "--threshold" in err


def test_the_summary(model, pictures, tmp_path, capsys):
    path = tmp_path / "new" / "scores.csv"
    assert main(["score", str(model), str(pictures), "-o", str(path)]) == 0
    assert capsys.readouterr().out == f"{path}: 1 ANOMALY, 1 normal\n"
    assert os.listdir(path.parent) == ["scores.csv"]


def test_names_of_any_letters(model, tmp_path, capsys):
    """Names of up to 255 bytes, of which a heat map's name has as many letters as it has room."""
    folder, maps = tmp_path / "odd", tmp_path / "maps"
    names = ["\U0001f642" * 62 + ".png", "螺" * 83 + ".png", "a" * 251 + ".png", "$x_$.png"]
    for name in names:
        write_image(folder / "image.png", draw_image(100)).rename(folder / name)
    code, rows, err = score(capsys, model, folder, "--heat_maps", maps)
    assert (code, err, len(rows)) == (0, "", len(names))
    assert len(list(maps.iterdir())) == len(names)


# -- what the user can put right


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["gone.tflite", "IMAGES"], "gone.tflite: No such file"),
        (["cut.tflite", "IMAGES"], "cut.tflite: not a detector"),
        (["notes.tflite", "IMAGES"], "notes.tflite: not a detector"),
        (["silent.tflite", "IMAGES"], "silent.tflite: tells nothing about itself"),
        (["network.tflite", "IMAGES"], "network.tflite: not a detector"),
        (["MODEL", "gone"], "gone: there is no such file or folder"),
        (["MODEL", "gone/*.png"], "there is no such file or folder"),
        (["MODEL", "a" * 300], "File name too long"),
        (["MODEL", "empty"], "no images in empty"),
        (["MODEL", "IMAGES", "-o", "scores.txt"], "choose one of: .csv, .parquet"),
        (["MODEL", "IMAGES", "-o", "folder.csv"], "folder.csv is a folder"),
        (["MODEL", "IMAGES", "-o", "notes.tflite/scores.csv"], "cannot be written"),
        (["MODEL", "IMAGES", "--threshold", "nan"], "'nan' is not a finite number"),
        (["MODEL", "IMAGES", "--threshold", "inf"], "'inf' is not a finite number"),
        (["damaged.tflite", "IMAGES"], "damaged.tflite: not a detector"),
        (["MODEL", "IMAGES", "--threads", "0"], "from 1 to 256"),
        (["MODEL", "IMAGES", "--threads", "1000000"], "from 1 to 256"),
        (["MODEL", "IMAGES", "--threads", "1.5"], "1.5"),
        (["MODEL"], "IMAGES"),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, list) else None,
)
def test_errors_are_one_line(
    model, small_b0_model, pictures, tmp_path, monkeypatch, capsys, arguments, words
):
    monkeypatch.chdir(tmp_path)
    Path("empty").mkdir()
    Path("folder.csv").mkdir()
    content = model.read_bytes()
    Path("notes.tflite").write_text("no model")
    Path("cut.tflite").write_bytes(content[: len(content) // 2])
    Path("damaged.tflite").write_bytes(next(damaged(content, 1)))
    Path("network.tflite").write_bytes(small_b0_model)
    Path("silent.tflite").write_bytes(without_record(content))
    names = {"MODEL": model, "IMAGES": pictures / "b.png"}
    before = sorted(os.listdir())
    code, rows, err = score(capsys, *[names.get(word, word) for word in arguments])
    assert (code, rows, err.count("\n")) == (2, [], 1)
    assert words in err
    assert sorted(os.listdir()) == before


def test_nothing_on_stdin(model, capsys, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"\n")))
    code, _, err = score(capsys, model, "-")
    assert (code, err.count("\n")) == (2, 1)


def test_parquet_without_its_package(model, pictures, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    code, _, err = score(capsys, model, pictures, "-o", tmp_path / "scores.parquet")
    assert (code, err.count("\n")) == (2, 1)
    assert "pip install" in err


# -- in a process of its own

PROGRAM = """
import signal, sys
class Forbidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"tensorflow", "keras", "sklearn", "scipy", "matplotlib"}:
            raise ImportError(f"{name} is not needed")
sys.meta_path.insert(0, Forbidden())
signal.signal(signal.SIGINT, signal.default_int_handler)  # also where a shell ignores it
from adhelpers.cli import main
sys.exit(main())
"""


def start(*arguments) -> subprocess.Popen:
    command = [sys.executable, "-c", PROGRAM, "score", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_no_heavy_package_is_imported(model, pictures):
    with start(model, pictures / "b.png") as process:
        out, err = process.communicate()
    assert (process.returncode, err, out.count("\n")) == (0, "", 2)


def test_a_reader_that_has_had_enough(model, many):
    with start(model, many / "2") as process:
        process.stdout.close()
        assert (process.stderr.read(), process.wait()) == ("", 0)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_no_room_on_stdout(model, pictures):
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-c", PROGRAM, "score", model, pictures / "b.png"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
    assert (done.returncode, done.stderr) == (
        2,
        "adhelpers: stdout: cannot be written (No space left on device)\n",
    )


on_posix = pytest.mark.skipif(os.name != "posix", reason="signals are those of POSIX")


def visible(folder: Path) -> list[str]:
    return sorted(name for name in os.listdir(folder) if not name.startswith("."))


def lines_in(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


def stopped(process: subprocess.Popen, path: Path, lines: int, how: int) -> tuple[int, str]:
    """Send a signal once there are so many lines; return the code and stderr."""
    while process.poll() is None and lines_in(path) < lines:
        time.sleep(0.001)
    process.send_signal(how)
    return process.wait(), process.communicate()[1]


@on_posix
def test_killed_again_and_again_it_goes_on_to_the_same_file(model, many, undisturbed, tmp_path):
    path, chance, kept = tmp_path / "scores.csv", random.Random(0), [0]
    for _ in range(4):
        process = start(model, many, "-o", path, "--threads", chance.choice([1, 2, 3]))
        lines = kept[-1] + chance.randint(1, 40)
        code, _ = stopped(process, partial_of(path), lines, signal.SIGKILL)
        if code != -signal.SIGKILL:  # a busy machine: it was done before it was hit
            break
        kept.append(lines_in(partial_of(path)))
        assert kept[-1] > kept[-2]
    assert len(kept) > 1
    with partial_of(path).open("ab") as file:  # and it was in the middle of a line
        file.truncate(file.tell() - 40)
    with start(model, many, "-o", path) as process:
        assert process.wait() == 2
    assert path.read_bytes() == undisturbed
    assert visible(tmp_path) == ["scores.csv"]


@on_posix
def test_killed_at_any_time_it_goes_on_to_the_same_file(model, many, undisturbed, tmp_path):
    path, chance = tmp_path / "scores.csv", random.Random(1)
    for _ in range(4):
        with start(model, many, "-o", path, "--threads", 1) as process:
            time.sleep(chance.uniform(0.05, 1.2))
            process.kill()
    with start(model, many, "-o", path) as process:
        assert process.wait() == 2
    assert path.read_bytes() == undisturbed
    assert visible(tmp_path) == ["scores.csv"]


@on_posix
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_stopped_in_peace_it_goes_on_to_the_same_file(model, many, undisturbed, tmp_path, how):
    path = tmp_path / "scores.csv"
    code, err = stopped(start(model, many, "-o", path), partial_of(path), 20, how)
    assert (code, err.strip().count("\n")) == (128 + how, 0)
    assert "the same command goes on from here" in err
    assert os.listdir(tmp_path) == ["scores.csv.partial"]
    assert lines_in(partial_of(path)) >= 20
    with start(model, many, "-o", path) as process:
        assert process.wait() == 2
    assert path.read_bytes() == undisturbed


def test_two_runs_at_once_into_the_same_file(model, many, undisturbed, tmp_path):
    path = tmp_path / "scores.csv"
    for process in [start(model, many, "-o", path, "--threads", 1) for _ in range(2)]:
        out, err = process.communicate()
        assert (process.returncode, err.count("\n")) == (2, 1)
        assert out.startswith(f"{path}: ")
    assert path.read_bytes() == undisturbed
    assert visible(tmp_path) == ["scores.csv"]
