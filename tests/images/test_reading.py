import os
import socket
import struct
import time
import tracemalloc
import zlib
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
import PIL.Image
import pytest
from pictures import draw_image, write_image

from adhelpers import images
from adhelpers.ground import UserError
from adhelpers.images import headers

pytestmark = pytest.mark.trouble

CASES = Path(__file__).parents[1] / "cases"


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


def _jpeg(picture=None, **options) -> bytes:
    buffer = BytesIO()
    PIL.Image.fromarray(draw_image(0) if picture is None else picture).save(
        buffer, "JPEG", **options
    )
    return buffer.getvalue()


def _with_preview(jpeg: bytes) -> bytes:
    """A JPEG with another one, whole, in a segment at its start, as cameras write it."""
    preview = _jpeg(draw_image(1)[:16, :16])
    segment = b"Exif\0\0" + preview
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment + jpeg[2:]


@pytest.fixture
def old_opencv(monkeypatch):
    """OpenCV as of 4.6, which decodes as much of a JPEG as is there without a word."""

    def imdecode(data, how):
        with BytesIO(data.tobytes()) as file:
            PIL.ImageFile.LOAD_TRUNCATED_IMAGES = True
            return np.asarray(PIL.Image.open(file).convert("RGB"))

    monkeypatch.setattr(cv2, "imdecode", imdecode)
    yield
    PIL.ImageFile.LOAD_TRUNCATED_IMAGES = False


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_rows": 1}])
@pytest.mark.parametrize("change", [bytes, _with_preview], ids=["plain", "preview"])
def test_a_jpeg_that_is_cut_off_is_refused_by_any_opencv(old_opencv, options, change):
    whole = change(_jpeg(**options))
    assert images.decode(whole).shape == (64, 64, 3)
    assert images.decode(whole + b"\0\xff\xda\0\0" * 300).shape == (64, 64, 3)
    for length in (len(whole) - 2, len(whole) * 3 // 4, len(whole) // 2, 700):
        with pytest.raises(UserError, match=r"cut off: the end of a JPEG file is missing"):
            images.decode(whole[:length])


def test_half_a_jpeg_of_a_user(old_opencv):
    assert images.read(CASES / "edge_opencv46/fb.jpg").shape == (512, 512, 3)
    with pytest.raises(UserError, match=r"half\.jpg: cut off"):
        images.read(CASES / "edge_opencv46/half.jpg")


@pytest.mark.parametrize("more", [b"\0" * 5000, b"a note"])
def test_bytes_after_the_end_of_a_png(more):
    assert np.array_equal(images.decode(_png() + more), images.decode(_png()))


def test_alpha_of_a_tiff_is_dropped_as_of_a_png(tmp_path):
    part = CASES / "rgba_tiff"
    assert np.array_equal(images.read(part / "part.tif"), images.read(part / "part.png"))
    image = draw_image(0)
    for alpha in (0, 7, 255):
        rgba = np.dstack([image, np.full((64, 64), alpha, np.uint8)])
        for compression in (None, "tiff_lzw", "tiff_adobe_deflate"):
            PIL.Image.fromarray(rgba).save(tmp_path / "a.tif", compression=compression)
            assert np.array_equal(images.read(tmp_path / "a.tif"), image)
        deep = cv2.imencode(".tif", rgba[..., [2, 1, 0, 3]].astype(np.uint16) * 256 + 99)[1]
        assert np.array_equal(images.decode(deep.tobytes()), image)


def _tiff(bits: int, content: bytes, kind: int = 1, side: tuple[int, int] = (20, 32)) -> bytes:
    """Write a grey TIFF by hand: `kind` 1 are whole numbers, 3 floats."""
    height, width = side
    tags = [(256, width), (257, height), (258, bits), (259, 1), (262, 1), (273, 8)]
    tags += [(277, 1), (278, height), (279, len(content)), (339, kind)]
    table = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    start = struct.pack("<4sI", b"II*\0", 8 + len(content))
    return start + content + struct.pack("<H", len(tags)) + table + bytes(4)


def test_12_bit_tiffs_keep_their_upper_8_bits():
    values = np.arange(640).reshape(20, 32) * 6
    pairs = values.reshape(-1, 2)
    packed = [pairs[:, 0] >> 4, (pairs[:, 0] & 15) << 4 | pairs[:, 1] >> 8, pairs[:, 1] & 255]
    image = images.decode(_tiff(12, np.stack(packed, 1).astype(np.uint8).tobytes()))
    assert np.array_equal(image, np.repeat((values >> 4)[..., None], 3, axis=2))


def test_a_1_bit_tiff(tmp_path):
    black = draw_image(0)[..., 0] > 128
    PIL.Image.fromarray(black).save(tmp_path / "a.tif", compression="group4")
    assert np.array_equal(images.read(tmp_path / "a.tif")[..., 1], black * 255)


@pytest.mark.parametrize(("bits", "kind"), [(32, 3), (32, 1), (64, 3), (24, 1)])
def test_samples_without_a_range_are_refused(bits, kind):
    with pytest.raises(UserError, match=f"samples of {bits} bits, whose range is not known; save"):
        images.decode(_tiff(bits, bytes(20 * 32 * bits // 8), kind))


def _huge(form: str) -> bytes:
    if form == "png":
        data = bytearray(_png())
        data[16:24] = (60_000).to_bytes(4, "big") * 2
        data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
        return bytes(data)
    if form == "jpeg":
        whole = _jpeg()
        place = whole.index(b"\xff\xc0") + 5
        return whole[:place] + (60_000).to_bytes(2, "big") * 2 + whole[place + 4 :]
    if form == "bmp":
        return b"BM" + bytes(16) + struct.pack("<ii", 60_000, -60_000) + bytes(100)
    return _tiff(1, b"", side=(60_000, 60_000))


@pytest.mark.parametrize("form", ["png", "jpeg", "bmp", "tiff"])
def test_too_many_pixels_are_refused_before_anything_is_decoded(form, monkeypatch):
    monkeypatch.setattr(cv2, "imdecode", None)
    with pytest.raises(UserError, match=r"60000 x 60000 pixels, above the limit of 268435456"):
        images.decode(_huge(form), "a")


def test_the_limit_is_raised_by_a_variable(monkeypatch):
    monkeypatch.setenv(headers.LIMIT_VARIABLE, "4095")
    with pytest.raises(UserError, match="64 x 64 pixels, above the limit of 4095"):
        images.decode(_png())
    monkeypatch.setenv(headers.LIMIT_VARIABLE, "4096")
    assert images.decode(_png()).shape == (64, 64, 3)
    monkeypatch.setenv(headers.LIMIT_VARIABLE, "many")
    with pytest.raises(UserError, match="ADHELPERS_MAX_PIXELS must be a number of pixels"):
        images.decode(_png())


@pytest.mark.parametrize("shape", [(1, 60_000), (60_000, 1)])
def test_a_line_is_too_long_for_crop(shape, tmp_path):
    path = write_image(tmp_path / "line.png", np.zeros((*shape, 3), np.uint8))
    assert images.to_square(images.read(path), 224).shape == (224, 224, 3)
    (picture,) = images.stream([path], 224, "crop")
    assert "line.png" in str(picture.error)
    assert "too long for crop" in str(picture.error)


def _odd_files(folder: Path) -> dict[str, Path]:
    """Make files that are no images, and that take for ever, or all memory, to read."""
    names = ("pipe", "socket", "device", "sparse", "folder")
    odd = {name: folder / f"{name}.png" for name in names}
    os.mkfifo(odd["pipe"])
    with socket.socket(socket.AF_UNIX) as unix:
        unix.bind(str(odd["socket"]))
    odd["device"].symlink_to("/dev/zero")
    with odd["sparse"].open("wb") as file:
        file.truncate(100 * 10**9)
    odd["folder"].mkdir()
    return odd


@pytest.mark.skipif(os.name != "posix", reason="pipes and devices are POSIX")
def test_only_ordinary_files_of_an_image_s_size_are_opened(tmp_path):
    odd = _odd_files(tmp_path)
    for path in odd.values():
        with pytest.raises(UserError, match=path.name):
            images.read(path)
    pictures = list(images.stream(list(odd.values()), 32))
    assert all(path.name in str(x.error) for path, x in zip(odd.values(), pictures, strict=True))
    assert "100000000000 bytes, longer than an image" in str(pictures[3].error)
