"""Masks that are no whole image: none is read as a smaller defect, or waited for."""

import os
import struct
import zlib

import cv2
import numpy as np
import pytest

from adhelpers.datasets import read_mask
from adhelpers.ground import UserError

pytestmark = pytest.mark.trouble

MASK = np.zeros((64, 96), np.uint8)
MASK[40:60, 10:70] = 255
SUFFIXES = [".png", ".jpg", ".bmp", ".tif", ".webp"]


def encoded(suffix):
    return cv2.imencode(suffix, MASK)[1].tobytes()


def png_header(height, width):
    """Return a PNG file of a header alone (ISO 15948, 11.2.2)."""
    content = b"IHDR" + struct.pack(">2I5B", width, height, 8, 0, 0, 0, 0)
    header = struct.pack(">I", 13) + content + struct.pack(">I", zlib.crc32(content))
    return b"\x89PNG\r\n\x1a\n" + header + b"\0\0\0\0IEND\xaeB`\x82"


def complaint_about(path):
    """Return what is said of a mask that is refused, in one line that names it."""
    with pytest.raises(UserError) as caught:
        read_mask(path, MASK.shape)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_whole(tmp_path, suffix):
    path = tmp_path / f"mask{suffix}"
    path.write_bytes(encoded(suffix))
    wrong = (read_mask(path, MASK.shape) != (MASK > 0)).mean()
    assert wrong == 0 if suffix in (".png", ".bmp", ".tif") else wrong < 0.01


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_cut_anywhere(tmp_path, suffix):
    """OpenCV fills up a PNG or a JPEG, by its version without a word."""
    content, path = encoded(suffix), tmp_path / f"mask{suffix}"
    for stop in np.linspace(0, len(content) - 16, 20).astype(int):
        path.write_bytes(content[:stop])
        known = suffix in (".png", ".jpg") and stop > 8
        assert ("cut off" if known else "not an image") in complaint_about(path)


def test_more_pixels_than_an_image_may_have(tmp_path):
    path = tmp_path / "mask.png"
    path.write_bytes(png_header(20_000, 20_000))
    assert "above the limit" in complaint_about(path)


def test_a_device_or_a_pipe_is_not_opened(tmp_path):
    if not hasattr(os, "mkfifo"):
        pytest.skip("no pipes in this system's folders")
    os.mkfifo(tmp_path / "mask.png")
    for path in (tmp_path / "mask.png", "/dev/zero"):
        assert "pipe, socket or device" in complaint_about(path)


def test_a_file_longer_than_an_image(tmp_path, monkeypatch):
    monkeypatch.setenv("ADHELPERS_MAX_PIXELS", "1000")
    path = tmp_path / "mask.bmp"
    path.write_bytes(bytes(2**20 + 8001))
    assert "longer than an image" in complaint_about(path)
