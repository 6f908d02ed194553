import csv
import io
import json
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import small_backbone
from origins import origin
from pictures import draw_image, write_image, write_mixed_folder

import adhelpers as ad
from adhelpers import backbones, edge, export, images
from adhelpers.detector import POOLED
from adhelpers.features import Batch
from adhelpers.ground import UserError

SIZE = 32


@pytest.fixture(scope="module")
def network() -> bytes:
    return backbones.convert(small_backbone(SIZE))


def build(network: bytes, protocol: str = "square") -> bytes:
    train = np.stack([images.to_square(draw_image(i), SIZE) for i in range(40)])
    pooled = backbones.LiteRTRunner(network).pooled(train)
    detector = ad.MahalanobisDetector().fit(
        ad.FeatureSet.from_arrays(pooled, origin=origin(protocol=protocol))
    )
    return export.build(network, detector, {"image_shape": (64, 64)})


@pytest.fixture(scope="module")
def model(network, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("edge") / "detector.tflite"
    path.write_bytes(build(network))
    return path


@pytest.fixture(scope="module")
def local(network, tmp_path_factory) -> Path:
    """A model that tells where."""
    path = tmp_path_factory.mktemp("edge") / "local.tflite"
    path.write_bytes(build_local(network))
    return path


def build_local(network: bytes, protocol: str = "square", kind: type = ad.LocalDetector) -> bytes:
    runner = backbones.LiteRTRunner(network, 1, ["level_1", "level_2"])
    pooled, maps = runner.run(np.stack([images.to_square(draw_image(i), SIZE) for i in range(40)]))
    features = ad.FeatureSet.from_arrays(pooled, origin=origin(protocol=protocol))
    batch, labels = Batch(features, maps), np.zeros(40, int)
    fitted = kind().fit(
        ad.FeatureMaps(lambda: iter([batch]), runner.map_shapes, labels, features.origin)
    )
    return export.build(network, fitted, {"image_shape": (64, 64)})


def spotted(height: int, width: int, y: int, x: int) -> np.ndarray:
    """Return a grey image with a bright square about a place."""
    image = np.full((height, width, 3), 128, np.uint8)
    image[y - 5 : y + 5, x - 5 : x + 5] = (255, 255, 0)
    return image


@pytest.fixture
def pictures(tmp_path) -> Path:
    return write_mixed_folder(tmp_path / "pictures")


def run(capsys, *arguments) -> tuple[int, list[str], str]:
    capsys.readouterr()
    code = edge.main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    return code, out.splitlines(), err


# -- the same images and the same answers as in the package


@settings(deadline=None, max_examples=60)
@given(
    height=st.integers(1, 400),
    width=st.integers(1, 400),
    size=st.sampled_from([32, 224]),
    protocol=st.sampled_from(["square", "crop"]),
)
def test_images_are_brought_to_size_as_in_the_package(height, width, size, protocol):
    image = np.random.default_rng(height).integers(0, 256, (height, width, 3), dtype=np.uint8)
    expected = images.to_square(image, size, protocol)
    assert np.array_equal(edge.to_square(image, size, protocol), expected)


@pytest.mark.parametrize(
    ("kind", "suffix"),
    [("colour", suffix) for suffix in (".png", ".jpg", ".bmp", ".tif", ".webp")]
    + [("grey", suffix) for suffix in (".png", ".jpg", ".tif")]
    + [("alpha", ".png"), ("alpha", ".webp"), ("16 bit", ".png"), ("16 bit", ".tif")],
)
def test_files_are_decoded_as_in_the_package(kind, suffix):
    image = draw_image(0)
    if kind == "grey":
        image = image[..., 0]
    elif kind == "alpha":
        image = np.dstack([image, image[..., :1]])
    elif kind == "16 bit":
        image = image.astype(np.uint16) * 257
    data = cv2.imencode(suffix, image)[1].tobytes()
    assert np.array_equal(edge.decode(data), images.decode(data))


def test_files_are_refused_as_in_the_package():
    whole = cv2.imencode(".png", draw_image(0))[1].tobytes()
    for data in (b"", b"no image", whole[:-4], whole[: len(whole) // 2]):
        with pytest.raises(UserError):
            images.decode(data)
        with pytest.raises(edge.EdgeError, match=r"a\.png"):
            edge.decode(data, "a.png")


@pytest.mark.parametrize("protocol", ["square", "crop"])
def test_images_of_any_size_get_the_score_of_their_resized_pixels(network, protocol):
    detector = edge.Detector(build(network, protocol))
    image = draw_image(0, size=100)[:, :80]
    assert detector.score(image) == detector.run(images.to_square(image, SIZE, protocol))


def test_a_model_without_a_record(network):
    assert edge.read_record(network) == {}


# -- the command


def test_text(model, pictures, capsys):
    code, lines, err = run(capsys, model, pictures)
    detector = edge.Detector(model)
    scores = [detector.score(draw_image(100))[0]]
    scores.append(detector.score(images.read(pictures / "more" / "b.JPG"))[0])
    assert lines == [
        f"{pictures / 'a.png'}  {scores[0]:.3f}  normal",
        f"{pictures / 'more' / 'b.JPG'}  {scores[1]:.3f}  ANOMALY",
    ]
    assert (code, err) == (0, "")


def test_csv(model, pictures, capsys):
    odd = write_image(pictures / "a, b.png", draw_image(100))
    _, lines, _ = run(capsys, model, odd, "--format", "csv")
    (row,) = csv.DictReader(io.StringIO("\n".join(lines)))
    detector = edge.Detector(model)
    assert row == {
        "path": str(odd),
        "score": str(detector.score(draw_image(100))[0]),
        "threshold": str(detector.threshold),
        "decision": "normal",
    }


def test_json(model, pictures, capsys):
    _, lines, _ = run(capsys, model, pictures, "--format", "json")
    rows = [json.loads(line) for line in lines]
    assert [row["decision"] for row in rows] == ["normal", "ANOMALY"]
    assert list(rows[0]["distances"]) == ["level_1", "level_2"]
    assert sum(rows[0]["distances"].values()) == pytest.approx(rows[0]["score"], rel=1e-6)


def test_threshold(model, pictures, capsys):
    _, lines, _ = run(capsys, model, pictures, "--threshold", "1e9", "--format", "json")
    assert [json.loads(line)["decision"] for line in lines] == ["normal", "normal"]
    _, lines, _ = run(capsys, model, pictures, "--threshold", "0", "--format", "json")
    assert [json.loads(line)["decision"] for line in lines] == ["ANOMALY", "ANOMALY"]


def test_paths_on_stdin(model, pictures, capsys, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{pictures / 'a.png'}\n\n"))
    code, lines, _ = run(capsys, model, "-")
    assert (code, len(lines)) == (0, 1)


def test_an_unreadable_image_does_not_stop_the_others(model, pictures, capsys):
    (pictures / "a.png").write_bytes(b"")
    code, lines, err = run(capsys, model, pictures, pictures / "gone.png")
    assert (code, len(lines)) == (2, 1)
    assert err.count("\n") == 2
    assert "a.png: not a readable image" in err
    assert "gone.png: No such file" in err


def test_another_aspect_is_told_once(model, pictures, capsys):
    for name in ("c.png", "d.png"):
        write_image(pictures / name, draw_image(0)[:40])
    code, lines, err = run(capsys, model, pictures)
    assert (code, len(lines)) == (0, 4)
    assert err.count("another aspect") == 1


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (lambda model: b"", "not a detector"),
        (lambda model: b"no model at all", "not a detector"),
        (lambda model: model[:-1], "not a detector"),
        (lambda model: model[: len(model) // 2], "not a detector"),
        (lambda model: None, "No such file"),
    ],
    ids=["empty", "text", "one byte missing", "half", "not there"],
)
def test_files_that_are_no_model(model, pictures, tmp_path, capsys, content, words):
    path = tmp_path / "bad.tflite"
    data = content(model.read_bytes())
    if data is not None:
        path.write_bytes(data)
    code, lines, err = run(capsys, path, pictures)
    assert (code, lines, err.count("\n")) == (2, [], 1)
    assert "bad.tflite" in err
    assert words in err


def test_a_network_without_a_detector_is_refused(network, pictures, tmp_path, capsys):
    (tmp_path / "network.tflite").write_bytes(network)
    code, _, err = run(capsys, tmp_path / "network.tflite", pictures)
    assert code == 2
    assert "[1, 32, 32, 3] into [1, 8]" in err


def test_a_model_that_tells_nothing_is_run_with_a_warning(model, pictures, tmp_path, capsys):
    silent = tmp_path / "silent.tflite"
    silent.write_bytes(model.read_bytes().replace(edge.RECORD_NAME, b"X" * len(edge.RECORD_NAME)))
    code, lines, err = run(capsys, silent, pictures / "a.png")
    assert code == 0
    assert "tells nothing about itself" in err
    assert "--threshold" in err
    score = edge.Detector(model).score(draw_image(100))[0]
    assert lines == [f"{pictures / 'a.png'}  {score:.3f}"]
    _, lines, err = run(capsys, silent, pictures / "a.png", "--threshold", "1e9")
    assert lines[0].endswith("  normal")
    assert "--threshold" not in err


def test_a_folder_without_images(model, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    code, _, err = run(capsys, model, tmp_path / "empty")
    assert (code, err.count("\n")) == (2, 1)
    assert "no images" in err


def test_wrong_options_are_one_line(model, capsys):
    with pytest.raises(SystemExit) as stopped:
        run(capsys, model, "a.png", "--threads", "many")
    assert stopped.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1


class Camera:
    """Gives three pictures (BGR), and then Ctrl-C."""

    def __init__(self, index: int):
        self.pictures = [draw_image(i)[..., ::-1] for i in range(3)] if index == 0 else []
        self.index = index

    def read(self):
        if self.index == 0 and not self.pictures:
            raise KeyboardInterrupt
        return (True, self.pictures.pop(0)) if self.pictures else (False, None)

    def release(self):
        Camera.released = True


def test_a_camera(model, capsys, monkeypatch):
    monkeypatch.setattr(cv2, "VideoCapture", Camera)
    monkeypatch.setattr(Camera, "released", False, raising=False)
    code, lines, _ = run(capsys, model, "0", "--frames", "2", "--format", "json")
    scores = [json.loads(line)["score"] for line in lines]
    assert (code, len(scores)) == (0, 2)
    assert scores[1] == edge.Detector(model).score(draw_image(1))[0]
    assert Camera.released


def test_a_camera_until_ctrl_c(model, capsys, monkeypatch):
    monkeypatch.setattr(cv2, "VideoCapture", Camera)
    code, lines, err = run(capsys, model, "0")
    assert (code, len(lines), err) == (130, 3, "")


def test_a_camera_that_is_not_there(model, capsys, monkeypatch):
    monkeypatch.setattr(cv2, "VideoCapture", Camera)
    code, _, err = run(capsys, model, "7")
    assert (code, err.count("\n")) == (2, 1)
    assert "camera 7" in err


def test_benchmark(model, pictures, capsys):
    code, lines, _ = run(capsys, model, "--benchmark", pictures / "a.png", "--threads", "1")
    measured = json.loads("\n".join(lines))
    assert code == 0
    assert measured["score_p50_ms"] <= measured["score_p95_ms"] <= measured["score_p99_ms"]
    assert measured["score_without_resizing_p50_ms"] < measured["score_p50_ms"]
    if sys.platform == "linux":
        assert measured["cold_start_s"] > 0
        assert measured["peak_memory_mb"] > 10


# -- where


@settings(deadline=None, max_examples=60)
@given(
    height=st.integers(1, 700),
    width=st.integers(1, 700),
    size=st.sampled_from([32, 224]),
    protocol=st.sampled_from(["square", "crop"]),
)
def test_what_the_network_sees_is_what_the_package_says(height, width, size, protocol):
    expected = images.seen_window((height, width), size, protocol)
    assert edge.seen_window((height, width), size, protocol) == pytest.approx(expected)


@pytest.mark.parametrize("protocol", ["square", "crop"])
@pytest.mark.parametrize("kind", [ad.LocalDetector, ad.JointDetector])
def test_the_place_lies_on_the_spot(network, protocol, kind):
    detector = edge.Detector(build_local(network, protocol, kind))
    for y, x in ((30, 60), (70, 130), (50, 90)):
        image = spotted(100, 180, y, x)
        detector.score(image)
        found = detector.place(image)
        assert abs(found[0] - x) < 16 and abs(found[1] - y) < 16
        assert all(type(number) is int for number in found)


def test_the_place_is_the_centre_of_a_cell(local):
    detector = edge.Detector(local)
    detector.heat_map = np.zeros((7, 14), np.float32)
    detector.heat_map[6, 3] = 1
    assert detector.place(np.zeros((700, 1400, 3), np.uint8)) == [350, 650]
    detector.record["protocol"], detector.size = "crop", 224  # the middle 7/8 of the shorter side
    assert detector.place(np.zeros((512, 1024, 3), np.uint8)) == [288 + 112, 32 + 416]


@settings(deadline=None, max_examples=40)
@given(
    height=st.integers(1, 90),
    width=st.integers(1, 90),
    protocol=st.sampled_from(["square", "crop"]),
)
def test_heat_of_images_of_any_size(local, height, width, protocol):
    detector = edge.Detector(local)
    detector.record["protocol"] = protocol
    detector.heat_map = np.ones((7, 7), np.float32)
    image = np.zeros((height, width, 3), np.uint8)
    heat = detector.heat(image, score=6.0, distances={"level_1": 2.0, "level_2": 1.0, POOLED: 9.0})
    top, left, seen_height, seen_width = images.seen_window((height, width), SIZE, protocol)
    assert heat.shape == (height, width)
    assert heat.max() == pytest.approx(2.0)
    x, y = detector.place(image)
    assert 0 <= x < width and 0 <= y < height
    rows, columns = np.nonzero(heat)
    assert top - 1 < rows.min() and rows.max() < top + seen_height
    assert left - 1 < columns.min() and columns.max() < left + seen_width


def test_the_command_tells_the_place(local, tmp_path, capsys):
    path = write_image(tmp_path / "spot.png", spotted(64, 64, 40, 20))
    detector = edge.Detector(local)
    score, _ = detector.score(images.read(path))
    x, y = detector.place(images.read(path))
    assert abs(x - 20) < 8 and abs(y - 40) < 8
    code, lines, err = run(capsys, local, path)
    assert (code, err) == (0, "")
    assert lines == [f"{path}  {score:.3f}  ANOMALY  at x={x} y={y}"]
    _, lines, _ = run(capsys, local, path, "--format", "json")
    assert json.loads(lines[0])["place"] == [x, y]
    _, lines, _ = run(capsys, local, path, "--format", "csv")
    (row,) = csv.DictReader(io.StringIO("\n".join(lines)))
    assert list(row) == ["path", "score", "threshold", "decision", "x", "y"]
    assert (row["x"], row["y"]) == (str(x), str(y))


def test_without_a_heat_map_there_is_no_place(model, pictures, capsys):
    assert edge.Detector(model).heat_map is None
    _, lines, _ = run(capsys, model, pictures / "a.png", "--format", "json")
    assert "place" not in json.loads(lines[0])


def test_overlay(local, tmp_path, capsys):
    image = spotted(64, 64, 40, 20)
    paths = [
        write_image(tmp_path / name, image)
        for name in ("a.png", "more/a.png", "more/A.bmp", "a-2.png", "b.png")
    ]
    drawn = tmp_path / "new" / "drawn"
    code, lines, err = run(capsys, local, *paths, "--overlay", drawn)
    assert (code, len(lines), err) == (0, 5, "")
    names = ["A-3.png", "a-2-2.png", "a-2.png", "a.png", "b.png"]
    assert sorted(path.name for path in drawn.iterdir()) == names
    expected = cv2.imdecode(
        np.frombuffer(
            export.HeatMaps(local.read_bytes()).overlay(image, 0.0, edge.Detector(local).threshold),
            np.uint8,
        ),
        cv2.IMREAD_COLOR_RGB,
    )
    for name in names:
        assert np.array_equal(images.read(drawn / name), expected)
    red, green, _ = images.read(drawn / "b.png").astype(int).transpose(2, 0, 1)
    y, x = np.unravel_index((red - green).argmax(), red.shape)
    assert abs(x - 20) < 10 and abs(y - 40) < 10
    assert (red == green)[:8, 40:].all()  # and nothing far away


def test_a_pooled_score_makes_no_place_hotter():
    detector = edge.Detector.__new__(edge.Detector)
    assert POOLED == "pooled"  # what edge.py leaves out by its name
    detector.heat_map, detector.size, detector.record = np.ones((2, 2), np.float32), 32, {}
    image = np.zeros((4, 4, 3), np.uint8)
    for distances in ({"level_4": 4.0}, {"level_4": 4.0, POOLED: 99.0}):
        assert detector.heat(image, 8.0, distances).max() == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("name", "more", "words"),
    [
        ("model", [], "no heat map"),
        ("local", ["--threshold", "0"], "threshold above 0"),
        ("local", ["--threshold", "-3"], "threshold above 0"),
    ],
)
def test_overlays_that_cannot_be_drawn(request, pictures, tmp_path, capsys, name, more, words):
    path = request.getfixturevalue(name)
    code, lines, err = run(capsys, path, pictures, "--overlay", tmp_path / "drawn", *more)
    assert (code, lines, err.count("\n")) == (2, [], 1)
    assert words in err
    assert not (tmp_path / "drawn").exists()


def test_overlays_that_cannot_be_written(local, pictures, tmp_path, capsys):
    (tmp_path / "file").touch()
    code, lines, err = run(capsys, local, pictures, "--overlay", tmp_path / "file")
    assert (code, lines, err.count("\n")) == (2, [], 1)
    assert "file: File exists; cannot be made" in err
    (tmp_path / "drawn" / "a.png").mkdir(parents=True)
    code, _, err = run(capsys, local, pictures, "--overlay", tmp_path / "drawn")
    assert (code, err.count("\n")) == (2, 1)
    assert "a.png: Is a directory; cannot be written" in err
    assert [path.name for path in (tmp_path / "drawn").iterdir()] == ["a.png"]


# -- on a device: the file alone

FORBIDDING = """
import runpy, sys
class Forbidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {forbidden}:
            raise ImportError(f"{{name}} is not on this device")
sys.meta_path.insert(0, Forbidden())
sys.argv = {arguments}
runpy.run_path({file!r}, run_name="__main__")
"""


def on_device(tmp_path, *arguments, forbidden=(), before="") -> subprocess.CompletedProcess:
    file = shutil.copy(edge.__file__, tmp_path / "edge.py")
    program = before + FORBIDDING.format(
        forbidden={"tensorflow", "keras", "adhelpers", *forbidden},
        arguments=["edge.py", *map(str, arguments)],
        file=str(file),
    )
    command = [sys.executable, "-c", program]
    return subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)


def test_neither_tensorflow_nor_the_package_is_needed(model, pictures, tmp_path):
    done = on_device(tmp_path, model, pictures)
    assert (done.returncode, done.stderr) == (0, "")
    assert [line.split()[-1] for line in done.stdout.splitlines()] == ["normal", "ANOMALY"]


def test_pictures_are_drawn_there_too(local, pictures, tmp_path):
    done = on_device(tmp_path, local, pictures, "--overlay", "drawn")
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(path.name for path in (tmp_path / "drawn").iterdir()) == ["a.png", "b.png"]


def test_an_older_runtime_is_found(model, pictures, tmp_path):
    stand_in = (
        "import sys, types\n"
        "import ai_edge_litert.interpreter as litert\n"
        "sys.modules['tflite_runtime'] = types.ModuleType('tflite_runtime')\n"
        "sys.modules['tflite_runtime.interpreter'] = litert\n"
        "for name in [name for name in sys.modules if name.startswith('ai_edge_litert')]:\n"
        "    del sys.modules[name]\n"
    )
    done = on_device(tmp_path, model, pictures, forbidden=["ai_edge_litert"], before=stand_in)
    assert (done.returncode, done.stderr) == (0, "")


def test_without_any_runtime_it_says_what_to_install(model, pictures, tmp_path):
    done = on_device(tmp_path, model, pictures, forbidden=["ai_edge_litert", "tflite_runtime"])
    assert done.returncode == 2
    assert done.stderr == "edge.py: no runtime is installed; pip install ai-edge-litert\n"


def test_a_reader_that_has_had_enough(model, pictures):
    command = [sys.executable, edge.__file__, str(model), *[str(pictures)] * 20]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert (process.stderr.read(), process.wait()) == (b"", 0)
