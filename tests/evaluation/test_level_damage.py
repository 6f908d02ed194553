"""The report of what quantizing does to each level."""

import csv

import numpy as np
import pytest
from origins import origin
from pictures import draw_image
from scipy.stats import pearsonr

import adhelpers as ad
from adhelpers import quantization
from adhelpers.evaluation import damage, write_damage


def features(levels, precision):
    return ad.FeatureSet.from_arrays(levels, origin=origin(precision=precision))


def test_error_and_correlation_agree_with_closed_forms():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(5000, 4))
    noise = 0.5 * rng.normal(size=x.shape)
    full = features({"a": x, "b": x}, "float32")
    other = features({"a": x + noise + 3, "b": x}, "int8")
    distances = {"a": np.array([0.0, 1.0, 2.0]), "b": np.array([2.0, 1.0, 0.0])}
    labels = np.array([0, 1, 1])
    rows = damage(full, other, {"a": 0.25, "b": 0.0}, labels, distances, distances)
    a, b = rows
    assert a.relative_error == pytest.approx(0.5, abs=0.02)  # the offset of 3 does not count
    centred = (x - x.mean(0), other.levels["a"] - other.levels["a"].mean(0))
    assert a.correlation == pytest.approx(pearsonr(*(y.ravel() for y in centred))[0], abs=1e-6)
    assert (a.clipped, a.auroc, a.precision) == (0.25, 1.0, "int8")
    assert b.relative_error == pytest.approx(0, abs=1e-6) and b.auroc_float == 0.0


def test_without_anomalies_there_is_no_area(tmp_path):
    x = np.random.default_rng(0).normal(size=(9, 3))
    full, other = features({"a": x}, "float32"), features({"a": np.round(x)}, "int8")
    d = {"a": np.ones(2)}
    rows = damage(full, other, {"a": 0.0}, np.zeros(2, int), d, d)
    assert rows[0].auroc is None
    write_damage(rows, tmp_path / "q.csv")
    with (tmp_path / "q.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert row["auroc"] == "" and float(row["relative_error"]) > 0


def test_what_lies_outside_the_calibrated_range_is_counted(small_b0, small_b0_model):
    full = small_b0_model
    grey = [np.full((64, 64, 3), value, np.uint8) for value in (126, 130)]
    textured = [draw_image(seed, anomalous=True) for seed in range(3)]
    narrow = quantization.clipped_shares(full, quantization.quantize(full, "int8", grey), textured)
    wide = quantization.clipped_shares(
        full, quantization.quantize(full, "int8", textured), textured
    )
    assert list(narrow) == list(small_b0.levels)
    assert max(narrow.values()) > 0.05 > max(wide.values()), (narrow, wide)
    none = quantization.clipped_shares(full, quantization.quantize(full, "int8-weights"), textured)
    assert set(none.values()) == {0.0}
