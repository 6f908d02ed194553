"""Fits on a cluster: equal to those of one process, whatever happens."""

import fsspec
import numpy as np
import pytest
from scale_cluster import KEY, SECRET

from adhelpers import LocalDetector, MahalanobisDetector, UserError, scale
from adhelpers.backbones import LiteRTRunner
from adhelpers.images import read, to_square
from adhelpers.scale.sums import FAN, tree_sum

KINDS = [MahalanobisDetector(), LocalDetector(levels=["level_1", "level_2"])]


def bits_of(detector) -> list[bytes]:
    """Return all that a fit decides, to the last bit."""
    return [
        np.asarray(getattr(moments, name)).tobytes()
        for moments in detector.moments_.values()
        for name in ("count", "mean", "scatter", "third", "fourth")
    ] + [np.float64(detector.threshold_).tobytes(), detector.held_out_scores_.tobytes()]


@pytest.fixture(scope="module", params=KINDS, ids=["pooled", "local"])
def alone(request, network, folder):
    """A fit in this process, in one partition."""
    return scale.fit(folder, network, detector=request.param, partition=10**6)


def test_the_tree_is_the_same_for_all_partitions():
    def join(a, b):
        return f"({a} {b})"

    for count in range(1, 70):
        leaves = list(map(str, range(count)))
        whole = tree_sum(leaves, join)
        for step in (1, 2, 4, 8, 16):
            parts = [tree_sum(leaves[i : i + step], join) for i in range(0, count, step)]
            while len(parts) > 1:
                parts = [tree_sum(parts[i : i + FAN], join) for i in range(0, len(parts), FAN)]
            assert parts == [whole]


def test_sums_are_those_of_the_features(network, folder):
    detector = MahalanobisDetector(threshold=None)
    fitted = scale.fit(folder, network, detector=detector, partition=128)
    paths = sorted(path for path in folder.rglob("*.png") if path.name != "broken.png")
    pixels = np.stack([to_square(read(path), 32) for path in paths])
    levels = LiteRTRunner(network.model).pooled(pixels)
    assert (fitted.n_images, fitted.n_held_out) == (len(paths) + 1, 0)
    for name, x in levels.items():
        moments = fitted.detector.moments_[name]
        assert moments.count == len(x)
        np.testing.assert_allclose(moments.mean, x.mean(axis=0, dtype=float), rtol=1e-12)
        expected = np.cov(x.T.astype(float), bias=True) * len(x)
        np.testing.assert_allclose(moments.scatter, expected, rtol=1e-9, atol=1e-9)


def test_a_cluster_and_a_bucket_give_the_bits_of_one_process(alone, network, bucket, client):
    fitted = scale.fit(f"{bucket}/images", network, client, alone.detector, f"{bucket}/job", 128)
    assert bits_of(fitted.detector) == bits_of(alone.detector)
    assert [error for _, error in fitted.errors] == [error for _, error in alone.errors]
    assert len(alone.errors) == 1


def test_the_threshold_is_that_of_the_images_held_out(network, folder):
    fitted = scale.fit(folder, network, detector=MahalanobisDetector())
    held_out = fitted.detector.held_out_scores_
    assert len(held_out) == fitted.n_held_out == fitted.n_images - 1 - fitted.detector.n_train_
    assert 30 <= fitted.n_held_out <= 90  # a fifth, by the digests
    assert fitted.detector.threshold_ == np.quantile(held_out, 0.95)


def test_a_stopped_job_goes_on_at_the_partitions_that_are_there(
    alone, network, folder, tmp_path, client
):
    first = scale.fit(folder, network, client, alone.detector, str(tmp_path), 128)
    (lost,) = sorted((tmp_path / "fit").glob("*.json"))[:1]
    lost.unlink()
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "fit").iterdir()}
    again = scale.fit(folder, network, client, alone.detector, str(tmp_path), 128)
    assert (first.n_found, again.n_found) == (0, 2)
    assert bits_of(again.detector) == bits_of(alone.detector)
    changed = {path.stem for path, time in times.items() if path.stat().st_mtime_ns != time}
    assert changed == {lost.stem}


def test_changed_images_and_models_are_not_taken_from_a_folder(network, folder, tmp_path):
    images, _ = scale.list_urls(folder)
    scale.fit(images, network, detector=KINDS[0], folder=str(tmp_path), partition=128)
    other = [scale.Source(images[0].url, "another version"), *images[1:]]
    for detector, known in ((KINDS[0], 2), (MahalanobisDetector(levels=["level_1"]), 0)):
        fitted = scale.fit(other, network, None, detector, str(tmp_path), 128)
        assert fitted.n_found == known


def test_damaged_sums_are_refused(network, folder, tmp_path):
    detector = MahalanobisDetector(threshold=None)
    scale.fit(folder, network, None, detector, str(tmp_path), 128)
    for path in sorted((tmp_path / "fit").glob("*.npz")):
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    with pytest.raises(UserError, match=r"damaged .*remove it"):
        scale.fit(folder, network, None, detector, str(tmp_path), 128)


def test_what_cannot_be_fitted_is_one_line(network, folder, tmp_path, client):
    (tmp_path / "a.png").write_bytes(b"none")
    for arguments, words in [
        ((tmp_path, network, None, MahalanobisDetector()), "0 of 1 images are left to fit to"),
        ((folder, network, None, MahalanobisDetector(levels=["level_9"])), "unknown level"),
        ((folder, network, None, MahalanobisDetector(), None, 0), "1 image at least"),
        (
            (folder, network, None, MahalanobisDetector(combination="z-score", threshold=None)),
            "needs images that are held out",
        ),
    ]:
        with pytest.raises(UserError, match=words):
            scale.fit(*arguments)


def test_credentials_are_nowhere(bucket, client, cluster, network):
    with pytest.raises(UserError) as error:
        scale.fit("s3://there-is-none/x", network, client)
    fs = fsspec.filesystem("s3", use_listings_cache=False)
    kept = [fs.cat_file(path) for path in fs.find(bucket) if path.endswith(".json")]
    text = "".join([str(error.value), cluster.log(), *(content.decode() for content in kept)])
    assert len(kept) and SECRET not in text and KEY not in text
