"""An unknown name is an error that lists the valid ones, wherever a choice is made."""

import numpy as np
import pytest

import adhelpers as ad
from adhelpers import edge
from adhelpers.backbones import VARIANTS
from adhelpers.datasets import synthetic
from adhelpers.detector import COMBINATIONS, THRESHOLDS
from adhelpers.detector.combination import combine
from adhelpers.features import ENGINES
from adhelpers.gaussian import METHODS, REDUCTIONS
from adhelpers.ground import UserError, check_choice, chosen
from adhelpers.images import PROTOCOLS, USUAL, Augmentation
from adhelpers.quantization import PRECISIONS

ROWS = np.random.default_rng(0).normal(size=(20, 3))
IMAGE = np.zeros((8, 8, 3), np.uint8)
CHOICES = {
    "covariance": (METHODS, lambda: ad.MahalanobisDetector(covariance="?").fit(ROWS)),
    "reduction": (REDUCTIONS, lambda: ad.MahalanobisDetector(reduction="?").fit(ROWS)),
    "combination": (COMBINATIONS, lambda: ad.MahalanobisDetector(combination="?").fit(ROWS)),
    "combination of distances": (COMBINATIONS, lambda: combine({"a": ROWS[:, 0]}, "?")),
    "threshold": (THRESHOLDS, lambda: ad.MahalanobisDetector(threshold="?").fit(ROWS)),
    "precision": (PRECISIONS, lambda: ad.quantization.quantize(b"", "?")),
    "precision of features": (PRECISIONS, lambda: ad.Extractor(weights="none", precision="?")),
    "engine": (ENGINES, lambda: ad.Extractor(weights="none", engine="?")),
    "protocol": (PROTOCOLS, lambda: ad.images.to_square(IMAGE, 8, "?")),
    "protocol of a window": (PROTOCOLS, lambda: ad.images.seen_window((8, 8), 8, "?")),
    "protocol of files": (PROTOCOLS, lambda: list(ad.images.stream([], 8, "?"))),
    "protocol on a device": (PROTOCOLS, lambda: edge.to_square(IMAGE, 8, "?")),
    "augmentation": (USUAL, lambda: Augmentation.parse(["?"])),
    "model": (VARIANTS, lambda: ad.Extractor("?")),
    "level": (["level_1"], lambda: ad.FeatureSet.from_arrays({"level_1": ROWS}).with_levels("?")),
    "drawn category": (synthetic.CATEGORIES, lambda: synthetic.draw("?")),
}


@pytest.mark.parametrize("kind", CHOICES)
def test_every_choice_lists_its_names(kind):
    valid, choose = CHOICES[kind]
    with pytest.raises(ValueError, match=r"unknown .* '\?'; choose one of: ") as caught:
        choose()
    assert isinstance(caught.value, UserError | edge.EdgeError)
    listed = str(caught.value).partition("choose one of: ")[2].split(", ")
    assert set(valid) <= set(listed)


def test_chosen_gives_what_the_table_holds():
    table = {"one": 1, "two": 2}
    assert chosen("number", "two", table) == 2
    with pytest.raises(UserError, match="unknown number 'three'; choose one of: one, two"):
        chosen("number", "three", table)
    check_choice("number", None, (*table, None))
