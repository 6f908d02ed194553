"""The record that the case study is read from, and what measures it anew."""

import json

import numpy as np
import pytest
from pictures import write_category, write_image
from sklearn.metrics import roc_auc_score

import adhelpers as ad
from adhelpers.ground import UserError
from adhelpers.teaching import case_study, photographs

#: Areas in %, of the same method by other hands: tests/test_real_images.py; docs/augmentation.md.
LEVELS = [0.4, 0.5, 21.5, 43.6, 47.2, 78.0, 83.1, 76.8]
AREAS = {"pooled": 65.3, "copies": 80.7, "local": 92.0}


@pytest.fixture(scope="module")
def steps() -> dict:
    return json.loads(case_study.RECORD.read_text("utf-8"))["steps"]


def area(steps, scores) -> float:
    return 100 * roc_auc_score(steps["parts"]["labels"], scores)


def test_the_record_has_the_areas_that_were_measured_elsewhere(steps):
    for name, expected in AREAS.items():
        assert area(steps, steps[name]["scores"]) == pytest.approx(expected, abs=0.5)
    levels = [steps["pooled"][f"level_{i}"] for i in range(1, 9)]
    assert [area(steps, x) for x in levels] == pytest.approx(LEVELS, abs=0.5)
    np.testing.assert_allclose(np.sum(levels, axis=0), steps["pooled"]["scores"], rtol=1e-4)


def test_the_record_names_no_folder():
    words = case_study.RECORD.read_text("utf-8")
    assert "/" not in words
    assert "\\" not in words


def test_the_record_is_of_the_images(steps, mvtec_root):
    data = ad.datasets.load_mvtec(mvtec_root, "screw")
    assert steps["parts"]["kinds"] == list(data.test.defect_types)
    assert steps["parts"]["labels"] == data.test.labels.tolist()
    for name, some in (("train", data.train), ("test", data.test)):
        found = photographs.survey(some.paths).brightness
        np.testing.assert_allclose(steps["light"][name], found, atol=0.5)


def test_without_images_a_step_is_read_and_not_taken(steps):
    case = case_study.opened(None, "whatever", "no-network", "none")

    @case.step
    def pooled(data, extract):
        raise AssertionError

    assert pooled["scores"].tolist() == steps["pooled"]["scores"]
    assert not case.measured


def test_what_is_measured_is_what_is_read_later(tmp_path, monkeypatch):
    write_category(tmp_path / "plate")
    case = case_study.opened(tmp_path, "plate", "efficientnet-b0", "builtin")

    @case.step
    def parts(data, extract):
        return {"n": len(data.train), "third": np.float32(1 / 3), "x": np.array([[1e-9, 2.0]])}

    case.write(tmp_path / "record.json")
    monkeypatch.setattr(case_study, "RECORD", tmp_path / "record.json")
    again = case_study.opened(None, "", "", "").step(_named("parts"))
    assert {name: x.tolist() for name, x in again.items()} == {
        name: x.tolist() for name, x in parts.items()
    }
    assert again["third"] == pytest.approx(1 / 3, rel=1e-5)
    assert again["x"].shape == (1, 2)
    assert case.about.startswith("plate, efficientnet-b0, ")


def _named(name: str):
    def step(data, extract):
        raise AssertionError

    step.__name__ = name
    return step


def test_other_light_moves_the_mean_and_nothing_else(tmp_path):
    image = np.full((64, 64, 3), 100, np.uint8)
    image[:8, :8, 0] = 180
    samples = ad.datasets.list_images([write_image(tmp_path / "a.png", image)])[0]
    (moved,) = case_study.relit(samples, 64, 120.0)
    step = 120 - image.mean()
    np.testing.assert_array_equal(moved, np.rint(image + step).astype(np.uint8))
    (white,) = case_study.relit(samples, 64, 250.0)
    assert white.max() == 255


def test_no_such_folder(tmp_path):
    with pytest.raises(UserError):
        case_study.opened(tmp_path / "nowhere", "screw", "efficientnet-b0", "builtin")
