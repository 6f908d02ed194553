import time
import tracemalloc
import zlib

import cv2
import numpy as np
import PIL.Image
import pytest
from pictures import draw_image, write_image

from adhelpers import images
from adhelpers.ground import UserError


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif", ".webp"])
def test_reading_agrees_with_pillow(tmp_path, suffix):
    path = write_image(tmp_path / f"Prüfling 検査{suffix}", draw_image(0))
    expected = np.asarray(PIL.Image.open(path).convert("RGB"))
    difference = np.abs(images.read(path).astype(int) - expected).max()
    assert difference <= (1 if suffix == ".webp" else 0)


def test_jpeg_agrees_with_pillow_within_rounding(tmp_path):
    path = write_image(tmp_path / "a.jpg", draw_image(0))
    expected = np.asarray(PIL.Image.open(path).convert("RGB"))
    assert np.abs(images.read(path).astype(int) - expected).mean() < 1


def test_grey_images_get_three_equal_channels(tmp_path):
    grey = draw_image(0)[..., 0]
    image = images.read(write_image(tmp_path / "a.png", grey))
    assert image.shape == (64, 64, 3)
    assert all(np.array_equal(image[..., c], grey) for c in range(3))


def test_16_bit_images_keep_their_upper_8_bits(tmp_path):
    deep = np.random.default_rng(0).integers(0, 65536, (20, 30), dtype=np.uint16)
    image = images.read(write_image(tmp_path / "a.png", deep))
    assert image.dtype == np.uint8
    assert np.array_equal(image[..., 0], deep >> 8)


def test_alpha_is_dropped(tmp_path):
    rgba = np.dstack([draw_image(0)[..., ::-1], np.full((64, 64), 7, np.uint8)])
    (tmp_path / "a.png").write_bytes(cv2.imencode(".png", rgba)[1].tobytes())
    assert np.array_equal(images.read(tmp_path / "a.png"), draw_image(0))


def _png() -> bytes:
    return cv2.imencode(".png", draw_image(0))[1].tobytes()


def _huge_png() -> bytes:
    """A PNG whose header promises 40,000 x 40,000 pixels, with the checksum that belongs to it."""
    data = bytearray(_png())
    data[16:24] = (40_000).to_bytes(4, "big") * 2
    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    return bytes(data)


@pytest.mark.parametrize(
    "data",
    [b"", b"no image at all", _png()[:-4], _png()[: len(_png()) // 2], _huge_png()],
    ids=["empty", "text", "end missing", "half", "too many pixels"],
)
def test_bad_files_are_named(tmp_path, data):
    path = tmp_path / "bad.png"
    path.write_bytes(data)
    with pytest.raises(UserError, match=r"bad\.png"):
        images.read(path)


def test_a_truncated_png_prints_nothing_of_its_own(tmp_path, capfd):
    with pytest.raises(UserError):
        images.decode(_png()[: len(_png()) // 2])
    assert capfd.readouterr().err == ""


def test_square_agrees_with_area_averaging():
    image = draw_image(0, size=128)
    expected = image.reshape(64, 2, 64, 2, 3).mean(axis=(1, 3))
    assert np.abs(images.to_square(image, 64) - expected).max() <= 0.5


def test_growing_is_smooth():
    image = np.zeros((2, 2, 3), np.uint8)
    image[:, 1] = 200
    row = images.to_square(image, 16)[0, :, 0].astype(int)
    assert np.all(np.diff(row) >= 0)
    assert len(np.unique(row)) > 4


@pytest.mark.parametrize("shape", [(300, 400), (400, 300), (256, 256), (90, 1000)])
def test_crop_keeps_the_aspect_and_the_centre(shape):
    height, width = shape
    rows, columns = np.mgrid[:height, :width]
    image = np.dstack([rows * 255 / (height - 1), columns * 255 / (width - 1), 0 * rows])
    cropped = images.to_square(image.astype(np.uint8), 224, "crop").astype(float)
    assert cropped.shape == (224, 224, 3)
    for channel, (side, axis) in enumerate([(height, 0), (width, 1)]):
        profile = cropped[..., channel].mean(axis=1 - axis)
        assert profile.mean() == pytest.approx(127.5, abs=1.5)
        kept = 224 / 256 * min(shape) / side
        assert profile[-1] - profile[0] == pytest.approx(255 * kept, abs=3)


def test_stream_keeps_order_and_skips_known_files(tmp_path):
    paths = [write_image(tmp_path / f"{i}.png", draw_image(i)) for i in range(12)]
    pictures = list(images.stream(paths, 32))
    assert [p.index for p in pictures] == list(range(12))
    assert np.array_equal(pictures[5].pixels, images.to_square(draw_image(5), 32))
    again = list(images.stream(paths, 32, known={pictures[3].digest}))
    assert [p.index for p in again if p.pixels is None] == [3]
    assert [p.digest for p in again] == [p.digest for p in pictures]


def test_stream_gives_an_error_in_its_place(tmp_path):
    paths = [write_image(tmp_path / f"{i}.png", draw_image(i)) for i in range(3)]
    paths[1].write_bytes(b"")
    paths.append(tmp_path / "gone.png")
    errors = [picture.error for picture in images.stream(paths, 32)]
    assert [error is None for error in errors] == [True, False, True, False]
    assert "gone.png" in str(errors[3])


def test_memory_does_not_grow_with_the_number_of_images(tmp_path):
    path = write_image(tmp_path / "a.png", draw_image(0, size=256))

    def peak(count):
        tracemalloc.start()
        for _ in images.stream([path] * count, 256, workers=2):
            time.sleep(0.001)  # a consumer slower than the decoding
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    assert peak(120) < 1.5 * peak(20)


def test_unknown_protocol_names_the_valid_ones():
    with pytest.raises(UserError, match="square, crop"):
        images.output_size("round", 224)
