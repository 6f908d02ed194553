"""Listing images in folders of any layout."""

import pytest
from pictures import draw_image, write_image

from adhelpers.datasets import list_images
from adhelpers.ground import UserError

pytestmark = pytest.mark.trouble


@pytest.fixture
def folder(tmp_path):
    for name in ("b.png", "a.JPG", "deep/er/c.bmp", "deep/d.tiff"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"image")
    for name in ("notes.txt", "deep/more.txt", "Thumbs.db", ".hidden.png", ".cache/e.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"none")
    return tmp_path


def names(samples, folder) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in samples.paths]


def test_folders_are_read_to_their_depth_and_what_is_left_out_is_said(folder):
    samples, left_out = list_images([folder])
    assert names(samples, folder) == ["a.JPG", "b.png", "deep/d.tiff", "deep/er/c.bmp"]
    assert samples.defect_types == ["good"] * 4
    assert left_out == "left out, as no images by their names: 1 .db, 2 .txt"


def test_patterns_files_and_folders_give_each_image_once(folder):
    samples, left_out = list_images([f"{folder}/*.png", folder / "deep", f"{folder}/b.png"])
    assert names(samples, folder) == ["b.png", "deep/d.tiff", "deep/er/c.bmp"]
    assert left_out == "left out, as no images by their names: 1 .txt"


def test_a_link_that_leads_back_up_is_not_followed(folder):
    (folder / "deep/loop").symlink_to(folder)
    assert len(list_images([folder])[0]) == 4


def test_a_file_is_taken_whatever_its_name(tmp_path):
    image = write_image(tmp_path / "x.png", draw_image(0)).rename(tmp_path / "camera[1].raw")
    samples, left_out = list_images([image])
    assert samples.paths == [image] and left_out == ""


@pytest.mark.parametrize(
    ("source", "words"),
    [("nowhere", "no such file or folder"), ("*.gif", "no such file"), ("empty", "no images in")],
)
def test_nothing_to_list_is_an_error(folder, source, words):
    (folder / "empty").mkdir()
    with pytest.raises(UserError, match=words):
        list_images([f"{folder}/{source}"])


def test_the_rule_for_files_that_are_no_images(folder):
    for name in ("photo.jfif", "deep/moving.gif", "deep/x.HEIC", "._b.png", "lost+found/y.png"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"image")
    for name in ("result/distances_p.csv", "result/scores_p.png", "result/feats/train.npz"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"result")
    samples, left_out = list_images([folder])
    assert names(samples, folder) == [
        "a.JPG",
        "b.png",
        "deep/d.tiff",
        "deep/er/c.bmp",
        "photo.jfif",
    ]
    assert left_out == "left out, as no images by their names: 1 .HEIC, 1 .db, 1 .gif, 2 .txt"
