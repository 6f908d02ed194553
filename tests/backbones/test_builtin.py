"""The built-in weights: they load, they are the file's, and damage is seen."""

import shutil

import numpy as np
import pytest

import adhelpers as ad
from adhelpers.backbones import builtin
from adhelpers.ground import UserError
from tools.builtin_weights import measure


def test_the_file_is_small_and_says_what_it_is():
    _, record = builtin.load_weights()
    assert builtin.FILE.stat().st_size <= 9e6
    assert record["network"] == builtin.BACKBONE
    assert {"version", "teacher", "training_command", "images", "final_loss"} <= record.keys()


def test_the_network_has_the_files_values():
    backbone = ad.backbones.load_backbone("efficientnet-b0", "builtin", input_size=64)
    arrays, _ = builtin.load_weights()
    assert backbone.weights.startswith("built-in (SHA-256 ")
    for path, variable in builtin.named_weights(backbone.model).items():
        np.testing.assert_array_equal(variable.numpy(), arrays[path].astype(np.float32))


@pytest.mark.parametrize("place", [0.1, 0.5, 0.9])
def test_a_damaged_file_is_refused(tmp_path, place):
    path = tmp_path / "w.npz"
    shutil.copy(builtin.FILE, path)
    with path.open("r+b") as file:
        file.seek(int(place * path.stat().st_size))
        file.write(b"damage")
    with pytest.raises(UserError, match="damaged"):
        ad.backbones.load_backbone("efficientnet-b0", path, input_size=64)


def test_a_file_cut_off_is_refused(tmp_path):
    path = tmp_path / "w.npz"
    path.write_bytes(builtin.FILE.read_bytes()[:100_000])
    with pytest.raises(UserError, match="damaged"):
        builtin.load_weights(path)


def test_weights_of_another_network_are_refused():
    network = ad.backbones.load_backbone("efficientnet-b1", "none", input_size=64).model
    with pytest.raises(UserError, match="holds weights of efficientnet-b0"):
        builtin.load_into(network)
    with pytest.raises(UserError, match="alone, not of efficientnet-b4"):
        ad.backbones.load_backbone("efficientnet-b4", "builtin")


def test_they_serve_on_real_images(mvtec_root):
    extract = ad.Extractor("efficientnet-b0", "builtin")
    found = {
        name: measure.measure(extract, ad.datasets.load_mvtec(mvtec_root, name), copies=3)
        for name in ("toothbrush", "screw")
    }
    assert found["toothbrush"][0] > 94  # 95.0 when they were made
    assert found["screw"][1] > 82  # 85.3; fitted on copies in other light as well
