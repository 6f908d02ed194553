"""Drift: the rate of false alarms against its promise, and against SciPy's Fisher test."""

import numpy as np
import pytest

from adhelpers import UserError
from adhelpers.evaluation.drift import drift, limit_of, share_interval
from adhelpers.evaluation.drift_report import page, watch


@pytest.mark.parametrize("law", ["normal", "exponential", "ties"])
def test_the_promised_rate_of_false_alarms_holds_whatever_the_law(law):
    chance, promised, runs = np.random.default_rng(3), 0.1, 1000
    limit = limit_of(60, 200, promised)
    alarms = 0
    for _ in range(runs):
        numbers = chance.exponential(size=260) if law != "normal" else chance.normal(size=260)
        numbers = np.round(numbers, 1) if law == "ties" else numbers
        alarms += drift(numbers, 60, limit).alarm is not None
    assert 0.06 < alarms / runs < 0.14  # four standard deviations


def test_the_sums_are_those_of_pages_recursion_on_sequential_ranks():
    numbers = np.random.default_rng(1).normal(size=90)
    found, up, down = drift(numbers, 40, 10.0), 0.0, 0.0
    from scipy.stats import norm

    for i in range(40, 90):
        z = norm.ppf((np.sum(numbers[:i] < numbers[i]) + 0.5) / (i + 1))
        up, down = max(0, up + z - 0.25), max(0, down - z - 0.25)
        assert found.up[i - 40] == pytest.approx(up)
        assert found.down[i - 40] == pytest.approx(down)


def test_a_shift_is_found_soon_and_named_with_its_direction():
    chance = np.random.default_rng(2)
    light = np.r_[chance.normal(120, 4, 150), chance.normal(125, 4, 200)]
    table = {"score": chance.normal(size=350), "light": light, "above": np.zeros(350, bool)}
    (found,) = watch({"": table}, 100, 0.01)
    assert [line.split(",")[0] for line in found.moved] == ["light: up"]
    assert 50 <= found.drifts["light"].alarm < 250
    text = page([found], "Drift <b>", "words")
    assert text.count("<svg") == 2 and "Drift &lt;b&gt;" in text and "http-equiv" not in text


def test_a_risen_share_above_the_threshold_is_found():
    scores = np.random.default_rng(4).normal(size=300)
    above = np.r_[np.zeros(100, bool), np.arange(200) % 5 == 0]
    (found,) = watch({"": {"score": scores, "above": above}}, 100, 0.01)
    assert found.above == ((0, 100), (40, 200))
    assert found.moved[-1].startswith("share above the threshold: 0 of 100")


def test_the_interval_of_a_share_is_the_rule_of_three():
    assert share_interval(0, 1000)[1] == pytest.approx(1 - 0.025 ** (1 / 1000))


def test_too_few_images_are_refused_in_one_line():
    table = {"score": np.zeros(50), "above": np.zeros(50, bool)}
    with pytest.raises(UserError, match="50 images with a score, but 100"):
        watch({"": table}, 100, 0.01)
