"""Listing folders in MVTec AD's layout, in people's variations of it, and in none."""

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from adhelpers.datasets import mvtec
from adhelpers.ground import UserError

REAL = Path(__file__).parents[3] / "shared" / "data" / "mvtec_ad"


@pytest.fixture
def make(tmp_path):
    """Return a function that makes empty files below ``tmp_path / "root"``."""

    def make_files(*names):
        root = tmp_path / "root"
        for name in names:
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        return root

    return make_files


def names(root, samples):
    """Return the paths below `root`."""
    return [path.relative_to(root).as_posix() for path in samples.paths]


def masks(root, samples):
    return [mask and mask.relative_to(root).as_posix() for mask in samples.mask_paths]


def error(function, *arguments):
    """Return the message of the UserError that is raised, which must be one line."""
    with pytest.raises(UserError) as caught:
        function(*arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_whole_layout(make):
    root = make(
        "screw/train/good/001.png",
        "screw/train/good/000.png",
        "screw/test/good/000.png",
        "screw/test/thread/001.png",
        "screw/test/thread/000.png",
        "screw/test/bent/000.png",
        "screw/ground_truth/thread/000_mask.png",
        "screw/ground_truth/thread/001_mask.png",
        "screw/ground_truth/bent/000_mask.png",
        "bottle/train/good/000.png",
        "license.txt",
    )
    assert mvtec.categories(root) == ["bottle", "screw"]
    data = mvtec.load_mvtec(root, "screw")
    assert (data.category, data.root) == ("screw", root)
    assert (data.train.split, data.test.split) == ("train", "test")
    assert names(root / "screw/train/good", data.train) == ["000.png", "001.png"]
    assert data.train.defect_types == ["good", "good"]
    assert data.train.mask_paths == [None, None]
    assert names(root / "screw/test", data.test) == [
        "bent/000.png",
        "good/000.png",
        "thread/000.png",
        "thread/001.png",
    ]
    assert data.test.defect_types == ["bent", "good", "thread", "thread"]
    assert data.test.labels.tolist() == [1, 0, 1, 1]
    assert masks(root / "screw/ground_truth", data.test) == [
        "bent/000_mask.png",
        None,
        "thread/000_mask.png",
        "thread/001_mask.png",
    ]


def test_order_is_the_same_on_every_system(make):
    root = make(*(f"a/train/good/{name}.png" for name in ("b", "B", "10", "9", "ä", "_")))
    train = mvtec.load_mvtec(root, "a").train
    assert [path.stem for path in train.paths] == ["10", "9", "B", "_", "b", "ä"]
    root = make("a/test/good-scratched/0.png", "a/test/good/0.png")
    assert mvtec.load_mvtec(root, "a").test.defect_types == ["good", "good-scratched"]


@pytest.mark.parametrize("suffix", ["png", "jpg", "JPEG", "bmp", "tif", "TIFF", "webp"])
def test_suffixes(make, suffix):
    root = make(f"a/train/good/x.{suffix}")
    assert names(root / "a/train/good", mvtec.load_mvtec(root, "a").train) == [f"x.{suffix}"]


def test_what_is_not_an_image_is_skipped(make):
    root = make(
        "schräg 螺丝/train/good/bild ü.png",
        "schräg 螺丝/train/good/.hidden.png",
        "schräg 螺丝/train/good/._bild ü.png",
        "schräg 螺丝/train/good/Thumbs.db",
        "schräg 螺丝/train/good/.DS_Store",
        "schräg 螺丝/train/good/notes.txt",
        "schräg 螺丝/train/good/folder.png/x.txt",
        "schräg 螺丝/train/.ipynb_checkpoints/x.png",
        "schräg 螺丝/test/.cache/x.png",
        ".git/train/x.png",
    )
    assert mvtec.categories(root) == ["schräg 螺丝"]
    data = mvtec.load_mvtec(root, "schräg 螺丝")
    assert [path.name for path in data.train.paths] == ["bild ü.png"]
    assert len(data.test) == 0


def test_links_to_images(make, tmp_path):
    (tmp_path / "elsewhere.png").touch()
    root = make("a/train/good/x.png")
    (root / "a/train/good/link.png").symlink_to(tmp_path / "elsewhere.png")
    assert names(root / "a/train/good", mvtec.load_mvtec(root, "a").train) == ["link.png", "x.png"]


def test_masks_by_other_names_or_missing(make):
    root = make(
        "a/train/good/0.png",
        *(f"a/test/cut/{stem}.jpg" for stem in "0123"),
        "a/ground_truth/cut/0_mask.png",
        "a/ground_truth/cut/0.png",
        "a/ground_truth/cut/1.bmp",
        "a/ground_truth/cut/3_mask.TIF",
        "a/test/hole/0.png",
        "a/test/good/0.png",
        "a/ground_truth/good/0.png",
    )
    test = mvtec.load_mvtec(root, "a").test
    assert masks(root / "a/ground_truth", test) == [
        "cut/0_mask.png",
        "cut/1.bmp",
        None,
        "cut/3_mask.TIF",
        None,
        None,
    ]


@pytest.mark.parametrize(
    ("files", "train", "defect_types"),
    [
        (["a/train/good/0.png"], ["a/train/good/0.png"], []),
        (["a/train/0.png"], ["a/train/0.png"], []),
        (
            ["a/train/o.png", "a/train/good.png", "a/train/good/0.png"],
            ["a/train/good/0.png", "a/train/good.png", "a/train/o.png"],
            [],
        ),
        (["a/train/0.png", "a/test/good/0.png"], ["a/train/0.png"], ["good"]),
        (["a/train/0.png", "a/test/cut/0.png"], ["a/train/0.png"], ["cut"]),
        (["a/0.png", "a/1.jpg"], ["a/0.png", "a/1.jpg"], []),
        (["a/0.png", "a/test/cut/0.png"], ["a/0.png"], ["cut"]),
    ],
)
@pytest.mark.parametrize("name_the_category", [False, True])
def test_own_folders(make, files, train, defect_types, name_the_category):
    root = make(*files)
    data_path = root / "a" if name_the_category else root
    assert mvtec.categories(data_path) == ["a"]
    data = mvtec.load_mvtec(data_path, "a")
    assert names(root, data.train) == train
    assert data.test.defect_types == defect_types
    assert data.root == root


def test_the_working_directory(make, monkeypatch):
    monkeypatch.chdir(make("a/train/0.png") / "a")
    assert mvtec.categories(".") == ["a"]
    assert len(mvtec.load_mvtec(".", "a").train) == 1


def test_an_image_beside_categories_is_no_category(make):
    assert mvtec.categories(make("preview.png", "a/train/good/0.png")) == ["a"]


def test_no_folder(tmp_path):
    message = error(mvtec.categories, tmp_path / "nowhere")
    for part in (str(tmp_path / "nowhere"), "adhelpers fetch mvtec", "--data_path"):
        assert part in message
    assert error(mvtec.load_mvtec, tmp_path / "nowhere", "screw") == message


def test_a_file_instead_of_a_folder(make):
    assert "no data folder" in error(mvtec.categories, make("x.png") / "x.png")


def test_no_category(make):
    assert "holds no category" in error(mvtec.categories, make("a/notes.txt", "b/c/d/x.png"))


def test_an_unknown_category(make):
    root = make("a/train/good/0.png", "b/train/good/0.png")
    assert "'c'; choose one of: a, b" in error(mvtec.load_mvtec, root, "c")
    assert "choose one of: a" in error(mvtec.load_mvtec, root / "a", "b")


@pytest.mark.parametrize("file", ["a/train/good/notes.txt", "a/test/good/0.png", "a/train/x"])
def test_no_training_image(make, file):
    message = error(mvtec.load_mvtec, make(file), "a")
    assert "has no training image" in message
    assert str(Path("a", "train", "good")) in message


def test_only_normal_images_train(make):
    root = make("a/train/good/0.png", "a/train/bad/0.png", "a/train/worse/0.png")
    assert "holds bad, worse, but only normal images train" in error(mvtec.load_mvtec, root, "a")


def test_test_images_without_a_label(make):
    root = make("a/train/good/0.png", "a/test/0.png", "a/test/good/0.png")
    assert "label is not known" in error(mvtec.load_mvtec, root, "a")


@pytest.mark.skipif(not REAL.is_dir(), reason=f"no real images in {REAL}")
def test_real_images():
    assert mvtec.categories(REAL) == ["screw", "toothbrush"]
    for category, counts in {"screw": (320, 160, 119), "toothbrush": (48, 42, 30)}.items():
        data = mvtec.load_mvtec(REAL, category)
        assert (len(data.train), len(data.test), data.test.labels.sum()) == counts
        for label, mask in zip(data.test.labels, data.test.mask_paths, strict=True):
            assert (mask is not None) == bool(label)
            assert mask is None or mvtec.read_mask(mask, (512, 512)).any()


def write_image(path, pixels):
    cv2.imencode(path.suffix, pixels)[1].tofile(path)
    return path


MASK = np.array([[0, 1, 0], [0, 0, 255]], np.uint8)


@pytest.mark.parametrize(
    "pixels",
    [
        MASK,
        MASK.astype(np.uint16),
        np.stack([MASK, 0 * MASK, 0 * MASK], axis=2),  # a blue of 1 would be no grey at all
        np.stack([MASK, MASK, MASK, np.full_like(MASK, 255)], axis=2),
    ],
    ids=["grey", "16 bits", "colour", "alpha"],
)
@pytest.mark.parametrize("name", ["mask.png", "máscara 面.tif"])
def test_read_mask(tmp_path, pixels, name):
    mask = mvtec.read_mask(write_image(tmp_path / name, pixels), (2, 3))
    assert mask.dtype == bool
    np.testing.assert_array_equal(mask, MASK > 0)


def test_a_mask_of_another_size(tmp_path):
    path = write_image(tmp_path / "mask.png", MASK)
    message = error(mvtec.read_mask, path, (3, 2))
    assert "2 pixels high and 3 wide but its image is 3 pixels high and 2 wide" in message


@pytest.mark.parametrize("content", [b"", b"no image"])
def test_a_mask_that_is_no_image(tmp_path, content):
    path = tmp_path / "mask.png"
    path.write_bytes(content)
    assert "not an image" in error(mvtec.read_mask, path, (2, 3))


def test_a_missing_mask(tmp_path):
    message = error(mvtec.read_mask, tmp_path / "mask.png", (2, 3))
    assert os.strerror(2) in message


MASKS = Path(__file__).parents[1] / "cases" / "masks"


@pytest.mark.parametrize("path", sorted(MASKS.glob("*.png")), ids=lambda path: path.stem)
def test_masks_with_alpha_and_palettes(path):
    """A square of 16 pixels, drawn on what is transparent, opaque, or the palette's first."""
    assert mvtec.read_mask(path, (64, 64)).sum() == 256


@pytest.mark.parametrize("path", sorted(MASKS.glob("*.jpg")), ids=lambda path: path.stem)
def test_masks_as_jpeg_have_the_true_area(path):
    truth = mvtec.read_mask(MASKS / "true_thread_side" / f"{path.stem}.png", (512, 512))
    assert mvtec.read_mask(path, (512, 512)).sum() == pytest.approx(truth.sum(), rel=0.01)


def test_a_mask_in_several_files(tmp_path):
    other = np.array([[9, 0, 0], [0, 0, 0]], np.uint8)
    for i, pixels in enumerate((MASK, other)):
        write_image(tmp_path / f"{i:03d}.png", pixels)
    np.testing.assert_array_equal(mvtec.read_mask(tmp_path, (2, 3)), (MASK + other) > 0)
