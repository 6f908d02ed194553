"""The making of the built-in weights, in small."""

import itertools
import json

import numpy as np
import pytest
from scipy.spatial.distance import mahalanobis

from adhelpers.backbones import builtin
from tools.builtin_weights import feed, measure, patterns, pictures, schedule, shapes, store


def some_pictures(seed, count=40, size=64):
    return np.stack(list(itertools.islice(pictures.stream(seed, size), count)))


def test_pictures_are_repeatable_and_depend_on_the_seed():
    first, again, other = (some_pictures(seed, 5) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).mean() > 0.5


def test_pictures_are_varied():
    drawn = some_pictures(0).astype(float)
    assert drawn.shape == (40, 64, 64, 3)
    means, contrasts = drawn.mean((1, 2, 3)), drawn.std((1, 2, 3))
    assert np.ptp(means) > 60 and np.ptp(contrasts) > 20
    grey = np.ptp(drawn, axis=-1).mean((1, 2)) < 8
    assert 0 < grey.mean() < 1


def test_pictures_come_in_pairs_of_one_scene():
    drawn = some_pictures(3, 80).astype(float)
    first, second = drawn[::2], drawn[1::2]

    def difference(others):
        return np.abs(first - others).mean((1, 2, 3))

    assert (difference(second) > 0.1).all()
    assert np.median(difference(second)) < 0.4 * np.median(difference(np.roll(second, 1, axis=0)))


@pytest.mark.parametrize("kind", patterns.KINDS, ids=lambda kind: kind.__name__)
def test_patterns_are_finite_and_not_flat(kind):
    values = kind(np.random.default_rng(0), 48)
    assert values.shape == (48, 48)
    assert np.isfinite(values).all() and values.std() > 0


def test_outlines_stay_within_a_circle():
    rng = np.random.default_rng(0)
    for _ in range(50):
        points = shapes.outline(rng)
        assert np.isfinite(points).all()
        np.testing.assert_allclose(np.hypot(*points.T).max(), 1)


def test_weights_file_round_trip_and_damage(tmp_path):
    rng = np.random.default_rng(0)
    arrays = {"a/kernel": rng.normal(size=(3, 3, 2, 4)), "a/beta": rng.normal(size=4)}
    store.save(tmp_path / "w.npz", arrays, {"version": 1})
    loaded, record = builtin.load_weights(tmp_path / "w.npz")
    assert record["version"] == 1
    assert loaded["a/kernel"].dtype == np.float16 and loaded["a/beta"].dtype == np.float32
    np.testing.assert_allclose(loaded["a/kernel"], arrays["a/kernel"], rtol=1e-3)

    loaded["a/beta"][0] += 1
    with (tmp_path / "w.npz").open("rb") as file, np.load(file) as entries:
        text = entries[builtin.RECORD]
    np.savez(tmp_path / "changed.npz", **{builtin.RECORD: text}, **loaded)
    with pytest.raises(builtin.UserError, match="damaged"):
        builtin.load_weights(tmp_path / "changed.npz")


def test_varied_copies_keep_to_their_ranges():
    images = np.full((200, 2, 2, 3), 100, np.uint8)
    varied = measure.vary(np.random.default_rng(0), images).astype(int)
    assert varied.min() >= 65 and varied.max() <= 135
    assert np.ptp(varied, axis=(1, 2, 3)).max() == 0


def small_teacher(weights, size):
    """Stand in for the teacher: random linear maps of shrunken images, with its shapes."""
    import tensorflow as tf

    rng = np.random.default_rng(0)
    widths = {2: (32, 16), 4: (32,), 8: (48,), 16: (96, 112), 32: (192, 1280)}
    each = [(stride, width) for stride, some in widths.items() for width in some]
    maps = [(s, rng.normal(size=(3, width)).astype(np.float32)) for s, width in each]

    def features(images):
        small = (tf.nn.avg_pool2d(images / 255, stride, stride, "SAME") for stride, _ in maps)
        outputs = (x @ matrix for x, (_, matrix) in zip(small, maps, strict=True))
        return {f"level_{i}": x for i, x in enumerate(outputs, start=1)}

    return features


def test_goals_of_a_student_that_goes_on_are_turned_to_what_it_has():
    import tensorflow as tf

    from tools.builtin_weights import teacher

    images = some_pictures(0, 24, 64)
    features = small_teacher("none", 64)

    def maps(goals):
        return teacher.targets(features, goals, 64)

    before, other = (teacher.goals(features, [images], seed) for seed in (0, 1))
    after = teacher.goals(features, [images], 1, learned=maps(before))
    x = tf.constant(images, tf.float32)
    wanted, found, unturned = (maps(goals)(x) for goals in (before, after, other))
    for level, y in wanted.items():
        np.testing.assert_allclose(found[level], y, atol=0.02 * np.std(y))
    assert np.std(unturned["level_6"] - wanted["level_6"]) > 0.5 * np.std(wanted["level_6"])


def test_differences_of_pairs_are_measured_by_mahalanobis():
    from tools.builtin_weights import teacher

    rng = np.random.default_rng(0)
    differences = rng.normal(size=(300, 6)) @ rng.normal(size=(6, 6))
    maps = rng.normal(size=(600, 1, 1, 6))
    maps[1::2] = maps[::2] - differences[:, None, None]
    *_, whitening = teacher._statistics(maps)
    found = np.sum((differences @ whitening) ** 2, axis=1)
    covariance = differences.T @ differences / 300
    covariance += teacher._SHRINKAGE * np.trace(covariance) / 6 * np.eye(6)
    inverse = np.linalg.inv(covariance)
    wanted = np.array([mahalanobis(x, np.zeros(6), inverse) ** 2 for x in differences])
    np.testing.assert_allclose(found, wanted / wanted.mean(), rtol=1e-4)


def test_batches_are_met_twice_and_not_at_once():
    met = list(itertools.islice(feed.twice(itertools.count(), 5, np.random.default_rng(0)), 200))
    counts = np.bincount(met)
    assert counts.max() == 2 and (counts[:80] == 2).mean() > 0.9
    assert all(a != b for a, b in itertools.pairwise(met))


@pytest.fixture
def eager():
    import tensorflow as tf

    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


def test_a_run_is_taken_up_where_it_was_cut_off(tmp_path, monkeypatch, eager):
    from tools.builtin_weights import finish, train

    monkeypatch.setattr(train.schedule, "SIZES", ((32, 1.0),))
    monkeypatch.setattr(train.teacher, "features", small_teacher)
    common = ["--teacher", "none", "--folder", str(tmp_path), "--batch_size", "2"]
    common += ["--statistics", "8", "--workers", "1"]
    train.main([*common, "--steps", "1"])
    train.main([*common, "--steps", "2"])
    lines = (tmp_path / "log.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [1, 2]

    weights = tmp_path / "w.npz"
    options = ["--folder", str(tmp_path), "--weights", str(weights), "--size", "32"]
    finish.main([*options, "--pictures", "32"])
    arrays, record = builtin.load_weights(weights)
    assert record["images"] == 4 and len(arrays) == 309
    assert all(np.isfinite(x).all() for x in arrays.values())

    after = tmp_path / "after"
    further = ["--start", str(weights), "--folder", str(after)]
    train.main([*common, *further, "--steps", "1"])
    finish.main([*options, "--folder", str(after), "--pictures", "32"])
    start = builtin.load_weights(weights)[1]["start"]
    assert {name: start[name] for name in record} == record


def test_schedules():
    rates = [schedule.learning_rate(step, step / 1000, 1.0) for step in (0, 149, 500, 1000)]
    assert rates[0] < 0.01 and rates[1] > 0.9 and 0.4 < rates[2] < 0.6 and rates[3] < 0.03
    assert (
        schedule.help_from_teacher("late", 0.0) == 1 and schedule.help_from_teacher("all", 0.9) == 0
    )
    assert {schedule.part_of(step, step / 1000) for step in range(900)} == {"early", "late", "all"}
