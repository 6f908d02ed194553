"""The choice of an augmentation without labels, on features that can be understood."""

import numpy as np
import pytest
from origins import origin
from pictures import draw_image, write_image

from adhelpers.datasets import Samples
from adhelpers.evaluation import augmentation_choice
from adhelpers.features import FeatureSet, extract_variants
from adhelpers.ground import UserError
from adhelpers.images import Augmentation


class Simple:
    """An extractor whose features are each image's brightness and its contrasts, no network."""

    def __init__(self):
        self.origin = origin(input_size=64)
        self.levels = {"light": 1, "contrast": 2}
        self.batch_size = 4
        self.skip_bad_images = False

    def for_images(self, samples: Samples) -> "Simple":
        return self

    def pooled(self, images: np.ndarray) -> dict[str, np.ndarray]:
        grey = np.asarray(images, dtype=np.float32).mean(axis=3)
        steps = [np.abs(np.diff(grey, axis=axis)) for axis in (1, 2)]
        contrast = np.stack([step.mean(axis=(1, 2)) for step in steps], axis=1)
        return {"light": grey.mean(axis=(1, 2))[:, None], "contrast": contrast}

    def __call__(self, samples: Samples, cache=None) -> FeatureSet:
        return extract_variants(self, samples, lambda p: [("good", p.pixels)], 1, "images")


@pytest.fixture
def simple() -> Simple:
    return Simple()


def write_train(folder, brightness) -> Samples:
    paths = [
        write_image(
            folder / f"{i:03d}.png", np.clip(draw_image(i) * 0.4 + add, 0, 255).astype("u1")
        )
        for i, add in enumerate(brightness)
    ]
    return Samples(paths, ["good"] * len(paths), [None] * len(paths), "train")


def test_copies_in_other_light_are_chosen_where_light_differs(simple, tmp_path):
    """The darker third, held out, differs from the others in little but its light."""
    train = write_train(tmp_path, [*np.linspace(0, 70, 8), *np.linspace(75, 80, 16)])
    choice = augmentation_choice.choose(simple, train, {"none": "", "light": "offset=60"})
    assert choice.name == "light"
    assert choice.augmentation == Augmentation(offset=60)
    assert choice.areas["light"] > choice.areas["none"] + 0.05
    assert "light" in str(choice)
    assert f"{100 * choice.areas['none']:.1f} %" in str(choice)


def test_no_copies_are_chosen_where_they_hide_the_defects(simple, tmp_path):
    """All in one light, and sharp; noise and blur hide how a defect differs in contrast."""
    train = write_train(tmp_path, np.full(18, 60))
    choice = augmentation_choice.choose(simple, train, {"noise": "noise=120 blur=20", "none": ""})
    assert (choice.name, choice.augmentation) == ("none", None)


def test_the_choice_repeats_and_takes_so_many_images(simple, tmp_path, monkeypatch):
    train = write_train(tmp_path, np.linspace(10, 120, 20))
    seen = []
    real = augmentation_choice.extract_variants
    monkeypatch.setattr(
        augmentation_choice,
        "extract_variants",
        lambda extract, samples, *more: seen.append(len(samples)) or real(extract, samples, *more),
    )
    one, two = (
        augmentation_choice.choose(simple, train, {"none": "", "flips": "flips"}, n_images=12)
        for _ in range(2)
    )
    assert one == two
    assert seen == [12, 12]


def test_parts_follow_the_light_and_share_no_image():
    light = np.random.default_rng(0).permutation(12)
    features = FeatureSet.from_arrays({"a": np.stack([light, 3.0 * light + 1], axis=1)})
    features = FeatureSet(
        features.levels, features.labels, features.defect_types, [str(x) for x in light], [], {}
    )
    parts = augmentation_choice._parts_by_light(features)
    values = [sorted(map(int, part)) for part in parts]
    assert sorted(values) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]


def test_too_few_images_are_an_error(simple, tmp_path):
    train = write_train(tmp_path, range(8))
    with pytest.raises(UserError, match="9 training images or more, not 8"):
        augmentation_choice.choose(simple, train)


def test_every_candidate_can_be_read():
    for words in augmentation_choice.CANDIDATES.values():
        assert not words or Augmentation.parse(words.split())
