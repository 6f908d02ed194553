"""What the built-in weights do where TensorFlow cannot be imported, and what is said elsewhere."""

import os
import subprocess
import sys

import numpy as np
import pytest
from forbidden import TENSORFLOW, without

import adhelpers as ad
from adhelpers import backbones
from adhelpers.datasets import synthetic
from tools.builtin_weights import frame

DATA = "--data_path data --save_path out --category weave"
PRECISIONS = ("float32", "float16", "dynamic", "int8-weights", "int8", "int8-mixed")
WORKS = [
    f"run {DATA} --weights builtin --no_quantize",
    "fit data/weave/train --weights builtin -o detector.tflite --sums",
    "score detector.tflite data/weave/test",
    "refit detector.tflite data/weave/test/good -o new.tflite",
    f"explain {DATA} --weights builtin",
    f"explain {DATA} --weights builtin --detector pooled",
    "doctor --weights builtin",
    *(
        f"export {DATA} --weights builtin --precision {x} --detector pooled -o {x}.tflite"
        for x in PRECISIONS
    ),
]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a few images."""
    folder = tmp_path_factory.mktemp("without")
    synthetic.write(folder / "data", ["weave"], n_train=10, n_test_good=2, n_per_defect=1)
    return folder


def called(words: list[str], folder) -> subprocess.CompletedProcess:
    """Run commands in one process that cannot import TensorFlow, until one fails."""
    program = (
        "import sys; from adhelpers.cli import main\n"
        f"for words in {words!r}:\n"
        "    if code := main(words.split()): print('failed:', words); sys.exit(code)\n"
    )
    variables = {**os.environ, **without(TENSORFLOW, folder), "ADHELPERS_CACHE": "cache"}
    command = [sys.executable, "-c", program]
    return subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True)


def test_the_built_in_weights_do_without(place):
    done = called(WORKS, place)
    assert done.returncode == 0, done.stdout[-1000:] + done.stderr[-2000:]
    assert (place / "int8-mixed.tflite").stat().st_size < 10e6


@pytest.mark.parametrize("more", ["--weights none", "--weights builtin --input_size 96"])
def test_where_it_is_needed_one_line_says_so(place, more):
    done = called([f"fit data/weave/train {more} -o x.tflite"], place)
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert "TensorFlow is needed for this, and cannot be imported (forbidden)" in done.stderr


def test_the_network_at_hand_is_what_the_converter_makes():
    """Up to last bits, and the layers' names, which Keras counts on in a process."""
    converted = backbones.convert(backbones.load_backbone(weights="builtin"))
    image = np.stack([ad.images.to_square(synthetic.draw("weave")[0], 224, "square")])
    expected = backbones.LiteRTRunner(converted).pooled(image)
    found = backbones.LiteRTRunner(backbones.builtin.tflite_model()).pooled(image)
    for name, x in expected.items():
        np.testing.assert_allclose(found[name], x, rtol=1e-5, atol=1e-5 * np.abs(x).max())
    made = frame.frame_of(converted)
    with np.load(backbones.builtin.FRAME) as shipped:
        assert sorted(shipped) == sorted(made)
        for name in set(made) - {"model", "record"}:
            np.testing.assert_allclose(shipped[name], made[name], rtol=1e-6)
    assert operators(backbones.builtin.tflite_model()) == operators(converted)


def operators(model: bytes) -> list[tuple]:
    """Return a model's operators in order, each with the shapes of what it makes."""
    graph = backbones.Graph(model).main
    shapes = [tuple(tensor.shape) for tensor in graph.tensors]
    return [(x.opcodeIndex, *(shapes[i] for i in x.outputs)) for x in graph.operators]


def test_a_damaged_frame_is_one_line(tmp_path, monkeypatch):
    path = tmp_path / "frame.npz"
    whole = backbones.builtin.FRAME.read_bytes()
    for content in (b"", whole[:-500], whole[:5000] + b"damage" + whole[5006:]):
        path.write_bytes(content)
        with pytest.raises(ad.ground.UserError, match="damaged or missing"):
            backbones.builtin.tflite_model(path)
