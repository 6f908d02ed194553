"""Choose an augmentation without labels: held-out normal images against defects pasted into them.

What is chosen is what separates best the normal training images that were held out from copies of
them with a cut-out, a scratch or a stain. The images are not held out at random, but by their
light and colour, because the images to come may differ in these from all those at hand.

It is a stand-in for labelled test images, no more: pasted defects are not the real ones, and how
the images to come will differ from the training images cannot be known from these.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from sklearn.base import clone

from ..datasets import PASTES, Samples
from ..detector import MahalanobisDetector
from ..features import FeatureSet, extract_copies, extract_variants, joined
from ..gaussian import MIN_IMAGES
from ..ground import UserError
from ..images import USUAL, Augmentation, Picture
from .roc import roc_auc

#: The augmentations to choose from, in words for `Augmentation.parse`; the empty one is none.
CANDIDATES = {
    "none": "",
    "light": "gain offset",
    "flips": "flips",
    "turns": "flips quarter_turns",
    "place": "rotation=5 shift",
    "camera": "blur noise",
    "light and turns": "gain offset flips quarter_turns",
}
_N_PARTS = 3


@dataclass(frozen=True)
class Choice:
    """What `choose` found.

    Parameters
    ----------
    name : str
        The best candidate's.
    augmentation : Augmentation or None
        The best candidate; None where the images without copies did best.
    areas : dict of str to float
        By candidate: the area under the ROC curve, 0 to 1, of held-out images against their
        defective copies; the mean over the parts that were held out.
    """

    name: str
    augmentation: Augmentation | None
    areas: dict[str, float]

    def __str__(self) -> str:
        """Return a line for the screen."""
        areas = ", ".join(f"{name} {100 * area:.1f} %" for name, area in self.areas.items())
        return f"augmentation chosen without labels: {self.name} ({areas})"


def choose(
    extract,
    samples: Samples,
    candidates: Mapping[str, str] | None = None,
    copies: int = 3,
    n_images: int = 100,
    seed: int = 0,
    detector: MahalanobisDetector | None = None,
) -> Choice:
    """Choose the augmentation that separates held-out images best from pasted defects.

    A third of the images is held out in turn.

    Parameters
    ----------
    extract : Extractor
    samples : Samples
        Training images.
    candidates : dict of str to str, optional
        Words for `Augmentation.parse` by name; `CANDIDATES` when not given.
    copies : int
        How many copies of each image an augmentation makes.
    n_images : int
        With more training images than that, so many are drawn at random. Each is run through the
        network once, once per defect, and once per copy and candidate.
    seed : int
        Of the images drawn, the defects and the copies.
    detector : MahalanobisDetector, optional
        Whose parameters to fit with; the defaults when not given.

    Returns
    -------
    choice : Choice
        Of equal candidates, the first.

    Raises
    ------
    UserError
        If there are fewer than nine images, or a candidate cannot be read.
    """
    candidates = CANDIDATES if candidates is None else candidates
    augmentations = {
        name: Augmentation.parse(words.split(), copies, seed) if words else None
        for name, words in candidates.items()
    }
    rng = np.random.default_rng(seed)
    some = np.sort(rng.permutation(len(samples))[:n_images])
    samples = samples.subset(some.tolist())
    normal = extract(samples)
    if len(normal) < _N_PARTS * MIN_IMAGES:
        raise UserError(
            f"an augmentation is chosen from {_N_PARTS * MIN_IMAGES} training images or more, not "
            f"{len(normal)}: name one of {', '.join(USUAL)}"
        )

    def defective(picture: Picture) -> Iterator[tuple[str, np.ndarray]]:
        rng = np.random.default_rng([seed, int(picture.digest, 16)])
        for name, paste in PASTES.items():
            yield name, paste(picture.pixels, rng, rng.uniform())[0]

    defects = extract_variants(extract, samples, defective, len(PASTES), "defects")
    parts = _parts_by_light(normal)
    unfitted = clone(detector or MahalanobisDetector()).set_params(threshold=None)
    areas = {}
    for name, augmentation in augmentations.items():
        fitted = normal
        if augmentation:
            fitted = joined([normal, extract_copies(extract, samples, augmentation)])
        areas[name] = float(
            np.mean([_area(unfitted, fitted, normal, defects, part) for part in parts])
        )
    best = max(areas, key=areas.get)
    return Choice(best, augmentations[best], areas)


def _parts_by_light(features: FeatureSet) -> list[list[str]]:
    """Divide the images' paths along the main direction of the first level, which sees light."""
    first = np.asarray(next(iter(features.levels.values())), dtype=np.float64)
    spread = first.std(axis=0)
    standard = (first - first.mean(axis=0)) / np.where(spread > 0, spread, 1)
    left, _, _ = np.linalg.svd(standard, full_matrices=False)
    rising = np.argsort(left[:, 0], kind="stable")
    return [[features.paths[i] for i in part] for part in np.array_split(rising, _N_PARTS)]


def _area(
    unfitted: MahalanobisDetector,
    fitted: FeatureSet,
    normal: FeatureSet,
    defects: FeatureSet,
    part: list[str],
) -> float:
    """Fit without some images and their copies, and tell these images from their defects."""
    detector = clone(unfitted).fit(fitted.rows(~np.isin(fitted.paths, part)))
    held_out = joined([x.rows(np.isin(x.paths, part)) for x in (normal, defects)])
    return roc_auc(held_out.labels, detector.anomaly_score(held_out))
