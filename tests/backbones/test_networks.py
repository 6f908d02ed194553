import functools
import hashlib
import http.server
import random
import threading

import h5py
import numpy as np
import pytest
from pictures import draw_image

from adhelpers import backbones
from adhelpers.backbones import networks
from adhelpers.ground import UserError

# Channels per level, from the papers' tables (Tan and Le 2019, table 1, scaled as in its official
# code; Tan and Le 2021, table 4 scaled likewise).
CHANNELS = {
    "efficientnet-b0": [32, 16, 24, 40, 80, 112, 192, 320, 1280],
    "efficientnet-b1": [32, 16, 24, 40, 80, 112, 192, 320, 1280],
    "efficientnet-b2": [32, 16, 24, 48, 88, 120, 208, 352, 1408],
    "efficientnet-b3": [40, 24, 32, 48, 96, 136, 232, 384, 1536],
    "efficientnet-b4": [48, 24, 32, 56, 112, 160, 272, 448, 1792],
    "efficientnet-b5": [48, 24, 40, 64, 128, 176, 304, 512, 2048],
    "efficientnet-b6": [56, 32, 40, 72, 144, 200, 344, 576, 2304],
    "efficientnet-b7": [64, 32, 48, 80, 160, 224, 384, 640, 2560],
    "efficientnetv2-b0": [32, 16, 32, 48, 96, 112, 192, 1280],
    "efficientnetv2-b1": [32, 16, 32, 48, 96, 112, 192, 1280],
    "efficientnetv2-b2": [32, 16, 32, 56, 104, 120, 208, 1408],
    "efficientnetv2-b3": [40, 16, 40, 56, 112, 136, 232, 1536],
}
SIZES = [224, 240, 260, 300, 380, 456, 528, 600, 224, 240, 260, 300]
B0 = "efficientnet-b0"


@pytest.mark.parametrize("name", CHANNELS)
def test_levels_have_the_published_channels(name):
    levels = backbones.load_backbone(name, "none", input_size=64).levels
    assert list(levels.values()) == CHANNELS[name]
    assert list(levels) == [f"level_{i + 1}" for i in range(len(levels))]


def test_own_input_sizes():
    assert [chosen.input_size for chosen in backbones.VARIANTS.values()] == SIZES


@pytest.mark.parametrize(
    ("name", "ends"),
    [
        (B0, "1a_project_bn 2b_add 3b_add 4c_add 5c_add 6d_add 7a_project_bn"),
        ("efficientnet-b4", "1b_add 2d_add 3d_add 4f_add 5f_add 6h_add 7b_add"),
        ("efficientnetv2-b0", "1a_project_activation 2b_add 3b_add 4c_add 5e_add 6h_add"),
    ],
)
def test_levels_end_where_the_stages_end(name, ends):
    model = backbones.load_backbone(name, "none", input_size=64).model
    found = [tensor._keras_history.operation.name for tensor in model.output.values()]
    assert found == ["stem_activation", *(f"block{e}" for e in ends.split()), "top_activation"]


def test_names_and_sums_are_those_of_keras():
    from keras.src.applications import efficientnet, efficientnet_v2

    for chosen in backbones.VARIANTS.values():
        module = efficientnet_v2 if "V2" in chosen.application else efficientnet
        assert module.WEIGHTS_HASHES[chosen.application[-2:].lower()][1] == chosen.weights_md5
    assert {*networks.WEIGHTS_URLS.values()} == {
        efficientnet.BASE_WEIGHTS_PATH,
        efficientnet_v2.BASE_WEIGHTS_PATH,
    }
    assert backbones.VARIANTS[B0].weights_file == "efficientnetb0_notop.h5"
    assert backbones.VARIANTS["efficientnetv2-b0"].weights_file == "efficientnetv2-b0_notop.h5"


def test_untrained_weights_come_from_the_seed_alone():
    state = random.getstate()
    one, again = (
        backbones.load_backbone(B0, "none", 64, seed=3).model.get_weights() for _ in range(2)
    )
    other = backbones.load_backbone(B0, "none", 64, seed=4).model.get_weights()
    assert random.getstate() == state
    assert all(np.array_equal(a, b) for a, b in zip(one, again, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


# --- preprocessing and weights ----------------------------------------------------------------


@pytest.fixture(scope="module")
def official(tmp_path_factory):
    """A file in the format of Keras' official ones, with the statistics that those hold."""
    import keras
    from keras.src.legacy.saving import legacy_h5_format

    network = keras.applications.EfficientNetB0(
        weights=None, include_top=False, input_shape=(64, 64, 3)
    )
    (layer,) = (x for x in network.layers if isinstance(x, keras.layers.Normalization))
    layer.adapt_mean.assign(backbones.IMAGENET_MEAN)
    layer.adapt_variance.assign(backbones.IMAGENET_STD)  # sic: the official file holds std
    path = tmp_path_factory.mktemp("official") / "efficientnetb0_notop.h5"
    with h5py.File(path, "w") as file:
        legacy_h5_format.save_weights_to_hdf5_group(file, network)
    return path, network


@pytest.fixture
def server(official, monkeypatch, tmp_path):
    """Keras' download server as far as B0 goes, here; and an empty Keras cache folder."""
    path, _ = official
    served = tmp_path / "served"
    served.mkdir()
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=served)
    handler.log_message = lambda *_: None
    monkeypatch.setattr(http.server.SimpleHTTPRequestHandler, "log_message", lambda *_: None)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{running.server_port}/"
        md5 = hashlib.md5(path.read_bytes()).hexdigest()
        monkeypatch.setitem(
            backbones.VARIANTS, B0, backbones.VARIANTS[B0]._replace(weights_md5=md5)
        )
        monkeypatch.setitem(networks.WEIGHTS_URLS, "EfficientNet", url)
        monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
        yield served
        running.shutdown()


def first_convolution_input(backbone, image):
    import keras

    tensor = backbone.model.get_layer("stem_conv").input
    while tensor._keras_history.operation.name.endswith("_pad"):
        tensor = tensor._keras_history.operation.input
    part = keras.Model(backbone.model.input, tensor)
    return np.asarray(part(image[None].astype(np.float32)))[0]


def expected_input(image):
    return (image / 255 - np.array([0.485, 0.456, 0.406])) / np.array([0.229, 0.224, 0.225])


@pytest.mark.parametrize("name", [B0, "efficientnetv2-b0"])
def test_preprocessing_untrained(name):
    image = draw_image(0)
    found = first_convolution_input(backbones.load_backbone(name, "none", 64), image)
    np.testing.assert_allclose(found, expected_input(image), atol=1e-5)


def test_preprocessing_from_a_file(official):
    image = draw_image(0)
    backbone = backbones.load_backbone(B0, official[0], 64)
    np.testing.assert_allclose(
        first_convolution_input(backbone, image), expected_input(image), atol=1e-5
    )


def test_preprocessing_of_a_v2_file(v2b0_weights):
    image = draw_image(0)
    backbone = backbones.load_backbone("efficientnetv2-b0", v2b0_weights, 64)
    np.testing.assert_allclose(
        first_convolution_input(backbone, image), expected_input(image), atol=1e-5
    )


def test_imagenet_is_downloaded_once_and_preprocessed_rightly(official, server, capsys):
    path, network = official
    (server / path.name).write_bytes(path.read_bytes())
    backbone = backbones.load_backbone(B0, "imagenet", 64)
    (server / path.name).unlink()
    again = backbones.load_backbone(B0, "imagenet", 64)  # from the cache folder
    image = draw_image(0)
    for loaded in (backbone, again):
        assert loaded.weights == "imagenet"
        np.testing.assert_allclose(
            first_convolution_input(loaded, image), expected_input(image), atol=1e-5
        )
        kernel = loaded.model.get_layer("top_conv").kernel
        assert np.array_equal(kernel, network.get_layer("top_conv").kernel)


def test_keras_own_imagenet_model_gives_the_same_levels(official, server):
    """The oracle: Keras with ``weights="imagenet"``, its file checked in place of ours."""
    import keras
    from keras.src.applications import efficientnet

    path, _ = official
    place = server.parent / "keras" / "models"
    place.mkdir(parents=True)
    (place / path.name).write_bytes(path.read_bytes())
    hashes = {"b0": (None, backbones.VARIANTS[B0].weights_md5)}
    image = draw_image(0)[None].astype(np.float32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(efficientnet, "WEIGHTS_HASHES", hashes)
        patch.setattr(efficientnet.file_utils, "get_file", lambda name, *_, **__: str(place / name))
        theirs = keras.applications.EfficientNetB0(
            weights="imagenet", include_top=False, input_shape=(64, 64, 3)
        )
    ours = backbones.load_backbone(B0, "imagenet", 64)
    expected = np.asarray(theirs(image))
    found = np.asarray(ours.model(image)["level_9"])
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


def test_a_failed_download_says_all_that_helps(server):
    with pytest.raises(UserError) as caught:
        backbones.load_backbone(B0, "imagenet", 64)
    message = str(caught.value)
    for word in (
        "404",
        "efficientnetb0_notop.h5",
        backbones.VARIANTS[B0].weights_md5,
        str(server.parent / "keras" / "models"),
        "--weights none",
    ):
        assert word in message
    assert "\n" not in message
    assert not list((server.parent / "keras" / "models").glob("*"))


def test_a_download_with_a_wrong_sum_is_not_used(official, server):
    (server / official[0].name).write_bytes(b"something else")
    with pytest.raises(UserError, match="could not be downloaded"):
        backbones.load_backbone(B0, "imagenet", 64)
    assert not list((server.parent / "keras" / "models").glob("*"))


def test_a_damaged_file_of_the_user_is_named_and_kept(server):
    place = server.parent / "keras" / "models" / "efficientnetb0_notop.h5"
    place.parent.mkdir(parents=True)
    place.write_bytes(b"half a file")
    with pytest.raises(UserError, match=r"damaged or another file: its MD5 is [0-9a-f]{32}"):
        backbones.load_backbone(B0, "imagenet", 64)
    assert place.read_bytes() == b"half a file"


def test_weights_of_another_network_are_refused(tmp_path):
    path = tmp_path / "v2.weights.h5"
    backbones.load_backbone("efficientnetv2-b0", "none", 64).model.save_weights(path)
    with pytest.raises(UserError, match="does not hold weights of efficientnet-b0"):
        backbones.load_backbone(B0, path, 64)


def test_a_file_that_lacks_layers_is_refused(tmp_path):
    """Keras itself only warns of such a file, and leaves the layers random."""
    path = tmp_path / "b0.weights.h5"
    backbones.load_backbone(B0, "none", 64).model.save_weights(path)
    with h5py.File(path, "a") as file:
        del file["layers/conv2d_5"]
    with pytest.raises(UserError, match="does not hold weights"):
        backbones.load_backbone(B0, path, 64)


@pytest.mark.parametrize("content", [b"", b"not HDF5"])
def test_a_file_that_is_no_weights_file_is_refused(tmp_path, content):
    path = tmp_path / "x.weights.h5"
    path.write_bytes(content)
    with pytest.raises(UserError, match="does not hold weights"):
        backbones.load_backbone(B0, path, 64)


def test_unknown_names_list_the_valid_ones(tmp_path):
    with pytest.raises(UserError, match=r"efficientnet-b0, .*efficientnetv2-b3"):
        backbones.load_backbone("resnet18")
    with pytest.raises(UserError, match="no such file; choose imagenet, builtin, none"):
        backbones.load_backbone(B0, tmp_path / "gone.h5")
