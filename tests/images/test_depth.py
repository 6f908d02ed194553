"""How many bits of 16-bit images are in use, and what is kept of them."""

import cv2
import numpy as np
import pytest

from adhelpers import edge, images
from adhelpers.ground import UserError

pytestmark = pytest.mark.trouble


def written(path, image) -> str:
    assert cv2.imwrite(str(path), image)
    return path


@pytest.mark.parametrize(
    ("largest", "bits"),
    [(1, 8), (255, 8), (256, 10), (1023, 10), (1024, 12), (4096, 14), (2**14, 16), (65535, 16)],
)
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_the_largest_value_of_a_folder_tells(largest, bits, suffix, tmp_path):
    paths = [
        written(tmp_path / f"{i}{suffix}", np.full((9, 7, 3), value, np.uint16))
        for i, value in enumerate((0, largest, largest // 2))
    ]
    paths += [written(tmp_path / "a.png", np.full((9, 7), 200, np.uint8)), tmp_path / "none.png"]
    assert images.bits_in_use(paths) == bits


def test_images_of_8_bits_do_not_count(tmp_path):
    paths = [
        written(tmp_path / f"a{suffix}", np.full((9, 7, 3), 9, np.uint8))
        for suffix in (".png", ".jpg", ".bmp", ".tif", ".webp")
    ]
    assert images.bits_in_use(paths) == 16


@pytest.mark.parametrize("bits", images.DEPTHS)
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_the_upper_8_of_the_bits_in_use_are_kept(bits, suffix, tmp_path):
    deep = np.random.default_rng(0).integers(0, 2**bits, (30, 20, 3)).astype(np.uint16)
    path = written(tmp_path / f"a{suffix}", deep[..., ::-1])
    assert np.array_equal(images.read(path, bits), deep // 2 ** (bits - 8))
    assert np.array_equal(edge.decode(path.read_bytes(), "", bits), deep // 2 ** (bits - 8))


def test_more_than_the_bits_is_an_error(tmp_path):
    path = written(tmp_path / "a.png", np.full((9, 7), 1024, np.uint16))
    for read, error in ((images.read, UserError), (edge.decode, edge.EdgeError)):
        source = path if read is images.read else path.read_bytes()
        with pytest.raises(error, match=r"reaches 1024, beyond the 10 bits \(0-1023\)"):
            read(source, bits=10)
