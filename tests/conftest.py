"""What the tests share: small data sets, an untrained network, and real images where they are."""

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

import adhelpers as ad


def _folder(variable: str) -> Path:
    """Return the folder that an environment variable names, or skip, saying so."""
    folder = os.environ.get(variable)
    if not folder:
        pytest.skip(f"{variable} is not set: no real data for this test")
    return Path(folder)


@pytest.fixture(scope="session")
def mvtec_root() -> Path:
    """MVTec AD's `toothbrush` and `screw`, real images."""
    return _folder("ADHELPERS_TEST_DATA") / "mvtec_ad"


@pytest.fixture(scope="session")
def v2b0_weights() -> Path:
    """Real ImageNet weights of EfficientNetV2-B0."""
    return _folder("ADHELPERS_TEST_WEIGHTS") / "efficientnetv2-b0_notop.weights.h5"


def draw_image(seed: int, anomalous: bool = False, size: int = 64) -> np.ndarray:
    """Draw a smooth random texture; an anomalous one has a bright square."""
    rng = np.random.default_rng(seed)
    image = rng.normal(128, 40, (size, size, 3)).astype(np.float32)
    image = np.clip(cv2.GaussianBlur(image, (0, 0), 2) * 3 - 256, 0, 255).astype(np.uint8)
    if anomalous:
        image[20:36, 20:36] = 250
    return image


def write_image(path: Path, image: np.ndarray) -> Path:
    """Write an RGB image; the suffix says how."""
    path.parent.mkdir(parents=True, exist_ok=True)
    ok, data = cv2.imencode(path.suffix, image[..., ::-1] if image.ndim == 3 else image)
    assert ok
    path.write_bytes(data.tobytes())
    return path


def write_category(folder: Path, n_train: int = 6, n_good: int = 3, n_bad: int = 3) -> Path:
    """Write a small category in MVTec's layout."""
    for i in range(n_train):
        write_image(folder / "train" / "good" / f"{i:03d}.png", draw_image(i))
    for i in range(n_good):
        write_image(folder / "test" / "good" / f"{i:03d}.png", draw_image(100 + i))
    for i in range(n_bad):
        write_image(folder / "test" / "spot" / f"{i:03d}.png", draw_image(200 + i, anomalous=True))
    return folder


@pytest.fixture
def small_root(tmp_path) -> Path:
    """A data set's folder with one small category, `plate`."""
    write_category(tmp_path / "data" / "plate")
    return tmp_path / "data"


@pytest.fixture(scope="session")
def untrained() -> ad.Extractor:
    """An extractor with untrained EfficientNet-B0, built once."""
    return ad.Extractor("efficientnet-b0", weights="none", batch_size=4)
