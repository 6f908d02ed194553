import csv
import io
import json
import os
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from damage import damaged, unsealed, with_record, without_record
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import small_backbone
from origins import origin
from pictures import draw_image, write_image, write_mixed_folder

import adhelpers as ad
from adhelpers import backbones, datasets, edge, export, images
from adhelpers.datasets import listing
from adhelpers.detector import POOLED
from adhelpers.export import split
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
    folder = write_mixed_folder(tmp_path / "pictures")
    (folder / "notes.txt").unlink()
    return folder


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


CASES = Path(__file__).parent / "cases" / "edge_opencv46"


def jpeg(image: np.ndarray, *options: int) -> bytes:
    return cv2.imencode(".jpg", image, options)[1].tobytes()


def jpeg_with_a_thumbnail(image: np.ndarray) -> bytes:
    """Return a JPEG that holds another whole one, as a camera's, in its head."""
    data, head = jpeg(image), b"Exif\0\0" + jpeg(image[::4, ::4])
    return data[:2] + b"\xff\xe1" + (len(head) + 2).to_bytes(2, "big") + head + data[2:]


WHOLE = {
    "jpeg": lambda x: jpeg(x),
    "grey jpeg": lambda x: jpeg(x[..., 0]),
    "progressive": lambda x: jpeg(x, cv2.IMWRITE_JPEG_PROGRESSIVE, 1),
    "restarts": lambda x: jpeg(x, cv2.IMWRITE_JPEG_RST_INTERVAL, 2),
    "thumbnail": jpeg_with_a_thumbnail,
    "png": lambda x: cv2.imencode(".png", x)[1].tobytes(),
    "bmp": lambda x: cv2.imencode(".bmp", x)[1].tobytes(),
    "tiff": lambda x: cv2.imencode(".tif", x)[1].tobytes(),
    "webp": lambda x: cv2.imencode(".webp", x)[1].tobytes(),
}


@pytest.mark.parametrize("kind", WHOLE)
def test_more_bytes_may_follow_an_image(kind):
    data = WHOLE[kind](draw_image(0))
    for more in (b"", b"\0" * 5000, b"of the camera"):
        assert np.array_equal(edge.decode(data + more), edge.decode(data))


@pytest.mark.parametrize("kind", WHOLE)
def test_cut_off_images_are_refused_whatever_opencv_says(kind, monkeypatch):
    data = WHOLE[kind](draw_image(0))
    if kind not in ("bmp", "tiff", "webp"):  # which every OpenCV refuses
        monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("left to OpenCV"))
    for length in [*range(8, len(data), 97), *range(len(data) - 30, len(data))]:
        with pytest.raises(edge.EdgeError, match="cut off"):
            edge.decode(data[:length])


def test_half_a_photograph_is_refused_in_edge_and_in_the_package():
    whole, half = ((CASES / name).read_bytes() for name in ("fb.jpg", "half.jpg"))
    assert np.array_equal(edge.decode(whole), images.decode(whole))
    for decode in (edge.decode, images.decode):
        with pytest.raises((edge.EdgeError, UserError)):
            decode(half)


@pytest.mark.parametrize("order", ["<", ">"])
def test_colours_are_not_multiplied_by_alpha(order):
    """A TIFF of one strip, whose tag 338 says that the alpha is not yet in the colours."""
    image = draw_image(0)
    pixels = np.dstack([image, np.full(image.shape[:2], 128, np.uint8)])
    tags = [(256, 64), (257, 64), (258, 8), (259, 1), (262, 2), (273, 200), (277, 4), (278, 64)]
    tags += [(279, pixels.nbytes), (284, 1), (338, 2)]
    short = {258, 259, 262, 277, 284, 338}
    table = b"".join(
        struct.pack(f"{order}HHIHxx", tag, 3, 1, value)
        if tag in short
        else struct.pack(f"{order}HHII", tag, 4, 1, value)
        for tag, value in tags
    )
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}IH", 8, len(tags))
    data = (head + table + b"\0" * 4).ljust(200, b"\0") + pixels.tobytes()
    assert np.array_equal(edge.decode(data), image)
    assert np.array_equal(images.decode(data), image)


# -- what is damaged decides nothing


def test_of_200_detectors_with_a_damaged_byte_none_scores_differently(model):
    content, image = model.read_bytes(), draw_image(100)
    expected = edge.Detector(content).score(image)
    for bad in damaged(content, 200):
        try:
            found = edge.Detector(bad).score(image)
        except edge.EdgeError as error:
            assert "\n" not in str(error)
        else:
            assert found == expected


def test_a_detector_that_lost_its_end_is_refused(model, pictures, tmp_path, capsys):
    content = model.read_bytes()
    for lost in (1, 31, 32, 47, 48, 4096):
        (tmp_path / "cut.tflite").write_bytes(content[:-lost])
        code, lines, err = run(capsys, tmp_path / "cut.tflite", pictures)
        assert (code, lines, err.count("\n")) == (2, [], 1)
        assert "cut.tflite: not a detector that runs here" in err


def test_a_detector_without_a_checksum_runs_as_before(model):
    image = draw_image(100)
    found = edge.Detector(unsealed(model.read_bytes()))
    assert found.record["sealed"] is False
    assert found.score(image) == edge.Detector(model).score(image)


RECORDS = [
    *(b"null", b"[]", b'"text"', b"7", b"{", b"\xff", b"[" * 400),
    *({"threshold": x} for x in (float("nan"), float("inf"), True, "9", [], 10**400)),
    *({"levels": x} for x in (None, "level_1", {}, [1], 3)),
    *({"input_size": x} for x in (None, "32", 0, -32, 32.5, True, 10**30)),
    *({"protocol": x} for x in (None, 1, "other", [])),
    *({"image_shape": x} for x in (None, 64, [64], [64, 0], [64, "64"], [64, float("nan")])),
]


@pytest.mark.parametrize("record", RECORDS, ids=str)
def test_records_that_make_no_sense_are_refused(model, pictures, tmp_path, capsys, record):
    path = tmp_path / "bad.tflite"
    path.write_bytes(with_record(model.read_bytes(), record))
    code, lines, err = run(capsys, path, pictures)
    assert (code, lines, err.count("\n")) == (2, [], 1)
    assert "bad.tflite: not a detector that runs here (" in err
    assert "record" in err


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), -float("inf")])
def test_a_score_that_is_no_number_is_never_normal(model, pictures, capsys, monkeypatch, wrong):
    detector = edge.Detector(model)
    answer = {detector._output: np.float32(wrong)}
    detector._invoke = lambda **_: answer
    with pytest.raises(edge.EdgeError, match="not a finite number"):
        detector.score(draw_image(100))
    monkeypatch.setattr(edge, "Detector", lambda *_: detector)
    for more in ([], ["--format", "json"], ["--benchmark"]):
        code, lines, err = run(capsys, model, pictures, *more)
        assert (code, lines) == (2, [])
        assert "not a finite number" in err


def test_a_damaged_float_is_never_normal(model, pictures, tmp_path, capsys):
    content = unsealed(model.read_bytes())
    mean = (
        next(x for x in split._levels(content, ["level_1"]).values())
        .mean.astype(np.float32)
        .tobytes()
    )
    assert content.count(mean) == 1
    nan = np.full(len(mean) // 4, np.nan, np.float32).tobytes()
    (tmp_path / "nan.tflite").write_bytes(content.replace(mean, nan))
    code, lines, err = run(capsys, tmp_path / "nan.tflite", pictures)
    assert (code, lines, err.count("\n")) == (2, [], 1)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--threshold", "nan"], "finite number, not nan"),
        (["--threshold", "inf"], "finite number, not inf"),
        (["--threads", "0"], "from 1 to 256"),
        (["--threads", "-1"], "from 1 to 256"),
        (["--threads", "1000000"], "from 1 to 256"),
        (["--frames", "0"], "from 1 on"),
        (["--frames", "-1"], "from 1 on"),
        (["1" + "0" * 30], "there is no such number"),
        (["9" * 5000], "there is no such number"),
        ([""], "an empty name"),
        (["--overlay", ""], "an empty name"),
    ],
    ids=lambda value: " ".join(value)[:30] if isinstance(value, list) else None,
)
def test_numbers_out_of_all_proportion(model, pictures, capsys, more, words):
    code, _, err = run(capsys, model, pictures / "a.png", *more)
    assert (code, err.count("\n")) == (2, 1)
    assert words in err
    assert len(err) < 200


@pytest.mark.parametrize("wrong", [True, "9", float("nan"), 10**400])
def test_a_threshold_in_a_program_is_a_finite_number(model, wrong):
    with pytest.raises(edge.EdgeError, match="finite number"):
        edge.Detector(model, threshold=wrong)
    assert edge.Detector(model, threshold=np.float32(9)).threshold == 9


# -- which files are read


def test_images_are_found_as_in_the_package(model, pictures, capsys):
    for name in ("._a.png", ".Trashes/c.png", ".ipynb_checkpoints/a.png", "more/.hidden/d.png"):
        write_image(pictures / name, draw_image(0))
    for name in ("lost+found/e.png", "__MACOSX/f.png", "z/g.tiff", "Z/h.bmp", "a/b/c/i.webp"):
        write_image(pictures / name, draw_image(0))
    (pictures / "k.jfif").write_bytes(cv2.imencode(".jpg", draw_image(0))[1].tobytes())
    (pictures / "link").symlink_to(pictures, target_is_directory=True)
    for name in ("a.heic", "b.HEIC", "c/d.gif", "notes"):
        (pictures / name).parent.mkdir(exist_ok=True)
        (pictures / name).touch()
    for name in ("result/feats/train_x.npz", "more/out/distances_x.csv"):
        (pictures / name).parent.mkdir(parents=True)
        write_image((pictures / name).with_suffix(".png"), draw_image(0))
        (pictures / name).touch()
    found = [name for name, _ in edge.images([str(pictures)])]
    samples, left_out = datasets.list_images([pictures])
    assert found == list(map(str, samples.paths))
    assert len(found) == 6
    assert left_out in capsys.readouterr().err
    assert left_out.endswith(": 1 .HEIC, 1 .gif, 1 .heic, 1 link to a folder, 1 notes")
    assert set(listing.IMAGE_SUFFIXES) == edge._SUFFIXES
    assert set(listing._OF_THE_SYSTEM) == edge._OF_THE_SYSTEM
    assert listing._OF_RESULTS == edge._OF_RESULTS


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_pipes_and_devices_do_not_hang(model, pictures, capsys):
    os.mkfifo(pictures / "0.png")
    (pictures / "1.png").symlink_to("/dev/zero")
    code, lines, err = run(capsys, model, pictures)
    assert (code, len(lines), err.count("\n")) == (2, 2, 2)
    assert err.count("not a regular file") == 2
    code, _, err = run(capsys, pictures / "0.png", pictures)
    assert (code, err.count("\n")) == (2, 1)


def test_a_file_without_end_is_refused_before_it_is_read(model, pictures, capsys):
    with (pictures / "0.png").open("wb") as file:
        file.truncate(100 * 2**30)
    code, lines, err = run(capsys, model, pictures)
    assert (code, len(lines), err.count("\n")) == (2, 2, 1)


@pytest.mark.parametrize("bad", ["more", "a.png"])
def test_what_may_not_be_read_is_said_and_the_rest_scored(
    model, pictures, capsys, monkeypatch, bad
):
    """As root nothing is closed, so the system's answer is played."""
    real_scan, real_stat = os.scandir, os.stat

    def closed(real, path, *more, **options):
        if not isinstance(path, int) and os.path.basename(os.fspath(path)) == bad:
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, *more, **options)

    if bad == "more":
        monkeypatch.setattr(os, "scandir", lambda *a: closed(real_scan, *a))
    else:
        monkeypatch.setattr(edge.os, "stat", lambda *a, **b: closed(real_stat, *a, **b))
    code, lines, err = run(capsys, model, pictures)
    assert (code, len(lines), err.count("\n")) == (2, 1, 1)
    assert f"{pictures / bad}: Permission denied" in err


def test_one_image_that_is_too_long_does_not_stop_the_others(network, pictures, capsys):
    crop = pictures.parent / "crop.tflite"
    crop.write_bytes(build(network, "crop"))
    write_image(pictures / "0.png", np.zeros((1, 300_000, 3), np.uint8))
    code, lines, err = run(capsys, crop, pictures)
    assert (code, len(lines), err.count("\n")) == (2, 2, 2)
    assert "0.png: 1 x 300000 pixels are too long" in err
    assert "another aspect" in err


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
    silent.write_bytes(without_record(model.read_bytes()))
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
    assert sorted(path.name for path in (tmp_path / "drawn").iterdir()) == ["a.png", "b.png"]


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


ODD_NAMES = ["größe", "螺丝", "🙂", "a\nb\x1b[31m", "$x_$", b"\xfcber", "x" * 251]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems' names are always text")
@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
@pytest.mark.parametrize("form", ["text", "csv", "json"])
def test_any_name_is_printed_in_any_encoding(local, tmp_path, encoding, form):
    data = cv2.imencode(".png", draw_image(100))[1].tobytes()
    folder = tmp_path / "odd"
    folder.mkdir()
    for name in ODD_NAMES:
        with open(os.fsencode(folder) + b"/" + os.fsencode(name) + b".png", "wb") as file:
            file.write(data)
    command = [sys.executable, edge.__file__, local, folder, "--format", form]
    command += ["--overlay", tmp_path / "drawn"]
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    done = subprocess.run(command, capture_output=True, env=environment)
    assert (done.returncode, done.stderr) == (0, b"")
    text = done.stdout.decode(encoding)
    assert len(os.listdir(tmp_path / "drawn")) == len(ODD_NAMES)
    if form == "csv":
        assert len(list(csv.DictReader(io.StringIO(text)))) == len(ODD_NAMES)
    else:
        assert len(text.splitlines()) == len(ODD_NAMES)
        assert "\x1b" not in text


@pytest.mark.skipif(os.name != "posix", reason="by a shell of POSIX")
def test_without_stdout(model, pictures):
    command = f"'{sys.executable}' '{edge.__file__}' '{model}' '{pictures}' >&-"
    done = subprocess.run(command, shell=True, stderr=subprocess.PIPE, text=True)
    assert (done.returncode, done.stderr) == (2, "edge.py: there is no stdout to write to\n")


def test_names_on_stdin_may_be_any_bytes(model, tmp_path):
    folder = os.fsencode(tmp_path)
    try:
        with open(folder + b"/\xfcber.png", "wb") as file:
            file.write(cv2.imencode(".png", draw_image(100))[1].tobytes())
    except OSError:
        pytest.skip("names are text here")
    names = b"\n".join([folder + b"/\xfcber.png", b"a\0b.png", b"x" * 5000, folder])
    command = [sys.executable, edge.__file__, str(model), "-"]
    done = subprocess.run(command, input=names, capture_output=True)
    assert (done.returncode, done.stdout.count(b"\n"), done.stderr.count(b"\n")) == (2, 1, 3)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
@pytest.mark.parametrize("more", [[], ["--format", "csv"], ["--format", "json"], ["--benchmark"]])
def test_no_room_on_stdout(model, pictures, more):
    command = [sys.executable, edge.__file__, str(model), str(pictures), *more]
    with open("/dev/full", "w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
    assert (done.returncode, done.stderr) == (
        2,
        "edge.py: stdin or stdout: No space left on device\n",
    )
