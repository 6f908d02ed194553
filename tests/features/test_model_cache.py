"""The cache of converted models, and the choice of calibration images."""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from damage import damaged
from pictures import write_category

import adhelpers as ad
from adhelpers.datasets import mvtec
from adhelpers.features import extractor, model_cache
from adhelpers.ground import UserError


@pytest.fixture
def samples(tmp_path):
    write_category(tmp_path / "data" / "plate", n_train=10)
    return mvtec.load_mvtec(tmp_path / "data", "plate").train


@pytest.fixture
def faked(monkeypatch, tmp_path):
    """A cache of its own, and a converter that only counts its calls."""
    monkeypatch.setenv("ADHELPERS_CACHE", str(tmp_path / "cache"))
    calls = []
    monkeypatch.setattr(
        model_cache, "convert", lambda backbone: calls.append("float32") or b"float"
    )
    monkeypatch.setattr(
        model_cache,
        "quantize",
        lambda model, precision, images: calls.append(precision) or model + precision.encode(),
    )
    return calls


ORIGIN = ad.Origin(
    "efficientnet-b0", "none (untrained, seed 0)", 224, "square", "tflite", "int8", "abc"
)
IMAGES = [np.zeros((224, 224, 3), np.uint8)]


def test_a_second_time_nothing_is_converted(faked):
    first = model_cache.converted(lambda: None, ORIGIN, IMAGES)
    assert first == b"floatint8" and faked == ["float32", "int8"]
    assert model_cache.converted(lambda: pytest.fail("built again"), ORIGIN, IMAGES) == first
    assert faked == ["float32", "int8"]


@pytest.mark.parametrize(
    "change",
    [{"weights": "imagenet"}, {"input_size": 380}, {"calibration": "def"}, {"precision": "int8"}],
)
def test_what_the_model_depends_on_is_part_of_its_name(faked, change):
    places = {model_cache._place(ORIGIN), model_cache._place(replace(ORIGIN, **change))}
    assert len(places) == (1 if change == {"precision": "int8"} else 2)


def test_an_interrupted_conversion_leaves_nothing(faked, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(model_cache, "quantize", stop)
    with pytest.raises(KeyboardInterrupt):
        model_cache.converted(lambda: None, ORIGIN, IMAGES)
    files = list(model_cache.cache_folder().glob("*.tflite"))
    assert [path.read_bytes() for path in files] == [b"float"]


def test_a_full_disk_is_one_line_and_leaves_nothing(faked, monkeypatch):
    def full(self, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    with pytest.raises(UserError, match="No space left on device"):
        model_cache.converted(lambda: None, ORIGIN, IMAGES)
    assert {path.suffix for path in model_cache.cache_folder().iterdir()} <= {".lock"}


def in_the_cache(change) -> bytes:
    """Convert a model, change its file in the cache, and return what is then made of it."""
    model_cache.converted(lambda: None, ORIGIN, IMAGES)
    change(model_cache._place(ORIGIN))
    return model_cache.converted(lambda: None, ORIGIN, IMAGES)


def test_200_damaged_models_are_all_converted_again(faked, monkeypatch, capsys):
    model = bytes(range(256)) * 20
    monkeypatch.setattr(model_cache, "convert", lambda backbone: faked.append("float32") or model)
    origin = model_cache.in_float(ORIGIN)
    assert model_cache.converted(lambda: None, origin) == model
    for count, bad in enumerate(damaged(model, 200), start=2):
        model_cache._place(origin).write_bytes(bad)
        assert model_cache.converted(lambda: None, origin) == model
        assert len(faked) == count
        out, err = capsys.readouterr()
        assert (out, err.count("\n")) == ("", 1)
        assert err.endswith(".tflite: damaged; the model is converted again\n")
    assert model_cache.converted(lambda: pytest.fail("built again"), origin) == model


def into_a_folder(path):
    path.unlink()
    (path / "inside").mkdir(parents=True)


def into_a_pipe(path):
    path.unlink()
    os.mkfifo(path)


CHANGES = {
    "cut off": lambda path: path.write_bytes(path.read_bytes()[:4]),
    "empty": lambda path: path.write_bytes(b""),
    "longer": lambda path: path.write_bytes(path.read_bytes() + b"\0"),
    "other checksum": lambda path: path.with_suffix(".sha256").write_text("0" * 64),
    "no text": lambda path: path.with_suffix(".sha256").write_bytes(b"\xff"),
    "no checksum": lambda path: path.with_suffix(".sha256").unlink(),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_what_is_not_whole_is_converted_again(faked, capsys, change):
    assert in_the_cache(change) == b"floatint8"
    assert faked == ["float32", "int8", "int8"]
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert str(model_cache._place(ORIGIN)) in err and "converted again" in err
    assert model_cache.converted(lambda: pytest.fail("built again"), ORIGIN, IMAGES)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("change", [into_a_folder, into_a_pipe])
def test_what_is_no_file_stays_and_the_model_is_converted(faked, capsys, change):
    assert in_the_cache(change) == b"floatint8"
    place = model_cache._place(ORIGIN)
    assert place.exists() and not place.is_file()
    assert capsys.readouterr().err == f"{place}: not a file; the model is converted again\n"


def test_a_model_that_may_not_be_read_is_converted_again(faked, capsys, monkeypatch):
    def closed(self):
        raise PermissionError(13, "Permission denied", str(self))

    def change(path):
        monkeypatch.setattr("pathlib.Path.read_bytes", closed)

    assert in_the_cache(change) == b"floatint8"
    err = capsys.readouterr().err
    assert "Permission denied; the model is converted again" in err


def test_without_a_home_folder_the_variable_is_named(monkeypatch):
    for name in ("ADHELPERS_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)

    def lost():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr("pathlib.Path.home", lost)
    with pytest.raises(UserError, match="ADHELPERS_CACHE"):
        model_cache.cache_folder()


def test_calibration_images_are_drawn_by_seed_and_leave_some_over(samples):
    first, again, other = (model_cache.choose_calibration(samples, 5, seed) for seed in (1, 1, 2))
    assert first == again and first != other
    assert len(first) == 5
    assert list(first.paths) == sorted(first.paths)
    assert len(model_cache.choose_calibration(samples)) == 8  # four fifths of ten


def test_a_changed_calibration_image_changes_the_digest(samples):
    _, before = model_cache.calibration_images(samples, 64, "square")
    path = samples.paths[3]
    path.write_bytes(samples.paths[4].read_bytes())
    _, after = model_cache.calibration_images(samples, 64, "square")
    assert before != after


def test_engines_and_precisions_that_do_not_go_together(samples):
    with pytest.raises(UserError, match="engine keras has float32 alone, not int8"):
        ad.Extractor(weights="none", engine="keras", precision="int8")
    with pytest.raises(UserError, match="unknown engine 'torch'; choose one of: auto, keras"):
        ad.Extractor(weights="none", engine="torch")
    with pytest.raises(UserError, match="unknown precision 'int3'"):
        ad.Extractor(weights="none", precision="int3")


def test_auto_is_tflite_without_a_gpu(monkeypatch):
    monkeypatch.setattr(extractor.backbones, "has_gpu", lambda: False)
    assert extractor.chosen_engine("auto", "float32") == "tflite"
    monkeypatch.setattr(extractor.backbones, "has_gpu", lambda: True)
    assert extractor.chosen_engine("auto", "float32") == "keras"
    assert extractor.chosen_engine("auto", "int8") == "tflite"


def test_int8_without_calibration_images_is_refused():
    with pytest.raises(UserError, match="needs calibration images"):
        ad.Extractor("efficientnet-b0", "builtin", engine="tflite", precision="int8")


def test_the_tflite_engine_gives_the_numbers_of_keras(samples):
    keras = ad.Extractor("efficientnet-b0", "builtin", engine="keras")(samples)
    extract = ad.Extractor("efficientnet-b0", "builtin", engine="tflite")
    found = extract(samples)
    for name, x in keras.levels.items():
        assert np.linalg.norm(found.levels[name] - x) <= 1e-4 * np.linalg.norm(x)
        np.testing.assert_allclose(found.levels[name], x, rtol=1e-3, atol=1e-4 * np.abs(x).max())
    assert found.origin == replace(keras.origin, engine="tflite")
    assert extract.milliseconds(3) > 0


def test_an_int8_extractor_says_what_it_was_calibrated_with(samples):
    extract = ad.Extractor(
        "efficientnet-b0", "builtin", precision="int8", calibration=samples, n_calibration=4
    )
    assert len(extract.calibration) == 4
    others = ad.Extractor(
        "efficientnet-b0", "builtin", precision="int8", calibration=samples, n_calibration=5
    )
    assert extract.origin.calibration != others.origin.calibration
    detector = ad.MahalanobisDetector().fit(extract(samples))
    with pytest.raises(UserError, match="calibration"):
        detector.anomaly_score(others(replace(samples, split="test")))


def test_two_at_once_convert_once(faked, monkeypatch):
    def slowly(backbone):
        time.sleep(0.5)
        return faked.append("float32") or b"float"

    monkeypatch.setattr(model_cache, "convert", slowly)
    with ThreadPoolExecutor(2) as pool:
        calls = [pool.submit(model_cache.converted, lambda: None, ORIGIN, IMAGES) for _ in range(2)]
    assert [call.result() for call in calls] == [b"floatint8"] * 2
    assert faked == ["float32", "int8"]
