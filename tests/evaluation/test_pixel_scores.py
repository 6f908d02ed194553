"""Pixel scores against counting by hand."""

import cv2
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pictures import draw_image, write_image

from adhelpers import images
from adhelpers.datasets import Samples
from adhelpers.evaluation import pixel_scores
from adhelpers.ground import UserError

SHAPE = (2, 6, 7)
masks_and_maps = st.tuples(
    arrays(bool, SHAPE), arrays(np.int8, SHAPE, elements=st.integers(0, 9)).map(np.float64)
)


def overlap_at(masks, maps, threshold) -> float:
    """The mean share of a region's pixels that score at least the threshold, region by region."""
    shares = []
    for mask, scores in zip(masks, maps, strict=True):
        count, regions = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
        shares += [np.mean(scores[regions == region] >= threshold) for region in range(1, count)]
    return float(np.mean(shares))


@given(masks_and_maps, st.floats(0.01, 1))
def test_pro_is_the_area_under_overlaps_counted_region_by_region(pair, limit):
    masks, maps = pair
    assume(masks.any() and not masks.all())
    rates, overlaps = [0.0], [0.0]
    for threshold in np.unique(maps)[::-1]:
        rates.append(float(np.mean(maps[~masks] >= threshold)))
        overlaps.append(overlap_at(masks, maps, threshold))
    area = 0.0
    for x0, x1, y0, y1 in zip(rates, rates[1:], overlaps, overlaps[1:], strict=False):
        if x0 < min(x1, limit):
            end = y0 + (y1 - y0) * (min(x1, limit) - x0) / (x1 - x0)
            area += (min(x1, limit) - x0) * (y0 + end) / 2
    assert pixel_scores.pixel_curves(masks, maps).pro(limit) == pytest.approx(
        area / limit, abs=1e-9
    )


@given(masks_and_maps)
def test_pixel_auroc_is_the_share_of_pairs_in_order(pair):
    masks, maps = pair
    assume(masks.any() and not masks.all())
    bad, good = maps[masks][:, None], maps[~masks]
    pairs = np.mean((bad > good) + 0.5 * (bad == good))
    assert pixel_scores.pixel_curves(masks, maps).auroc == pytest.approx(pairs)


def test_a_small_region_weighs_as_much_as_a_large_one():
    """The large region is found first, the small one not before all else: 1/2 everywhere."""
    masks = np.zeros((1, 40, 40), dtype=bool)
    masks[0, :20, :20], masks[0, 30, 30] = True, True
    maps = np.zeros(masks.shape)
    maps[0, :20, :20], maps[0, 30, 30] = 1, -1
    assert pixel_scores.pixel_curves(masks, maps).pro() == pytest.approx(0.5)
    assert pixel_scores.pixel_curves(masks, maps).auroc == pytest.approx(400 / 401)


def test_touching_corners_make_one_region():
    masks = np.zeros((1, 8, 8), dtype=bool)
    masks[0, 2:4, 2:4] = masks[0, 4, 4] = True  # five pixels, joined at a corner
    maps = np.zeros(masks.shape)
    maps[0, 4, 4] = 1
    curves = pixel_scores.pixel_curves(masks, maps)
    assert curves.overlap[curves.false_positive_rate == 0].max() == pytest.approx(1 / 5)


@pytest.mark.parametrize(
    ("masks", "maps", "words"),
    [
        (np.zeros((1, 4, 4)), np.zeros((1, 4, 4)), "no defective pixels"),
        (np.ones((1, 4, 4)), np.zeros((1, 4, 4)), "no normal pixels"),
        (np.eye(4)[None], np.zeros((1, 4, 5)), r"\(1, 4, 4\) and maps \(1, 4, 5\)"),
        (np.eye(4), np.eye(4), r"must be \(N, H, W\)"),
        (np.eye(4)[None], np.full((1, 4, 4), np.nan), "NaN"),
    ],
)
def test_what_has_no_score_is_an_error(masks, maps, words):
    with pytest.raises(UserError, match=words):
        pixel_scores.pixel_curves(masks, maps)


@pytest.mark.parametrize("limit", [0, -0.1, 1.1])
def test_a_limit_out_of_range_is_an_error(limit):
    with pytest.raises(UserError, match="limit"):
        pixel_scores.pixel_curves(np.eye(4)[None], np.eye(4)[None]).pro(limit)


# --- reading masks -----------------------------------------------------------------------------


@pytest.fixture
def samples(tmp_path):
    """A normal image, and two with the same mask: the right half, one of them twice as large."""
    paths, masks = [], []
    for name, size in (("good", 64), ("one", 64), ("two", 128)):
        paths.append(write_image(tmp_path / f"{name}.png", draw_image(1, size=size)))
        mask = np.zeros((size, size), np.uint8)
        mask[:, size // 2 :] = 255
        masks.append(write_image(tmp_path / f"{name}_mask.png", mask))
    return Samples(paths, ["good", "cut", "cut"], [None, *masks[1:]], "test")


@pytest.mark.parametrize("protocol", ["square", "crop"])
def test_masks_come_in_the_networks_size(samples, protocol):
    found = pixel_scores.read_truth(samples, 32, protocol)
    assert found.masks.shape == (3, 32, 32)
    assert not found.masks[0].any()
    for mask in found.masks[1:]:
        np.testing.assert_array_equal(mask, np.arange(32)[None] >= np.full((32, 1), 16))


def test_a_crop_cuts_the_mask_as_it_cuts_the_image(tmp_path):
    """What is cut off is the outer eighths; the mask marks exactly these on the left."""
    mask = np.zeros((64, 64), np.uint8)
    mask[:, :4] = 255  # 64 * 16 / 256 pixels on each side fall off
    samples = Samples(
        [write_image(tmp_path / "a.png", draw_image(1))],
        ["cut"],
        [write_image(tmp_path / "a_mask.png", mask)],
        "test",
    )
    assert not pixel_scores.read_truth(samples, 224, "crop").masks.any()
    assert pixel_scores.read_truth(samples, 224).masks.mean() == 4 / 64


def test_a_mask_of_another_size_is_an_error(samples, tmp_path):
    write_image(tmp_path / "two_mask.png", np.zeros((64, 64), np.uint8))
    with pytest.raises(UserError, match=r"two_mask.png is 64 pixels high"):
        pixel_scores.read_truth(samples, 32)


def test_a_missing_mask_is_an_error_or_left_out(samples):
    samples = Samples(samples.paths, samples.defect_types, [*samples.mask_paths[:2], None], "test")
    with pytest.raises(UserError, match=r"1 of 2 anomalous test images have no mask, .*two.png"):
        pixel_scores.read_truth(samples, 32)
    found = pixel_scores.read_truth(samples, 32, skip_missing=True)
    assert [path.stem for path in found.samples.paths] == ["good", "one"]
    assert [path.stem for path in found.without_mask] == ["two"]


def test_images_come_with_their_masks_and_each_file_is_read_once(samples, monkeypatch):
    read, read_mask = pixel_scores.images.read, pixel_scores.read_mask
    opened = []
    monkeypatch.setattr(pixel_scores.images, "read", lambda p, *more: opened.append(p) or read(p))
    monkeypatch.setattr(
        pixel_scores, "read_mask", lambda p, shape: opened.append(p) or read_mask(p, shape)
    )
    found = pixel_scores.read_truth(samples, 32)
    assert sorted(opened) == sorted([*samples.paths, *samples.mask_paths[1:]])
    for image, path in zip(found.images, samples.paths, strict=True):
        np.testing.assert_array_equal(image, images.to_square(read(path), 32))


def test_an_unreadable_image_is_an_error_or_left_out(samples):
    samples.paths[1].write_bytes(b"no image")
    with pytest.raises(UserError, match="one.png"):
        pixel_scores.read_truth(samples, 32)
    found = pixel_scores.read_truth(samples, 32, skip_bad_images=True)
    assert [path.stem for path in found.samples.paths] == ["good", "two"]
    assert [path.stem for path in found.unreadable] == ["one"]
    assert found.masks.shape == (2, 32, 32) and found.images.shape == (2, 32, 32, 3)


@pytest.mark.parametrize("values", [(0, 255), (-1, 1), (1, 2)])
def test_masks_are_0_and_1(values):
    mask = np.full((1, 8, 8), values[0])
    mask[0, 2:4, 2:4] = values[1]
    with pytest.raises(UserError, match="masks must be 0 .* and 1 .*, or bool, not"):
        pixel_scores.pixel_curves(mask, np.ones((1, 8, 8)))
