from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pictures import draw_image, write_category, write_image

import adhelpers as ad
from adhelpers import images
from adhelpers.datasets import mvtec
from adhelpers.features import FeatureSet, extractor
from adhelpers.ground import UserError


@pytest.fixture
def samples(small_root):
    return mvtec.load_mvtec(small_root, "plate").test


@pytest.fixture
def counted(untrained, monkeypatch):
    """The extractor, and a list that grows by the images that its network sees."""
    seen = []
    pooled = untrained.pooled
    monkeypatch.setattr(untrained, "pooled", lambda x: seen.extend(x) or pooled(x))
    return untrained, seen


def test_features_are_the_averages_of_the_feature_maps(untrained, samples):
    features = untrained(samples)
    batch = np.stack([images.to_square(images.read(path), 224) for path in samples.paths])
    maps = untrained.backbone.model(batch.astype(np.float32), training=False)
    for name, found in features.levels.items():
        expected = np.asarray(maps[name], dtype=np.float64).mean(axis=(1, 2))
        np.testing.assert_allclose(found, expected, rtol=2e-4, atol=1e-6)
        assert found.dtype == np.float32


def test_order_labels_and_origin(untrained, samples):
    features = untrained(samples)
    assert features.paths == [str(path) for path in samples.paths]
    assert features.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert features.defect_types == ["good"] * 3 + ["spot"] * 3
    assert features.origin == ad.Origin(
        backbone="efficientnet-b0",
        weights="none (untrained, seed 0)",
        input_size=224,
        protocol="square",
        engine="keras",
        precision="float32",
        calibration=None,
    )


def test_the_batch_size_changes_nothing(untrained, samples, monkeypatch):
    four = untrained(samples)
    monkeypatch.setattr(untrained, "batch_size", 5)
    five = untrained(samples)
    for name in four.levels:
        np.testing.assert_allclose(four.levels[name], five.levels[name], rtol=1e-4, atol=1e-6)


def test_a_second_run_computes_nothing(counted, samples, tmp_path):
    extract, seen = counted
    first = extract(samples, cache=tmp_path / "f.npz")
    assert len(seen) == 6
    second = extract(samples, cache=tmp_path / "f.npz")
    assert len(seen) == 6
    assert all(np.array_equal(first.levels[k], second.levels[k]) for k in first.levels)
    assert [file.name for file in tmp_path.glob("*.npz")] == ["f.npz"]


def test_a_changed_image_is_noticed_and_done_alone(counted, samples, tmp_path):
    extract, seen = counted
    before = extract(samples, cache=tmp_path / "f.npz")
    write_image(Path(samples.paths[2]), draw_image(77))
    after = extract(samples, cache=tmp_path / "f.npz")
    assert len(seen) == 6 + 1
    same = [
        np.array_equal(*pair)
        for pair in zip(before.levels["level_5"], after.levels["level_5"], strict=True)
    ]
    assert same == [True, True, False, True, True, True]


def test_a_changed_setting_is_noticed(counted, samples, tmp_path, monkeypatch):
    extract, seen = counted
    extract(samples, cache=tmp_path / "f.npz")
    monkeypatch.setattr(extract, "origin", replace(extract.origin, weights="others"))
    extract(samples, cache=tmp_path / "f.npz")
    assert len(seen) == 12
    assert FeatureSet.load(tmp_path / "f.npz").origin.weights == "others"


def test_a_run_that_was_stopped_goes_on(counted, samples, tmp_path, monkeypatch):
    extract, seen = counted
    pooled = extract.pooled

    def stop_after_four(batch):
        if len(seen) >= 4:
            raise KeyboardInterrupt
        return pooled(batch)

    monkeypatch.setattr(extract, "pooled", stop_after_four)
    monkeypatch.setattr(extract._runner, "workers", 1)
    with pytest.raises(KeyboardInterrupt):
        extract(samples, cache=tmp_path / "f.npz")
    assert [file.name for file in tmp_path.glob("*.npz")] == ["f.partial.npz"]
    monkeypatch.setattr(extract, "pooled", pooled)
    features = extract(samples, cache=tmp_path / "f.npz")
    assert len(seen) == 6
    np.testing.assert_array_equal(features.levels["level_1"], extract(samples).levels["level_1"])
    assert [file.name for file in tmp_path.glob("*.npz")] == ["f.npz"]


def test_checkpoints_that_take_ever_longer_keep_their_share_of_the_time():
    now, due, written = 0.0, 10.0, 0.0
    while now < 10_000:  # a write takes a hundredth of all the time before it, 100 s at the end
        now, seconds = due, due / 100
        written += seconds
        due = extractor._next_checkpoint(now, now + seconds)
    assert 0.01 < written / (now + seconds) < 0.04
    assert extractor._next_checkpoint(5.0, 5.001) - 5.001 == pytest.approx(10.0)


def test_a_run_that_was_stopped_twice_keeps_all_it_had(counted, samples, tmp_path, monkeypatch):
    extract, seen = counted
    pooled = extract.pooled

    def stop_after(count):
        def pooled_until(batch):
            if len(seen) >= count:
                raise KeyboardInterrupt
            return pooled(batch)

        return pooled_until

    monkeypatch.setattr(extract._runner, "workers", 1)
    monkeypatch.setattr(extract, "batch_size", 1)
    for count in (2, 4):
        monkeypatch.setattr(extract, "pooled", stop_after(count))
        with pytest.raises(KeyboardInterrupt):
            extract(samples, cache=tmp_path / "f.npz")
        assert len(FeatureSet.load(tmp_path / "f.partial.npz")) == count
    monkeypatch.setattr(extract, "pooled", pooled)
    extract(samples, cache=tmp_path / "f.npz")
    assert len(seen) == 6


def test_a_features_file_cut_in_half_is_made_again(counted, samples, tmp_path, capsys):
    extract, seen = counted
    extract(samples, cache=tmp_path / "f.npz")
    data = (tmp_path / "f.npz").read_bytes()
    (tmp_path / "f.npz").write_bytes(data[: len(data) // 2])
    extract(samples, cache=tmp_path / "f.npz")
    assert len(seen) == 12
    assert len(FeatureSet.load(tmp_path / "f.npz")) == 6


def test_unreadable_images_stop_it_or_are_left_out(untrained, tmp_path, monkeypatch):
    root = write_category(tmp_path / "c").parent
    (tmp_path / "c/test/good/001.png").write_bytes(b"")
    samples = mvtec.load_mvtec(root, "c").test
    with pytest.raises(UserError, match=r"001\.png: the file is empty"):
        untrained(samples)
    monkeypatch.setattr(untrained, "skip_bad_images", True)
    features = untrained(samples)
    assert len(features) == 5
    assert features.defect_types == ["good"] * 2 + ["spot"] * 3
    assert not any(path.endswith("good/001.png") for path in features.paths)


def test_no_images_give_empty_features(untrained, samples):
    features = untrained(samples.subset([]))
    assert len(features) == 0
    assert features.levels["level_9"].shape == (0, 1280)


def test_bad_arguments():
    with pytest.raises(UserError, match="batch size"):
        ad.Extractor(weights="none", batch_size=0)
    with pytest.raises(UserError, match="unknown model 'b0'"):
        ad.Extractor("b0", weights="none")


def test_images_in_memory_have_the_features_of_their_files(untrained, samples):
    pixels = [picture.pixels for picture in images.stream(samples.paths, 224)]
    found, expected = untrained.of_pixels(pixels, samples.labels), untrained(samples)
    assert found.origin == expected.origin
    assert found.labels.tolist() == expected.labels.tolist()
    for name, rows in expected.levels.items():
        np.testing.assert_allclose(found.levels[name], rows, rtol=1e-4, atol=1e-6)
    assert len(untrained.of_pixels(np.empty((0, 224, 224, 3), np.uint8))) == 0


@pytest.mark.parametrize("shape", [(2, 64, 64, 3), (224, 224, 3), (1, 224, 224, 1)])
def test_images_in_memory_of_another_shape_are_refused(untrained, shape):
    with pytest.raises(UserError, match=r"expected \(N, 224, 224, 3\): .* images.to_square"):
        untrained.of_pixels(np.zeros(shape, np.uint8))


def test_what_gives_maps_is_shared_by_the_extractors_of_several_data_sets(small_b0, monkeypatch):
    made, real = [], extractor.make_runner
    monkeypatch.setattr(extractor, "make_runner", lambda *a: made.append(a) or real(*a))
    monkeypatch.setattr(ad.backbones, "load_backbone", lambda *_: small_b0)
    extract = ad.Extractor(weights="builtin", engine="keras")
    none = ad.datasets.Samples([], [], [], "train")
    for _ in range(2):
        extract.for_images(none).maps(none)
    assert len(made) == 2  # one without maps, one with
