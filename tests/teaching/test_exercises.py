"""The checks of the notebooks' exercises, with right, wrong and untouched answers."""

from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
import pytest
from origins import origin

import adhelpers as ad
from adhelpers.teaching import exercises
from adhelpers.teaching.exercises import Question, compare

MODULES = sorted(path.stem for path in Path(exercises.__file__).parent.glob("notebook_*.py"))


class Case(NamedTuple):
    """A question with answers: one that is right, and several that are wrong."""

    right: object
    wrong: list
    context: tuple = ()


def _notebook_01() -> dict[str, Case]:
    data = SimpleNamespace(test=SimpleNamespace(labels=np.array([0, 1, 1, 1])))
    image = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    shares = {"hole": [0.1, 0.2, 0.3], "stain": [0.6]}
    return {
        "q1": Case(0.75, [0.25, 75, 3, "0.75", [0.75], True, np.nan], (data,)),
        "q2": Case(image, [image[::-1], image[:, :, ::-1], image[:, ::-1], 0, "rgb"], (image,)),
        "q3": Case(0.3, [0.4, 30, 1.2, shares, np.full(4, 0.3)], (shares,)),
    }


def _notebook_02() -> dict[str, Case]:
    extract = SimpleNamespace(levels={"level_1": 32, "level_2": 16})
    pooled = {"level_1": np.ones(4), "level_2": np.array([3.0, 4.0])}
    mirrored = {"level_1": np.ones(4), "level_2": np.array([3.0, 3.0])}
    image = np.array([[[0, 255, 128], [10, 20, 30]]], dtype=np.uint8)
    scaled = image / 255
    expected = (scaled - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    return {
        "q1": Case(48, [2, 32, 512, "48", extract.levels], (extract,)),
        "q2": Case(0.2, [0.0, 1.0, 0.04, 0.25, pooled], (pooled, mirrored)),
        "q3": Case(expected, [image, scaled, expected[..., ::-1], (image - 0.45) / 0.22], (image,)),
    }


def _notebook_03() -> dict[str, Case]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(9, 4))
    right = np.einsum("ni,nj->ij", x - x.mean(0), x - x.mean(0)) / 9
    mean, covariance = np.array([1.0, 2.0]), np.array([[4.0, 0.0], [0.0, 1.0]])
    point = np.array([5.0, 2.0])  # two standard deviations away
    plane = (point, mean, covariance)
    variances = np.array([90.0, 4.0, 2.0, 1.0, 3.0])
    return {
        "q1": Case(2.0, [4.0, 1.0, 16.0, 0.5, point], plane),
        "q2": Case(right, [np.cov(x), x.T @ x / 9, np.diag(right), np.linalg.inv(right)], (x,)),
        "q3": Case(3, [2, 4, 0.95, 5, np.array([3])], (variances,)),
    }


def _notebook_04() -> dict[str, Case]:
    weights = np.arange(-24, 24, dtype=float).reshape(4, 2, 3, 2)
    scales = np.array([24, 12, 11, 23]) / 127
    rng = np.random.default_rng(0)
    train = ad.FeatureSet.from_arrays(
        {"level_1": rng.normal(size=(12, 3))}, origin=origin(precision="int8")
    )
    test = ad.FeatureSet.from_arrays(
        {"level_1": rng.normal(size=(5, 3))}, origin=origin(precision="int8")
    )
    detector = ad.MahalanobisDetector().fit(train)
    other = ad.MahalanobisDetector().fit(rng.normal(size=(12, 3)))
    right = detector.anomaly_score(test)
    crossed = other.anomaly_score(test.levels["level_1"])
    network = SimpleNamespace(count_params=lambda: 4_049_564)
    return {
        "q1": Case(scales, [24 / 127, 127 * scales, scales * 127 / 255, weights], (weights,)),
        "q2": Case(right, [crossed, right[:3], -right, detector], (detector, train, test)),
        "q3": Case(4.049564, [4_049_564, 16.2, 0.004, "4"], (network,)),
    }


def _notebook_05() -> dict[str, Case]:
    labels = np.array([0, 0, 1, 1])
    scores = np.array([0.1, 0.4, 0.35, 0.8])  # the example of scikit-learn's roc_auc_score
    return {
        "q1": Case(0.75, [0.25, 75, 3, np.ones((2, 2))], (labels, scores)),
        "q2": Case([0.5, 1.0], [[1.0, 0.5], 0.5, [50, 100], [0.5, 0.5]], (labels, scores, 0.3)),
        "q3": Case(0.1, [0.9, 0.05, 10, 0.5], (0.45, 0.45 / 11, 1 / 100)),
    }


def _notebook_06() -> dict[str, Case]:
    total, mask = np.array([[6.0, -2.0], [3.0, 1.0]]), np.array([[True, True], [False, False]])
    scores, masks = np.array([3.0, 5.0]), np.zeros((2, 4, 4), bool)
    lazy = np.repeat([3.0, 5.0], 16).reshape(2, 4, 4)
    # Two standard deviations along each of four axes: 16 / 4, and the root of that.
    deviation, covariance = np.array([2.0, 4.0, 6.0, 1.0]), np.diag([1.0, 4.0, 9.0, 0.25])
    few = np.zeros((12, 7, 7, 40))
    return {
        "q1": Case(0.5, [50, 2.0, 4.0, 1.0, total], (total, mask)),
        "q2": Case(lazy, [scores, lazy.T, lazy[::-1], 4.0], (masks, scores)),
        "q3": Case(2.0, [4.0, 16.0, 1.0, deviation, "2"], (deviation, covariance)),
        "q4": Case(11, [12, 40, 39, 1, few], (few,)),
    }


def _notebook_07() -> dict[str, Case]:
    scores = np.arange(20.0)
    return {
        "q1": Case(3, [2, 6, 4, ["a", "b"]], (["a", "b", "a", "c", "a", "c"],)),
        "q2": Case(0.15, [0.2, 3, 15, scores], (scores, 16.0)),
        "q3": Case(99, [100, 19, 1, "99"], (0.01,)),
    }


CASES = {
    "notebook_01": _notebook_01,
    "notebook_02": _notebook_02,
    "notebook_03": _notebook_03,
    "notebook_04": _notebook_04,
    "notebook_05": _notebook_05,
    "notebook_06": _notebook_06,
    "notebook_07": _notebook_07,
}


def test_a_covariance_with_the_divisor_n_minus_1_is_right(capsys):
    x = np.random.default_rng(1).normal(size=(9, 4))
    question = exercises.notebook_03.q2
    assert said(capsys, question, np.cov(x, rowvar=False), (x,)).startswith("Right")


def test_wrong_ways_that_have_a_name(capsys):
    labels, scores = np.array([0, 0, 1, 1]), np.array([0.1, 0.4, 0.35, 0.8])
    area = exercises.notebook_05.q1
    assert "wrong order" in said(capsys, area, 0.25, (labels, scores))
    assert "not percent" in said(capsys, area, 75, (labels, scores))
    plane = (np.array([2.0, 0.0]), np.zeros(2), np.eye(2))
    assert "take its root" in said(capsys, exercises.notebook_03.q1, 4.0, plane)
    space = (np.array([6.0, 0.0, 0.0, 0.0]), np.eye(4))
    assert "take its root" in said(capsys, exercises.notebook_06.q3, 9.0, space)
    assert "divide the squared" in said(capsys, exercises.notebook_06.q3, 6.0, space)


def questions(module: str) -> dict[str, Question]:
    held = vars(getattr(exercises, module))
    return {name: value for name, value in held.items() if isinstance(value, Question)}


def said(capsys, question: Question, answer, context: tuple) -> str:
    question.check(answer, *context)
    words = capsys.readouterr().out
    assert words.count("\n") == 1, words
    return words.rstrip()


@pytest.mark.parametrize("module", MODULES)
def test_every_question_has_answers_here(module):
    assert sorted(questions(module)) == sorted(CASES[module]())


@pytest.mark.parametrize("module", MODULES)
def test_right_wrong_and_untouched(module, capsys):
    for name, case in CASES[module]().items():
        question = questions(module)[name]
        assert said(capsys, question, case.right, case.context).startswith("Right")
        for answer in case.wrong:
            words = said(capsys, question, answer, case.context)
            assert words.startswith("Not yet: found "), (name, answer, words)
            assert ", expected " in words, words
        for untouched in (..., None):
            assert said(capsys, question, untouched, case.context).startswith("Not tried yet")


@pytest.mark.parametrize("module", MODULES)
def test_a_solution_is_python_and_assigns_the_answer(module, capsys):
    for question in questions(module).values():
        code = compile(question.solution_code, "solution", "exec")
        assert question.answer in code.co_names
        question.solution()
        assert capsys.readouterr().out.strip() == question.solution_code
        question.hint()
        assert len(capsys.readouterr().out) > 20


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (0.12345, "Right: 0.12."),
        (2096, "Right: 2096."),
        (np.int64(7), "Right: 7."),
        (np.float32(0.5), "Right: 0.5."),
        (np.zeros(3), "Right."),
        ("blue", "Right."),
    ],
)
def test_a_right_number_is_repeated(answer, words, capsys):
    assert said(capsys, Question(lambda _: None, "", "x", "x = 1"), answer, ()) == words


def test_the_student_edition_stops_with_one_line(monkeypatch):
    monkeypatch.setattr(exercises, "_stops_at_untried", False)
    exercises.stop_at_untried()
    with pytest.raises(exercises.NotTriedYet) as caught:
        exercises.notebook_01.q1.check(...)
    (line,) = caught.value._render_traceback_()
    assert line.startswith("Not tried yet")
    assert "\n" not in line


def test_a_question_that_is_not_there():
    with pytest.raises(AttributeError, match="notebook_99"):
        _ = ad.exercises.notebook_99


# --- compare ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("found", "expected", "start"),
    [
        (2, 3, "found 2, expected 3: "),
        (np.nan, 3.0, "found nan, expected 3: "),
        ("3", 3, "found str '3', expected a number: "),
        (True, 1, "found bool True, expected a number: "),
        (object, np.zeros(3), "found type <class 'object'>, expected an array, shape (3,): "),
        ([1, 2], np.zeros(3), "found shape (2,), expected (3,): "),
        ([[1, 2], [3, 4]], np.array([[1, 2], [3, 5]]), "found 4 at [1, 1], expected 5: "),
        ("blue", "red", "found str 'blue', expected 'red': "),
        (1, True, "found int 1, expected True: "),
        (0, "0", "found int 0, expected '0': "),
    ],
)
def test_what_is_wrong_in_one_line(found, expected, start):
    fault = compare(found, expected, "look there")
    assert fault == f"{start}look there"


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (3.0 + 1e-9, 3),
        (np.float32(0.1), 0.1),
        ([1, 2], np.array([1.0, 2.0])),
        ("red", "red"),
        (np.True_, True),
        (0, 0.0),
    ],
)
def test_what_is_right(found, expected):
    assert compare(found, expected, "") is None


def test_the_tolerance_is_relative_to_the_largest_number():
    assert compare([100.05, 0.0], np.array([100.0, 0.0]), "", tolerance=1e-3) is None
    assert compare([100.2, 0.0], np.array([100.0, 0.0]), "", tolerance=1e-3)
