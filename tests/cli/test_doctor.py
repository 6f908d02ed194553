"""``adhelpers doctor``."""

import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
from pictures import write_category

import adhelpers as ad
from adhelpers.cli import doctor, main

CASES = Path(__file__).parents[1] / "cases"


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch, untrained):
    """Work in an empty folder, with the network that the tests have built already."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(ad.features, "Extractor", lambda model, weights: untrained)


def lines(capsys) -> dict[str, str]:
    """Return what was printed, by check."""
    printed = [line for line in capsys.readouterr().out.splitlines() if ": " in line]
    return {line.partition(":")[0][8:]: line for line in printed}


def test_all_is_well(capsys):
    assert main(["doctor"]) == 0
    printed = lines(capsys)
    checks = ["Python", "packages", "Keras", "memory", "weights", "data", "one image"]
    assert list(printed) == checks
    assert all(line.startswith("OK      ") for line in printed.values())
    assert metadata.version("tensorflow") in printed["packages"]
    assert "9 levels, 2096 features" in printed["one image"]


def hide(monkeypatch, *packages):
    """Let packages seem to be not installed."""

    def version(name):
        if name in packages:
            raise metadata.PackageNotFoundError(name)
        return real(name)

    real = metadata.version
    monkeypatch.setattr(doctor.metadata, "version", version)


def test_the_package_alone_does_without_those_of_the_notebooks(capsys, monkeypatch):
    hide(monkeypatch, "jupyterlab", "ipykernel", "nbclient", "nbformat")
    assert main(["doctor"]) == 0
    assert "those of the notebooks are not installed" in lines(capsys)["packages"]


def test_a_missing_package_of_the_notebooks(capsys, monkeypatch):
    hide(monkeypatch, "ipykernel")
    assert main(["doctor"]) == 2
    assert "ipykernel is missing" in lines(capsys)["packages"]


def test_a_missing_package_and_all_other_checks(capsys, monkeypatch):
    hide(monkeypatch, "scipy")
    assert main(["doctor"]) == 2
    out, err = capsys.readouterr()
    assert "NOT OK  packages: scipy is missing; install the project again" in out
    assert out.count("\n") == 7
    assert err == "adhelpers: NOT OK: packages; mend the first one and run doctor again\n"


def test_an_old_package(capsys, monkeypatch):
    monkeypatch.setattr(doctor.metadata, "version", lambda name: "0.0.1")
    assert main(["doctor"]) == 2
    assert "0.0.1 found, >=" in capsys.readouterr().out


def test_an_old_python(capsys, monkeypatch):
    monkeypatch.setattr(doctor.platform, "python_version", lambda: "3.9.1")
    assert main(["doctor"]) == 2
    assert "NOT OK  Python: Python 3.9.1 found, " in capsys.readouterr().out


@pytest.mark.parametrize(("found", "code"), [(2.0, 2), (8.0, 0), (None, 0)])
def test_memory(found, code, monkeypatch, capsys):
    monkeypatch.setattr(doctor, "_memory_gb", lambda: found)
    assert main(["doctor"]) == code
    assert lines(capsys)["memory"].startswith("NOT OK" if code else "OK  ")


def test_memory_of_this_machine_against_psutil():
    psutil = pytest.importorskip("psutil")
    found = doctor._memory_gb()
    assert found is None or 0 < found <= psutil.virtual_memory().total / 1e9 * 1.001


def test_damaged_weights(tmp_path, capsys, monkeypatch):
    damaged = tmp_path / "weights.npz"
    damaged.write_bytes(ad.backbones.builtin.FILE.read_bytes()[:100_000])
    monkeypatch.setattr(ad.backbones.builtin.load_weights, "__defaults__", (damaged,))
    assert main(["doctor"]) == 2
    assert "NOT OK  weights: the built-in weights" in capsys.readouterr().out


def test_a_folder_of_images(tmp_path, capsys):
    assert main(["doctor", "--data_path", "nowhere"]) == 2
    assert "adhelpers fetch mvtec" in lines(capsys)["data"]
    write_category(tmp_path / "mine/plate")
    assert main(["doctor", "--data_path", "mine"]) == 0
    assert "1 categories, 6 training images" in lines(capsys)["data"]


def test_features_that_are_no_numbers(capsys, monkeypatch, untrained):
    monkeypatch.setattr(
        type(untrained),
        "pooled",
        lambda self, images: {"level_1": images.mean((1, 2)) * float("nan")},
    )
    assert main(["doctor"]) == 2
    assert "NaN" in lines(capsys)["one image"]


def test_without_numpy_the_command_says_so(tmp_path):
    """A package that every command imports: one line, and no traceback."""
    (tmp_path / "numpy.py").write_text("raise ModuleNotFoundError('No module named numpy')")
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys; from adhelpers.cli import main; sys.exit(main(['run']))",
        ],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert done.stderr == "adhelpers: No module named numpy; install the project again: make\n"


def test_a_home_of_keras_that_is_a_file(tmp_path, capsys, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "file"))
    assert main(["doctor", "--weights", "imagenet"]) == 2
    assert (
        "NOT OK  weights: the ImageNet weights could not be downloaded" in lines(capsys)["weights"]
    )


@pytest.mark.parametrize("case", ["cf", "f16", "jax", "torch", "bad", "list", "value", "legacy"])
def test_settings_of_keras_are_passed_over_and_shown(tmp_path, case):
    """Keras runs as the networks here need it, or one line names the file."""
    home, environment = CASES / "keras_json" / case, dict(os.environ)
    environment.pop("TF_USE_LEGACY_KERAS", None)
    if case in ("list", "value"):
        home = tmp_path
        text = {"list": "[]", "value": '{"floatx": "float7"}'}[case]
        (home / "keras.json").write_text(text)
    if case == "legacy":
        environment |= {"TF_USE_LEGACY_KERAS": "1", "KERAS_BACKEND": "jax"}
    program = (
        "from adhelpers.ground import keras_settings, load_keras, UserError\n"
        "print(*keras_settings().items())\n"
        "try: config = load_keras().config\n"
        "except UserError as error: print(error)\n"
        "else: print(config.backend(), config.floatx(), config.image_data_format())\n"
        "import tensorflow as tf\n"
        "print(tf.keras.Sequential.__module__)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment | {"KERAS_HOME": str(home)},
        capture_output=True,
        text=True,
    )
    shown, found, *last = done.stdout.splitlines()
    names = {
        "cf": "('image_data_format', 'channels_first')",
        "f16": "('floatx', 'float16')",
        "value": "('floatx', 'float7')",
        "legacy": "('backend', 'jax') ('TF_USE_LEGACY_KERAS', '1')",
        "jax": "('backend', 'jax')",
        "torch": "('backend', 'torch')",
    }
    assert shown == names.get(case, f"('{home / 'keras.json'}', 'no JSON object')")
    if case in ("list", "value"):
        assert str(home / "keras.json") in found
        assert "mend or delete this file" in found
    else:
        assert done.stderr == ""
        assert found == "tensorflow float32 channels_last"
        assert "tf_keras" not in last[0]


def test_doctor_shows_settings_that_are_passed_over(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(CASES / "keras_json/f16"))
    assert main(["doctor", "--weights", "none"]) == 0
    shown = "tensorflow, float32, channels_last; other settings are passed over: floatx float16"
    assert shown in lines(capsys)["Keras"]
