"""Equal files under other names are one image, where images are held out."""

from dataclasses import replace

import numpy as np
import pytest
from feature_maps import draw_maps, maps_of, rows

import adhelpers as ad
from adhelpers.detector import JointDetector, LocalDetector, MahalanobisDetector
from adhelpers.features import FeatureMaps
from adhelpers.gaussian import FEWEST, folds

pytestmark = pytest.mark.trouble

#: Twelve different images, most of them several times, in a mixed order.
IMAGES = np.random.default_rng(0).permutation(np.repeat(np.arange(12), [1, 2, 5, 3] * 3))


def with_digests(maps: FeatureMaps, images, known: bool = True) -> FeatureMaps:
    """Give each image a path of its own, and equal ones the same digest, if that is known."""
    digests = [f"{image:032x}" if known else "" for image in images]
    paths = [f"{row}.png" for row in range(len(images))]
    plain = maps.__iter__

    def batches():
        start = 0
        for batch in plain():
            chosen = slice(start, start + len(batch.features))
            start = chosen.stop
            features = replace(batch.features, digests=digests[chosen], paths=paths[chosen])
            yield batch._replace(features=features)

    return FeatureMaps(batches, maps.shapes, maps.labels, maps.origin)


def copied(known: bool = True, batch_size: int = 3) -> FeatureMaps:
    maps = rows(draw_maps(12), IMAGES)
    return with_digests(maps_of(maps, batch_size=batch_size), IMAGES, known)


def by_hand(fit, score, folds: np.ndarray) -> np.ndarray:
    """Return the scores of images by fits without their fold."""
    maps, scores = rows(draw_maps(12), IMAGES), np.empty(len(IMAGES))
    for fold in np.unique(folds):
        detector = fit(maps_of(rows(maps, folds != fold)))
        scores[folds == fold] = score(detector, maps_of(rows(maps, folds == fold)))
    return scores


@pytest.mark.parametrize("batch_size", [3, 50])
def test_gaussians_per_position(batch_size):
    numbers = {image: i for i, image in enumerate(dict.fromkeys(IMAGES.tolist()))}
    folds = np.array([numbers[image] for image in IMAGES.tolist()]) % 5
    expected = by_hand(
        lambda train: LocalDetector(threshold=None).fit(train),
        lambda detector, test: detector.anomaly_score(test),
        folds,
    )
    detector = LocalDetector().fit(copied(batch_size=batch_size))
    np.testing.assert_allclose(detector.held_out_scores_, expected, rtol=1e-7)
    assert detector.threshold_ > 1.1 * LocalDetector().fit(copied(known=False)).threshold_


def test_both_in_one():
    grouped, apart = (JointDetector().fit(copied(known)) for known in (True, False))
    assert {name: mean for name, (mean, _) in grouped.scales_.items()}.keys() == (
        {name: mean for name, (mean, _) in apart.scales_.items()}.keys()
    )
    assert all(grouped.scales_[name][0] > 1.1 * apart.scales_[name][0] for name in apart.scales_)


def test_pooled():
    features = copied().features
    parts = folds(IMAGES.tolist(), 5)
    assert all(not {*IMAGES[part]} & {*np.delete(IMAGES, part)} for part in parts)
    expected = [
        MahalanobisDetector(threshold=None)
        .fit(features.rows(np.delete(np.arange(len(IMAGES)), part)))
        .anomaly_score(features.rows(part))
        for part in parts
    ]
    detector = MahalanobisDetector().fit(features)
    np.testing.assert_allclose(detector.held_out_scores_, np.concatenate(expected), rtol=1e-7)
    assert detector.threshold_ > 1.1 * MahalanobisDetector().fit(copied(False).features).threshold_


def test_a_conformal_threshold_counts_each_image_once():
    images = np.tile(np.arange(40), 3)
    maps = rows(draw_maps(40), images)
    for detector in (
        LocalDetector(threshold="conformal", n_folds=2).fit(with_digests(maps_of(maps), images)),
        MahalanobisDetector(threshold="conformal", n_folds=2).fit(
            with_digests(maps_of(maps), images).features
        ),
    ):
        assert (len(detector.held_out_scores_), detector.n_train_) == (20, 60)


@pytest.mark.parametrize("different", [FEWEST - 1, FEWEST])
def test_copies_do_not_make_few_images_many(different):
    images = np.tile(np.arange(different), 10)
    train = with_digests(maps_of(rows(draw_maps(different), images)), images)
    for detector in (LocalDetector(), JointDetector()):
        assert detector.fit(train).has_threshold == (different == FEWEST)
    assert MahalanobisDetector().fit(train.features).has_threshold == (different == FEWEST)


def test_changed_copies_are_of_their_images_group():
    features = ad.FeatureSet.from_arrays({"a": np.zeros((6, 2))})
    features.paths[:] = ["x.png", "y.png", "copy of x.png", "y.png", "copy of x.png", "z.png"]
    features.digests[:] = ["1", "2", "1", "", "", ""]
    assert features.groups == ["1", "2", "1", "2", "1", "z.png"]
