"""The embedded data set: its layout, its masks, and that it is the same everywhere."""

import hashlib
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adhelpers import UserError
from adhelpers.datasets import mvtec, synthetic
from adhelpers.datasets.drawing import defects

SMALL = {"n_train": 3, "n_test_good": 2, "n_per_defect": 1, "size": 48}
DEFECTS = [(c, kind) for c in synthetic.CATEGORIES for kind in synthetic.defect_types(c)]
WEAKEST, STRONGEST = [1, 6], [7, 4]  # by `synthetic._strength`, among the first eight
PASTES = [defects.cut_out, defects.scratch, defects.stain]

#: SHA-256 over image and mask of the first good image and the first of each defect, at full size.
#: A change to a drawing changes these: raise `synthetic.VERSION` with them.
CHECKSUMS = {
    "gear": "a8ed56d845c4646d089f2038c32ea2c417ba68d75f8ad2cf9be442f0a3b15e7c",
    "label": "8747486535c229c896abee66324fd7d0ab701e94842e63d03037b22179b7de8c",
    "tablet": "752cbae5fb10c88388a843975edaa96cc61509334a05f9652292a0e151b736ff",
    "weave": "0e1da776e417f6f9e60553f0c3ab89cd1af79df2e7c8fc9eaf0a804bea9022ed",
    "wood": "f754691d09e5158a2576cc656ee0a165698bb0ec35bc719f18323d213c094b56",
}


def read(path: Path) -> np.ndarray:
    return cv2.imread(str(path), cv2.IMREAD_UNCHANGED)


def contents(folder: Path) -> dict[str, bytes]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def without_defect(monkeypatch, category: str, kind: str, index: int) -> np.ndarray:
    """Draw what `draw` draws for a defective image, but leave the defect out."""
    painter = synthetic._PAINTERS[category]
    with monkeypatch.context() as patch:
        patch.setitem(painter.FLAWS, kind, lambda image, *_: (image, None))
        return synthetic.draw(category, kind, index)[0]


def test_layout_is_that_of_mvtec(tmp_path):
    synthetic.write(tmp_path, ("weave", "gear"), **SMALL)
    assert mvtec.categories(tmp_path) == ["gear", "weave"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["gear", "weave"]
    data = mvtec.load_mvtec(tmp_path, "gear")
    assert list(data.train.defect_types) == ["good"] * 3
    assert list(data.test.defect_types) == ["chip", "good", "good", "rust", "scratch"]
    assert [path.name for path in data.train.paths] == ["000.png", "001.png", "002.png"]
    masks = [path.relative_to(tmp_path).as_posix() for path in data.test.mask_paths if path]
    assert masks == [
        f"gear/ground_truth/{kind}/000_mask.png" for kind in ("chip", "rust", "scratch")
    ]


def test_files_hold_what_draw_returns(tmp_path):
    synthetic.write(tmp_path, ["label"], **SMALL)
    image, mask = synthetic.draw("label", "tear", 0, size=48)
    stored = read(tmp_path / "label/test/tear/000.png")
    stored_mask = read(tmp_path / "label/ground_truth/tear/000_mask.png")
    np.testing.assert_array_equal(stored[..., ::-1], image)  # OpenCV reads BGR
    np.testing.assert_array_equal(stored_mask, np.where(mask, 255, 0))
    good, _ = synthetic.draw("label", "good", 1, size=48, split="test")
    np.testing.assert_array_equal(read(tmp_path / "label/test/good/001.png")[..., ::-1], good)


@pytest.mark.parametrize(("category", "kind"), DEFECTS)
def test_mask_is_where_the_defect_changed_the_image(monkeypatch, category, kind):
    damage = []
    for index in WEAKEST + STRONGEST:
        image, mask = synthetic.draw(category, kind, index)
        good = without_defect(monkeypatch, category, kind, index)
        change = np.abs(image.astype(int) - good).max(axis=2)
        assert change[~mask].max() < defects.VISIBLE
        assert (change[mask] >= defects.VISIBLE).mean() > 0.7
        assert 20 < mask.sum() < 0.2 * mask.size
        damage.append(change.sum())
    assert sum(damage[2:]) > 1.5 * sum(damage[:2])


@pytest.mark.parametrize("category", synthetic.CATEGORIES)
def test_normal_images_differ_from_each_other_but_not_by_split(category):
    means = {
        split: np.array(
            [
                synthetic.draw(category, "good", index, size=64, split=split)[0].mean()
                for index in range(24)
            ]
        )
        for split in ("train", "test")
    }
    assert len(set(np.concatenate(list(means.values())))) == 48
    spread = means["train"].std()
    assert spread > 0.5
    # The difference of two means of 24 has a standard error of spread * sqrt(2 / 24).
    assert abs(means["train"].mean() - means["test"].mean()) < 4 * spread * (2 / 24) ** 0.5


def test_image_depends_on_seed_split_kind_and_index_alone():
    def drawn(*arguments, **options):
        return synthetic.draw(*arguments, size=48, **options)[0].tobytes()

    first = drawn("wood", "hole", 0)
    assert drawn("wood", "hole", 0) == first
    others = [
        drawn("wood", "hole", 1),
        drawn("wood", "hole", 0, seed=1),
        drawn("wood", "liquid", 0),
        drawn("wood", "good", 0),
        drawn("wood", "good", 0, split="test"),
    ]
    assert len({first, *others}) == 6


def test_files_depend_neither_on_threads_nor_on_counts(tmp_path, monkeypatch):
    monkeypatch.setattr(synthetic, "available_cores", lambda: 1)
    synthetic.write(tmp_path / "one", ["label"], **SMALL)
    monkeypatch.setattr(synthetic, "available_cores", lambda: 8)
    synthetic.write(tmp_path / "many", ["label"], **SMALL | {"n_train": 5, "n_per_defect": 2})
    one, many = contents(tmp_path / "one"), contents(tmp_path / "many")
    del one["label/synthetic.json"]
    assert one == {name: many[name] for name in one}
    assert len(many) - 1 - len(one) == 2 + 3 * 2


@pytest.mark.parametrize("category", synthetic.CATEGORIES)
def test_pixels_are_the_same_on_every_machine(category):
    digest = hashlib.sha256()
    for kind in ("good", *synthetic.defect_types(category)):
        for array in synthetic.draw(category, kind):
            digest.update(array.tobytes())
    assert digest.hexdigest() == CHECKSUMS[category]


def test_complete_category_is_left_alone(tmp_path):
    synthetic.write(tmp_path, ["wood"], **SMALL)
    marked = tmp_path / "wood/train/good/000.png"
    marked.write_bytes(b"still here")
    synthetic.write(tmp_path, ["wood"], **SMALL)
    assert marked.read_bytes() == b"still here"


@pytest.mark.parametrize("change", [{"seed": 1}, {"n_train": 2}, {"size": 40}])
def test_other_parameters_redraw(tmp_path, change):
    synthetic.write(tmp_path, ["wood"], **SMALL)
    (tmp_path / "wood/train/good/000.png").write_bytes(b"stale")
    parameters = {"seed": 0} | SMALL | change
    synthetic.write(tmp_path, ["wood"], **parameters)
    assert len(list((tmp_path / "wood/train/good").iterdir())) == parameters["n_train"]
    expected, _ = synthetic.draw("wood", seed=parameters["seed"], size=parameters["size"])
    stored = read(tmp_path / "wood/train/good/000.png")[..., ::-1]
    np.testing.assert_array_equal(stored, expected)


def test_other_version_redraws(tmp_path, monkeypatch):
    synthetic.write(tmp_path, ["wood"], **SMALL)
    monkeypatch.setattr(synthetic, "VERSION", synthetic.VERSION + 1)
    synthetic.write(tmp_path, ["wood"], **SMALL)
    record = json.loads((tmp_path / "wood/synthetic.json").read_text())
    assert record == {"version": synthetic.VERSION, "seed": 0} | SMALL


@pytest.mark.parametrize("before", [False, True])
def test_interrupt_leaves_nothing_half_made(tmp_path, monkeypatch, before):
    if before:
        synthetic.write(tmp_path, ["wood"], **SMALL)
    was = contents(tmp_path)
    draw = synthetic.draw

    def interrupted(category, kind, index, *rest):
        if kind != "good":
            raise KeyboardInterrupt
        return draw(category, kind, index, *rest)

    monkeypatch.setattr(synthetic, "draw", interrupted)
    with pytest.raises(KeyboardInterrupt):
        synthetic.write(tmp_path, ["wood"], seed=1, **SMALL)
    assert contents(tmp_path) == was
    assert [path.name for path in tmp_path.iterdir()] == ["wood"] * before


def test_folder_of_another_origin_is_not_touched(tmp_path):
    own = tmp_path / "wood/train/good/mine.png"
    own.parent.mkdir(parents=True)
    own.write_bytes(b"mine")
    for call in (
        lambda: synthetic.write(tmp_path),
        lambda: synthetic.load_synthetic("wood", tmp_path),
    ):
        with pytest.raises(UserError, match="not drawn by this program"):
            call()
    assert contents(tmp_path) == {"wood/train/good/mine.png": b"mine"}


def test_unknown_names_are_answered_with_the_valid_ones(tmp_path):
    names = "gear, label, tablet, weave, wood"
    for call in (
        lambda: synthetic.write(tmp_path / "new", ["gear", "screw"]),
        lambda: synthetic.load_synthetic("screw", tmp_path / "new"),
        lambda: synthetic.draw("screw"),
    ):
        with pytest.raises(UserError, match=f"'screw'; choose one of: {names}"):
            call()
    with pytest.raises(UserError, match="'dent'; choose one of: good, chip, scratch, rust"):
        synthetic.draw("gear", "dent")
    assert not (tmp_path / "new").exists()


def test_load_writes_once_and_keeps_other_counts(tmp_path, monkeypatch):
    synthetic.write(tmp_path, ["tablet"], seed=3, **SMALL)
    assert len(synthetic.load_synthetic("tablet", tmp_path, seed=3).train) == SMALL["n_train"]
    written = []

    def write_small(root, categories, seed):
        written.append((root, categories, seed))
        return write(root, categories, seed, **SMALL)

    write = synthetic.write
    monkeypatch.setattr(synthetic, "write", write_small)
    for _ in range(2):
        data = synthetic.load_synthetic("tablet", tmp_path, seed=4)
    assert written == [(tmp_path, ("tablet",), 4)]
    assert (data.category, len(data.test)) == ("tablet", 5)
    assert data.test.labels.sum() == 3


def test_progress_is_silent_when_not_a_terminal(tmp_path, capfd):
    synthetic.write(tmp_path, ["wood"], **SMALL)
    assert capfd.readouterr() == ("", "")


@settings(max_examples=60, deadline=None)
@given(
    paste=st.sampled_from(PASTES),
    shape=st.tuples(st.integers(32, 90), st.integers(32, 90)),
    grey=st.integers(0, 255),
    strength=st.floats(0, 1),
    seed=st.integers(0, 2**32),
)
def test_defects_paste_on_any_image(paste, shape, grey, strength, seed):
    rng = np.random.default_rng(seed)
    noise = rng.integers(-8, 9, (*shape, 3))
    image = np.clip(grey + noise, 0, 255).astype(np.uint8)
    original = image.copy()
    changed, mask = paste(image, rng, strength)
    assert (changed.shape, changed.dtype) == (image.shape, np.uint8)
    assert (mask.shape, mask.dtype) == (shape, bool)
    assert mask.any()
    np.testing.assert_array_equal(image, original)
    change = np.abs(changed.astype(int) - image).max(axis=2)
    assert change[~mask].max(initial=0) < defects.VISIBLE


@pytest.mark.parametrize("paste", PASTES)
def test_defects_keep_to_where_they_may_lie(paste):
    image = np.full((64, 80, 3), 150, np.uint8)
    where = np.zeros((64, 80), bool)
    where[:6, :30] = True  # at the border, where defects are not put by choice
    for seed in range(5):
        changed, mask = paste(image, np.random.default_rng(seed), 1.0, where)
        assert mask[where].any()
        np.testing.assert_array_equal(changed[~where], image[~where])
