from pathlib import Path

import numpy as np
import pytest
from pictures import draw_image, write_category

import adhelpers as ad
from adhelpers import backbones, images
from adhelpers.datasets import mvtec
from adhelpers.features import MAP_LEVELS, FeatureMaps, extract_with_copies, feature_maps
from adhelpers.ground import UserError


@pytest.fixture(scope="module")
def tflite():
    return ad.Extractor(weights="builtin", batch_size=4, engine="tflite", input_size=64)


@pytest.fixture(scope="module", params=backbones.RUNNERS)
def extract(request, tflite):
    if request.param == "tflite":
        return tflite
    return ad.Extractor(weights="builtin", batch_size=4, engine="keras", input_size=64)


@pytest.fixture
def samples(small_root):
    return mvtec.load_mvtec(small_root, "plate").test


@pytest.fixture
def counted(tflite, monkeypatch):
    """The extractor, and a list that grows by the images of which it makes maps."""
    seen, runner = [], tflite.map_runner(MAP_LEVELS)
    run = runner.run
    monkeypatch.setattr(runner, "run", lambda x: seen.extend(x) or run(x))
    return tflite, seen


def all_maps(maps: FeatureMaps) -> dict[str, np.ndarray]:
    batches = list(maps)
    return {name: np.concatenate([b.maps[name] for b in batches]) for name in maps.levels}


def damaged(tmp_path: Path, *names: str) -> ad.datasets.Samples:
    """A category's test images, of which these are no images."""
    root = write_category(tmp_path / "c").parent
    for name in names:
        (tmp_path / "c/test" / name).write_bytes(b"")
    return mvtec.load_mvtec(root, "c").test


# --- what they hold -----------------------------------------------------------------------------


def test_maps_are_those_of_the_keras_network(extract, samples):
    maps = extract.maps(samples)
    batch = np.stack([images.to_square(images.read(path), 64) for path in samples.paths])
    expected = extract.backbone.model(batch.astype(np.float32), training=False)
    assert maps.levels == list(MAP_LEVELS)
    for name, found in all_maps(maps).items():
        x = np.asarray(expected[name])
        assert found.dtype == np.float32
        assert found.shape == (6, *maps.shapes[name])
        np.testing.assert_allclose(found, x, rtol=1e-3, atol=1e-5 * np.abs(x).max())


def test_their_means_are_the_pooled_features(extract, samples):
    maps = extract.maps(samples)
    for name, x in all_maps(maps).items():
        mean = x.mean(axis=(1, 2), dtype=np.float64)
        np.testing.assert_allclose(maps.features.levels[name], mean, rtol=1e-4, atol=1e-6)


def test_features_are_those_of_the_extractor(extract, samples):
    found, expected = extract.maps(samples).features, extract(samples)
    same = np.testing.assert_array_equal if extract.model else np.testing.assert_allclose
    about = {} if extract.model else {"rtol": 1e-4, "atol": 1e-6}
    assert list(found.levels) == list(expected.levels)
    for name, x in expected.levels.items():
        assert found.levels[name].dtype == x.dtype
        same(found.levels[name], x, **about)
    assert found.labels.tolist() == expected.labels.tolist()
    for about in ("paths", "digests", "defect_types", "origin"):
        assert getattr(found, about) == getattr(expected, about)


def test_batches_know_their_images(tflite, samples):
    maps = tflite.maps(samples)
    assert maps.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert maps.origin == tflite.origin
    parts = [batch.features for batch in maps]
    assert [len(part) for part in parts] == [4, 2]
    assert [path for part in parts for path in part.paths] == list(map(str, samples.paths))
    assert [len(batch.maps["level_4"]) for batch in maps] == [4, 2]


def test_images_in_memory_have_the_maps_of_their_files(extract, samples):
    pixels = [picture.pixels for picture in images.stream(samples.paths, 64)]
    found = extract.maps_of_pixels(pixels, labels=samples.labels)
    expected = all_maps(extract.maps(samples))
    for name, x in all_maps(found).items():
        np.testing.assert_allclose(x, expected[name], rtol=1e-4, atol=1e-5)
    assert found.labels.tolist() == found.features.labels.tolist() == samples.labels.tolist()
    assert found.origin == found.features.origin == extract.origin
    assert extract.maps_of_pixels(pixels).labels.tolist() == [0] * 6
    for name, x in extract.of_pixels(pixels).levels.items():
        np.testing.assert_allclose(found.features.levels[name], x, rtol=1e-4, atol=1e-6)


def test_plain_arrays():
    x = np.random.default_rng(0).normal(size=(5, 3, 2, 4)).astype(np.float32)
    maps = FeatureMaps.from_arrays({"a": x}, labels=[0, 1, 0, 0, 1], batch_size=2)
    assert [len(batch.features) for batch in maps] == [2, 2, 1]
    np.testing.assert_array_equal(all_maps(maps)["a"], x)
    assert maps.shapes == {"a": (3, 2, 4)}
    np.testing.assert_allclose(maps.features.levels["a"], x.mean(axis=(1, 2)), rtol=1e-6)
    assert maps.features.labels.tolist() == maps.labels.tolist() == [0, 1, 0, 0, 1]


# --- how often they are computed ----------------------------------------------------------------


def test_few_maps_are_kept(counted, samples):
    extract, seen = counted
    maps = extract.maps(samples)
    assert not seen
    first = all_maps(maps)
    assert len(seen) == 6
    for name, x in all_maps(maps).items():
        np.testing.assert_array_equal(x, first[name])
    assert len(maps.features) == len(seen) == 6


@pytest.mark.parametrize("room", [0, 1])
def test_many_maps_are_computed_anew_and_their_features_kept(counted, samples, monkeypatch, room):
    """Even if there is room for the first batch."""
    extract, seen = counted
    bytes_of_four = 4 * 4 * sum(map(np.prod, extract.maps(samples).shapes.values()))
    monkeypatch.setattr(feature_maps, "_KEPT_BYTES", room * int(bytes_of_four))
    maps = extract.maps(samples)
    first = all_maps(maps)
    assert len(maps.features) == len(seen) == 6
    for name, x in all_maps(maps).items():
        np.testing.assert_array_equal(x, first[name])
    assert len(seen) == 12
    assert len(maps.features) == 6
    assert len(seen) == 12


def test_a_pass_that_was_left_early_is_not_taken_for_a_whole_one(counted, samples):
    maps = counted[0].maps(samples)
    next(iter(maps))
    assert len(maps.features) == 6
    assert [len(batch.features) for batch in maps] == [4, 2]


# --- copies -------------------------------------------------------------------------------------


@pytest.mark.parametrize("copies", [1, 2, 5])
def test_copies_come_right_after_their_image(tflite, small_root, copies):
    samples = mvtec.load_mvtec(small_root, "plate").train
    augmentation = images.Augmentation(gain=0.3, flips=True, copies=copies)
    found = tflite.maps(samples, augmentation=augmentation).features
    assert found.paths == [str(path) for path in samples.paths for _ in range(1 + copies)]
    own = tflite(samples)
    for i in range(len(samples)):
        start = i * (1 + copies)
        assert found.digests[start] == own.digests[i]
        assert found.digests[start + 1 : start + 1 + copies] == [""] * copies
    expected = extract_with_copies(tflite, samples, augmentation)
    assert set(found.defect_types) == {"good"}
    for name, x in own.levels.items():
        np.testing.assert_array_equal(found.levels[name][:: 1 + copies], x)
        rows = [set(map(tuple, y.levels[name].tolist())) for y in (found, expected)]
        assert rows[0] == rows[1]
        assert len(found.levels[name]) == len(expected.levels[name]) == 6 * (1 + copies)
    maps = tflite.maps(samples, augmentation=augmentation)
    mean = all_maps(maps)["level_5"].mean(axis=(1, 2), dtype=np.float64)
    np.testing.assert_allclose(found.levels["level_5"], mean, rtol=1e-4, atol=1e-6)
    assert len(maps.labels) == 6


# --- what is refused ----------------------------------------------------------------------------


def test_unreadable_images_stop_it_or_are_left_out(tflite, tmp_path, monkeypatch):
    samples = damaged(tmp_path, "good/001.png")
    with pytest.raises(UserError, match=r"001\.png: the file is empty"):
        list(tflite.maps(samples))
    monkeypatch.setattr(tflite, "skip_bad_images", True)
    maps = tflite.maps(samples, augmentation=images.Augmentation(gain=0.2, copies=1))
    names = [f"{Path(path).parent.name}/{Path(path).name}" for path in maps.features.paths[::2]]
    assert names == ["good/000.png", "good/002.png", "spot/000.png", "spot/001.png", "spot/002.png"]
    assert maps.features.labels.tolist() == [0, 0, 0, 0, 1, 1, 1, 1, 1, 1]
    assert len(all_maps(maps)["level_4"]) == 10
    expected = tflite(samples).levels["level_9"]
    np.testing.assert_array_equal(maps.features.levels["level_9"][::2], expected)


def test_no_readable_images_are_an_error(tflite, tmp_path, monkeypatch):
    samples = damaged(tmp_path, *(f"{kind}/00{i}.png" for kind in ("good", "spot") for i in "012"))
    monkeypatch.setattr(tflite, "skip_bad_images", True)
    for maps in (tflite.maps(samples), tflite.maps(samples.subset([]))):
        with pytest.raises(UserError, match="no readable images; give at least one"):
            list(maps)
        with pytest.raises(UserError, match="no readable images; give at least one"):
            assert maps.features


def test_a_level_that_the_network_lacks_is_refused(tflite, samples):
    for ask in (tflite.maps, tflite.maps_of_pixels):
        with pytest.raises(UserError, match="unknown level of efficientnet-b0 'level_10'; choose"):
            ask(samples, ["level_4", "level_10"])


@pytest.mark.parametrize("shape", [(2, 32, 32, 3), (64, 64, 3), (1, 64, 64, 1)])
def test_images_in_memory_of_another_shape_are_refused(tflite, shape):
    with pytest.raises(UserError, match=r"expected \(N, 64, 64, 3\): .* images.to_square"):
        tflite.maps_of_pixels(np.zeros(shape, np.uint8))


@pytest.mark.parametrize("size", [0, 16, 100, 65, -32])
def test_an_input_size_that_no_network_takes_is_refused(size):
    with pytest.raises(UserError, match=f"a multiple of 32 pixels, not {size}"):
        ad.Extractor(weights="none", input_size=size)


# --- sizes --------------------------------------------------------------------------------------


def test_an_input_size_of_ones_own(samples):
    extract = ad.Extractor(weights="none", engine="keras", input_size=96, protocol="crop")
    assert extract.origin.input_size == 96
    maps = extract.maps(samples, ["level_3", "level_9"])
    assert maps.shapes == {"level_3": (24, 24, 24), "level_9": (3, 3, 1280)}
    assert len(all_maps(maps)["level_9"]) == len(extract(samples)) == 6


def test_detectors_take_maps_from_files(tflite, small_root):
    """From folder to decision, with copies held out beside their images."""
    data = mvtec.load_mvtec(small_root, "plate")
    train = tflite.maps(data.train, augmentation=images.Augmentation(flips=True, copies=2))
    test = tflite.maps(data.test)
    for kind in (ad.LocalDetector, ad.JointDetector):
        detector = kind().fit(train)
        assert detector.n_train_ == 18
        assert len(detector.held_out_scores_) == 18
        scores = detector.anomaly_score(test)
        assert scores[3:].min() > scores[:3].max()
        places = [np.unravel_index(x.argmax(), x.shape) for x in detector.heat_maps(test)[3:]]
        # The square is at pixels 20 to 36 of 64, which are the cells 2 to 4 of 8.
        assert all(2 <= y <= 4 and 2 <= x <= 4 for y, x in places)
    with pytest.raises(UserError, match="3 of 6 training images are labelled anomalous"):
        ad.LocalDetector().fit(test)
    drawn = tflite.maps_of_pixels([draw_image(100), draw_image(200, anomalous=True)])
    assert detector.anomaly_score(drawn) == pytest.approx(scores[[0, 3]], rel=1e-4)
