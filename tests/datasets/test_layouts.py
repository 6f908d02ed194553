"""Layouts of well-known data sets: read as what they are, and never fitted to defects."""

import os
from collections import Counter

import pytest

from adhelpers.datasets import advice, categories, check_apart, load_mvtec
from adhelpers.ground import UserError

pytestmark = pytest.mark.trouble


@pytest.fixture
def make(tmp_path):
    """Return a function that makes empty files below a folder."""

    def make_files(*names):
        root = tmp_path / "set"
        for name in names:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).touch()
        return root

    return make_files


def numbered(pattern: str, count: int) -> list[str]:
    return [pattern.format(f"{i:03d}") for i in range(count)]


def counted(data) -> dict[str, int]:
    return dict(Counter(data.test.defect_types))


def masks(data) -> list[str]:
    """Return the masks of the anomalous images, below the category's folder."""
    found = [x for x, label in zip(data.test.mask_paths, data.test.labels, strict=True) if label]
    return [path and path.relative_to(data.root / data.category).as_posix() for path in found]


def refused(root, *words) -> str:
    with pytest.raises(UserError) as caught:
        load_mvtec(root, categories(root)[0])
    assert "\n" not in str(caught.value)
    assert all(word in str(caught.value) for word in words), caught.value
    return str(caught.value)


SIDE_BY_SIDE = [
    *numbered("part/good/{}.png", 8),
    *numbered("part/crack/{}.png", 2),
    *numbered("part/mask/crack/{}.png", 2),
]


@pytest.mark.parametrize("below", ["", "part"])
def test_good_defect_and_mask_side_by_side(make, below):
    root = make(*SIDE_BY_SIDE) / below
    assert categories(root) == ["part"]
    data = load_mvtec(root, "part")
    assert {path.parent.name for path in data.train.paths} == {"good"}
    assert len(data.train) == 7 and counted(data) == {"crack": 2, "good": 1}
    assert not {*data.train.paths} & {*data.test.paths}
    assert masks(data) == ["mask/crack/000.png", "mask/crack/001.png"]
    assert "7 normal images are fitted to, every 5th (1) is tested" in data.notes


def test_one_defect_whose_masks_are_in_no_folder_of_their_own(make):
    root = make(
        *numbered("OK/{}.png", 5), *numbered("NG/{}.bmp", 1), *numbered("Ground Truth/{}.png", 1)
    )
    data = load_mvtec(root, "set")
    assert counted(data) == {"NG": 1, "good": 1}
    assert masks(data) == ["Ground Truth/000.png"]


@pytest.mark.parametrize("below", ["crack", "mask"])
def test_defects_and_masks_are_not_fitted_to(make, below):
    refused(make(*SIDE_BY_SIDE) / "part" / below, "do not look like normal ones", "train/good")


@pytest.mark.parametrize(
    "names",
    [
        ["bad/0.png", "mask/0.png"],
        ["images/0.png", "Labels/0.png"],
        ["screws/0.png", "anomalies/0.png"],
        ["a/0.png", "1_anomaly/0.png"],
        ["cat/ground_truth/0.png"],
    ],
)
def test_nor_where_there_is_no_normal_folder(make, names):
    root = make(*names)
    refused(root / "cat" if (root / "cat").exists() else root, "do not look like normal ones")


def test_a_category_may_be_called_like_normal_images(make):
    root = make("good/train/good/0.png", "good/test/cut/0.png", "other/train/good/0.png")
    assert categories(root) == ["good", "other"]
    assert counted(load_mvtec(root, "good")) == {"cut": 1}


VISA = [
    *numbered("candle/Data/Images/Normal/{}.JPG", 8),
    *numbered("candle/Data/Images/Anomaly/{}.JPG", 3),
    *numbered("candle/Data/Masks/Anomaly/{}.png", 3),
]


@pytest.mark.parametrize("below", ["", "candle", "candle/Data", "candle/Data/Images"])
def test_visa(make, below):
    root = make(*VISA) / below
    assert categories(root) == ["candle"]
    data = load_mvtec(root, "candle")
    assert {path.parent.name for path in data.train.paths} == {"Normal"}
    assert counted(data) == {"Anomaly": 3, "good": 1}
    assert masks(data) == numbered("Data/Masks/Anomaly/{}.png", 3)


@pytest.mark.parametrize("below", [".", "candle"])
def test_visas_table_of_splits(make, below, monkeypatch):
    root = make(*VISA)
    rows = ["object,split,label,image,mask", "cashew,train,normal,cashew/Data/Images/Normal/1.JPG,"]
    for i in range(8):
        split = "train" if i < 6 else "test"
        rows.append(f"candle,{split},normal,candle/Data/Images/Normal/{i:03d}.JPG,")
    for i in range(2):
        rows.append(f"candle,test,anomaly,candle/Data/Images/Anomaly/{i:03d}.JPG,x")
    (root / "split_csv").mkdir()
    (root / "split_csv" / "1cls.csv").write_text("\n".join(rows))
    monkeypatch.chdir(root / below)
    data = load_mvtec(".", "candle")
    assert (len(data.train), counted(data)) == (6, {"Anomaly": 2, "good": 2})
    assert "1 images are not in it" in data.notes
    table = root / "split_csv" / "1cls.csv"
    table.write_text("\n".join(rows).replace("test,anomaly", "train,anomaly"))
    with pytest.raises(UserError, match="trains on 2 anomalous images"):
        load_mvtec(".", "candle")


def test_visas_anomalies_alone(make):
    root = make(*VISA)
    refused(root / "candle/Data/Images/Anomaly", "Anomaly, beside Normal,")
    refused(root / "candle/Data/Masks", "Anomaly")


def test_btad(make):
    root = make(
        *numbered("01/train/ok/{}.bmp", 3),
        *numbered("01/test/ok/{}.bmp", 2),
        *numbered("01/test/ko/{}.bmp", 2),
        *numbered("01/ground_truth/ko/{}.png", 2),
    )
    data = load_mvtec(root, "01")
    assert (len(data.train), counted(data)) == (3, {"ko": 2, "good": 2})
    assert masks(data) == numbered("ground_truth/ko/{}.png", 2)


def test_mvtec_loco(make):
    root = make(
        "bag/train/good/0.png",
        *numbered("bag/validation/good/{}.png", 3),
        "bag/test/good/000.png",
        *numbered("bag/test/logical_anomalies/{}.png", 2),
        "bag/ground_truth/logical_anomalies/000/000.png",
        "bag/ground_truth/logical_anomalies/000/001.png",
    )
    data = load_mvtec(root, "bag")
    assert masks(data) == ["ground_truth/logical_anomalies/000", None]
    assert "3 image(s) in validation are not used" in data.notes


@pytest.mark.parametrize("name", ["Good", "ok", "OK", "normal", "no_defect", "good 2", "0_good"])
def test_normal_images_by_other_names_are_no_defect(make, name):
    root = make(f"p/train/{name}/0.png", f"p/test/{name}/0.png", "p/test/good/0.png")
    data = load_mvtec(root, "p")
    assert data.test.labels.tolist() == [0, 0]
    assert len(data.train) == 1


def test_train_and_test_in_capitals(make):
    data = load_mvtec(make("p/Train/Good/0.png", "p/Test/cut/0.png", "p/Masks/cut/0.png"), "p")
    assert (len(data.train), counted(data), masks(data)) == (1, {"cut": 1}, ["Masks/cut/0.png"])


@pytest.mark.parametrize("part", ["train", "test", "ground_truth", "train/good", "test/spot"])
def test_a_part_of_a_category(make, part):
    root = make("p/train/good/0.png", "p/test/good/0.png", "p/test/spot/0.png")
    (root / "p/ground_truth").mkdir()
    if part == "train/good":
        assert categories(root / "p" / part) == ["good"]
    else:
        with pytest.raises(UserError, match="name that: --data_path|do not look like normal"):
            categories(root / "p" / part)


def test_folders_below_are_read_and_the_rest_is_counted(make, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    root = make(
        "p/train/good/0.png",
        "p/train/good/day2/0.jfif",
        "p/train/good/day2/1.gif",
        "p/train/good/day2/2.HEIC",
        "p/train/good/._0.png",
        "p/test/spot/day1/0.png",
        "p/test/spot/0.avif",
        "p/ground_truth/spot/0_mask.png",
        "p/ground_truth/spot/day1/0_mask.png",
    )
    (root / "p/train/good/link").symlink_to(tmp_path / "elsewhere")
    data = load_mvtec(root, "p")
    assert [path.name for path in data.train.paths] == ["0.png", "0.jfif"]
    assert masks(data) == ["ground_truth/spot/day1/0_mask.png"]
    words = "left out, as no images by their names: "
    assert data.notes == words + "1 .HEIC, 1 .avif, 1 .gif, 1 link to a folder"


def test_images_alone_are_not_read_to_their_depth_as_these_may_be_defects(make):
    data = load_mvtec(make("p/0.png", "p/worse/0.png", "p/worse/1.png"), "p")
    assert len(data.train) == 1 and data.notes == "2 image(s) in worse are left out"


def test_what_is_no_regular_file_is_no_image(make):
    root = make("p/train/good/0.png")
    os.mkfifo(root / "p/train/good/1.png")
    data = load_mvtec(root, "p")
    assert len(data.train) == 1 and "1 .png (no regular file)" in data.notes


@pytest.mark.parametrize("name", ["0_GT.png", "0_mask.png", "mask_0.png", "0_label.png"])
@pytest.mark.parametrize("place", ["p/train", "p/test/cut", "p"])
def test_masks_among_the_images(make, name, place):
    root = make("p/train/1.png", *(f"{place}/{one}" for one in ("0.png", name)))
    if place == "p":
        root = make("q/0.png", f"q/{name}") / "q"
    refused(root, "holds 1 mask(s) among the images", name)


@pytest.mark.parametrize(
    "mask", ["mask_0.png", "0_mask.png", "0.bmp", "0_gt.png", "gt_0.png", "0_label.tif", "0/0.png"]
)
def test_names_of_masks(make, mask):
    data = load_mvtec(make("p/train/1.png", "p/test/cut/0.png", f"p/ground_truth/cut/{mask}"), "p")
    assert masks(data) == [f"ground_truth/cut/{mask.removesuffix('/0.png')}"]


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ("cut/m-000.png", "found {}"),
        ("000_mask.png", "found {}"),
        ("notes.txt", "found no masks"),
    ],
)
def test_the_expected_mask_is_named_beside_one_that_was_found(make, found, words):
    root = make("p/train/1.png", "p/test/cut/0.png", f"p/ground_truth/{found}")
    assert load_mvtec(root, "p").test.mask_paths == [None]
    text = advice(root / "p/test/cut/0.png")
    assert f"expected {root / 'p/ground_truth/cut/0_mask.png'}" in text
    assert words.format(root / "p/ground_truth" / found) in text


RESULTS = ["summary.json", "distances_p.csv", "scores_p.png"]


def test_results_are_no_data(make):
    parts = [f"{part}/{name}" for part in ("set", "result") for name in ("0.png",)]
    root = make(*parts, *(f"result/{name}" for name in RESULTS))
    assert categories(root) == ["set"]
    root = make(*SIDE_BY_SIDE, *(f"part/result/{name}" for name in RESULTS))
    assert counted(load_mvtec(root / "part", "part")) == {"crack": 2, "good": 1}


def test_results_among_images_are_refused(make):
    refused(make("0.png", *RESULTS), "holds results of adhelpers")


@pytest.mark.parametrize(
    "place",
    [".", "p", "p/train", "p/train/good", "p/train/good/result", "p/test/cut", "p/ground_truth"],
)
def test_a_save_path_among_the_images_is_refused(make, place):
    root = make("p/train/good/0.png", "p/test/cut/0.png", "p/ground_truth/cut/0.png")
    data = load_mvtec(root, "p")
    files = [*data.train.paths, *data.test.paths, *filter(None, data.test.mask_paths)]
    with pytest.raises(UserError, match="lies among the images"):
        check_apart(root / place, root, files)


@pytest.mark.parametrize("place", ["..", "../result", "result", "p/result"])
def test_a_save_path_beside_the_images_is_not(make, place):
    root = make("p/train/good/0.png")
    check_apart(root / place, root, load_mvtec(root, "p").train.paths)
