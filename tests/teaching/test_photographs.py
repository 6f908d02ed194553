"""What the checks find in a folder of photographs, and the folder that plays one."""

import cv2
import numpy as np
import pytest
from pictures import draw_image, write_category, write_image

from adhelpers.datasets import mvtec
from adhelpers.ground import UserError
from adhelpers.teaching import photographs, stand_ins


def scene(seed: int) -> np.ndarray:
    """A part of its own colours, and no two alike."""
    return (draw_image(seed, size=96) * [1.0, 0.8, 0.6]).astype(np.uint8)


@pytest.fixture
def folder(tmp_path):
    for i in range(12):
        write_image(tmp_path / f"{i:02}.png", scene(i))
    return tmp_path


def troubles(folder) -> dict[str, list[str]]:
    found = photographs.survey(photographs.listed(folder).paths)
    return {
        name: [found.paths[i].stem for i in places]
        for name, places in photographs.findings(found).items()
    }


def test_nothing_is_found_where_nothing_is_wrong(folder):
    assert troubles(folder) == {}


def test_a_copy_and_not_its_original_is_doubtful(folder):
    (folder / "99.png").write_bytes((folder / "03.png").read_bytes())
    assert troubles(folder) == {"exact copy of an earlier one": ["99"]}


def test_a_second_shot_of_the_same_part(folder):
    noise = np.random.default_rng(0).normal(0, 2, (96, 96, 3))
    shot = np.clip(scene(3) + noise, 0, 255).astype(np.uint8)
    write_image(folder / "99.png", shot)
    assert troubles(folder)["nearly the same as an earlier one"] == ["99"]


@pytest.mark.parametrize(
    ("trouble", "spoil"),
    [
        ("another shape than most", lambda image: image[:70]),
        ("much darker or brighter than most", lambda image: image // 2),
        ("much blurrier or sharper than most", lambda image: cv2.GaussianBlur(image, (0, 0), 6)),
        (
            "grey among coloured, or coloured among grey",
            lambda image: cv2.cvtColor(image, cv2.COLOR_RGB2GRAY),
        ),
        ("more than half black or white", lambda image: image // 64),
    ],
)
def test_one_that_is_unlike_the_others(folder, trouble, spoil):
    write_image(folder / "50.png", spoil(scene(50)))
    assert troubles(folder)[trouble] == ["50"]


def test_a_file_that_cannot_be_read(folder):
    (folder / "05.png").write_bytes((folder / "05.png").read_bytes()[:200])
    (folder / "06.png").write_bytes(b"")
    assert troubles(folder) == {"cannot be read": ["05", "06"]}


def test_facts_of_a_photograph(tmp_path):
    image = np.full((60, 90, 3), [0, 100, 255], np.uint8)
    found = photographs.survey([write_image(tmp_path / "a.png", image)])
    assert found.shapes.tolist() == [[60, 90]]
    assert found.coloured.tolist() == [True]
    assert found.brightness[0] == pytest.approx(0.587 * 100 + 0.114 * 255, abs=1)
    assert found.sharpness[0] == 0
    assert (found.dark[0], found.bright[0]) == (0, 0)
    black = photographs.survey([write_image(tmp_path / "b.png", 0 * image)])
    assert black.dark.tolist() == [1]


def test_a_folder_without_images(tmp_path):
    (tmp_path / "IMG_1.heic").write_bytes(b"x")
    with pytest.raises(UserError, match="holds no image"):
        photographs.listed(tmp_path)
    with pytest.raises(UserError, match="there is no folder"):
        photographs.listed(tmp_path / "nowhere")


def test_a_blot_is_in_the_middle_and_of_its_width():
    image = np.full((80, 120, 3), 200, np.uint8)
    blot = photographs.blotted(image, 0.5) != image
    rows, columns = np.flatnonzero(blot.any(axis=(1, 2))), np.flatnonzero(blot.any(axis=(0, 2)))
    assert abs(np.ptp(rows) - 40) <= 2
    assert abs(np.ptp(columns) - 40) <= 2
    assert (rows.mean(), columns.mean()) == (40, 60)
    assert np.array_equal(photographs.blotted(image, 0), image)
    dark = photographs.blotted(image // 10, 0.5)
    assert dark[40, 60, 0] > 200


@pytest.mark.parametrize("grey", [False, True])
def test_the_folder_that_plays_has_one_of_each_trouble(tmp_path, grey):
    write_category(tmp_path / "plate", n_train=14, n_good=4)
    for path in (tmp_path / "plate").rglob("*.png"):
        image = cv2.imread(str(path))
        image = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY) if grey else image * np.array([0.6, 0.8, 1])
        cv2.imwrite(str(path), image.astype(np.uint8))
    data = mvtec.load_mvtec(tmp_path, "plate")
    normal, defective = stand_ins.play(data, tmp_path / "played")
    assert len(list(normal.iterdir())) == 18 + 5
    assert len(list(defective.iterdir())) == 3
    found = {name: len(stems) for name, stems in troubles(normal).items()}
    for name in (
        "cannot be read",
        "exact copy of an earlier one",
        "another shape than most",
        "grey among coloured, or coloured among grey",
        "much darker or brighter than most",
    ):
        assert found[name] == 1, name
