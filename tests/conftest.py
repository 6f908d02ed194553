"""What the tests share: small data sets, an untrained network, and real images where they are."""

import os
from pathlib import Path

import pytest
from pictures import write_category

import adhelpers as ad
from adhelpers import backbones


def _folder(variable: str) -> Path:
    """Return the folder that an environment variable names, or skip, saying so."""
    folder = os.environ.get(variable)
    if not folder:
        pytest.skip(f"{variable} is not set: no real data for this test")
    return Path(folder)


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory):
    """Keep converted models for this run of the tests alone."""
    if "ADHELPERS_CACHE" in os.environ:
        return
    os.environ["ADHELPERS_CACHE"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session")
def mvtec_root() -> Path:
    """MVTec AD's `toothbrush` and `screw`, real images."""
    return _folder("ADHELPERS_TEST_DATA") / "mvtec_ad"


@pytest.fixture(scope="session")
def v2b0_weights() -> Path:
    """Real ImageNet weights of EfficientNetV2-B0."""
    return _folder("ADHELPERS_TEST_WEIGHTS") / "efficientnetv2-b0_notop.weights.h5"


@pytest.fixture
def small_root(tmp_path) -> Path:
    """A data set's folder with one small category, `plate`."""
    write_category(tmp_path / "data" / "plate")
    return tmp_path / "data"


@pytest.fixture(scope="session")
def untrained() -> ad.Extractor:
    """An extractor with untrained EfficientNet-B0, built once."""
    return ad.Extractor("efficientnet-b0", weights="none", batch_size=4, engine="keras")


@pytest.fixture(scope="session")
def small_b0() -> ad.backbones.Backbone:
    """EfficientNet-B0 with the built-in weights, for images of 64 pixels."""
    return ad.backbones.load_backbone("efficientnet-b0", "builtin", input_size=64)


@pytest.fixture(scope="session")
def small_b0_model(small_b0) -> bytes:
    """The same as a float32 TFLite model, converted once."""
    return backbones.convert(small_b0)
