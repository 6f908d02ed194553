"""The checks of the notebooks' exercises, with right, wrong and untouched answers."""

import re
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.distance import mahalanobis
from scipy.stats import beta
from sklearn.metrics import confusion_matrix, roc_auc_score

import adhelpers as ad
from adhelpers.teaching import exercises
from adhelpers.teaching.exercises import Question

MODULES = sorted(path.stem for path in Path(exercises.__file__).parent.glob("notebook_*.py"))

_RNG = np.random.default_rng(1)
_LABELS = np.array([0, 0, 0, 0, 1, 1, 1])
_SCORES = np.array([0.1, 0.4, 0.2, 0.7, 0.35, 0.8, 0.9])
_SHARES = {"hole": [0.1, 0.25, 0.3], "stain": [0.6]}
_GREY = np.repeat(np.arange(6, dtype=np.uint8).reshape(2, 3, 1), 3, axis=2)
_X = _RNG.normal(1.0, 2.0, size=(12, 3))
_PLANE = (np.array([5.0, 1.0]), np.array([1.0, 2.0]), np.array([[4.0, 1.2], [1.2, 1.0]]))
_HEAT, _MASK = np.array([[6.0, -2.0], [3.0, 1.5]]), np.array([[True, True], [False, False]])


def _mahalanobis(point, mean, covariance):
    return mahalanobis(point, mean, np.linalg.inv(covariance))


def _rates(labels, scores, threshold):
    counts = confusion_matrix(labels, scores > threshold, normalize="true")
    return counts[:, 1]


def _pooled_features(seed: int, n: int) -> dict:
    rows = np.random.default_rng(seed).normal(size=(n, 4)) * [1, 2, 3, 4]
    kinds = {"float32": rows, "int8": rows * 0.8 + 0.3}
    return {name: ad.FeatureSet.from_arrays({"level_1": x}) for name, x in kinds.items()}


def _relative(train, test):
    one = ad.MahalanobisDetector().fit(train["int8"].levels["level_1"])
    return one.anomaly_score(test["int8"].levels["level_1"]) / one.threshold_


def _gaussian_bytes(n: int, width: int) -> int:
    gaussian = ad.gaussian.fit_gaussian(_RNG.normal(size=(n, width)))
    return 4 * (gaussian.mean.size + gaussian.axes.size)


def _place(scores, rate):
    """The smallest score that, as a threshold, makes p-values of those above it at most `rate`."""
    p = [(1 + sum(other > score for other in scores)) / (len(scores) + 1) for score in scores]
    return min(score for score, value in zip(scores, p, strict=True) if value <= rate + 1e-9)


def _two_parts(a, b) -> tuple:
    facts = [(len(x), x.mean(axis=0), np.cov(x.T, bias=True) * len(x)) for x in (a, b)]
    return (*facts[0], *facts[1])


def _by_second_moments(n_a, a, s_a, n_b, b, s_b):
    """The sum of x x^T of all, less that of the common mean."""
    raw = s_a + n_a * np.outer(a, a) + s_b + n_b * np.outer(b, b)
    mean = (n_a * a + n_b * b) / (n_a + n_b)
    return raw - (n_a + n_b) * np.outer(mean, mean)


def _above_the_lowest(numbers, allowance):
    """Page's sum as the walk above the lowest place that it has been at, the start among them."""
    walk = np.cumsum([0, *(numbers - allowance)])
    return np.array([walk[i] - walk[: i + 1].min() for i in range(1, len(walk))])


def _cost_of_a_million(false_positives, true_positives, defective, miss, look):
    bad, good = 1e6 * defective, 1e6 * (1 - defective)
    found, false = bad * true_positives, good * false_positives
    return ((bad - found) * miss + (found + false) * look) / 1e6


def _largest_step(n_normal, n_anomalous):
    """The most that the area changes where one image moves past all others."""
    labels = np.repeat([0, 1], [n_normal, n_anomalous])
    perfect = np.arange(len(labels), dtype=float)
    one_normal, one_anomalous = perfect.copy(), perfect.copy()
    one_normal[0], one_anomalous[-1] = len(labels), -1.0
    return 1 - min(roc_auc_score(labels, x) for x in (one_normal, one_anomalous))


def _relit(image, brightness):
    step = brightness - np.mean(image)
    return np.array([min(max(round(x + step), 0), 255) for x in image.flat]).reshape(image.shape)


def _found_at(normal, odd, rate):
    """The largest share found by any threshold that lets so few normal scores pass."""
    allowed = [t for t in [*normal, *odd] if np.mean(normal > t) <= rate + 1e-9]
    return max(np.mean(odd > t) for t in allowed)


#: By notebook and question: what the notebook would give, and a right answer of another kind.
CASES = {
    "notebook_01": {
        "q1": ((_LABELS,), lambda x: sum(map(int, x)) / len(x)),
        "q2": ((_GREY,), lambda image: np.stack([image[..., c] for c in (2, 1, 0)], axis=-1)),
        "q3": ((_SHARES,), lambda x: sum(sum(v) for v in x.values()) / sum(map(len, x.values()))),
    },
    "notebook_02": {
        "q1": (
            ([(8, 8, 3), (4, 4, 6), (2, 2, 12)],),
            lambda s: sum(np.prod(x) for x in s) / sum(x[2] for x in s),
        ),
        "q2": (
            (np.array([3.0, 4.0]), np.array([4.0, 3.0])),
            lambda x, y: sum((y - x) ** 2) ** 0.5 / sum(x**2) ** 0.5,
        ),
        "q3": (
            (_GREY, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
            lambda x, m, s: np.stack([(x[..., c] / 255 - m[c]) / s[c] for c in range(3)], -1),
        ),
    },
    "notebook_03": {
        "q1": (_PLANE, _mahalanobis),
        "q2": ((_X,), lambda x: np.cov(x, rowvar=False, bias=True)),
        "q3": (
            (0.95, np.array([90.0, 4.0, 3.0, 2.0, 1.0])),
            lambda a, v: next(k for k in range(1, 99) if v[:k].sum() >= a * v.sum()),
        ),
    },
    "notebook_04": {
        "q1": (
            (_RNG.normal(size=(4, 3, 2, 2)),),
            lambda w: np.array([max(abs(x) for x in part.flat) / 127 for part in w]),
        ),
        "q2": ((_pooled_features(2, 40), _pooled_features(3, 8)), _relative),
        "q3": (
            (4_049_564, 48, [32, 16, 1280]),
            lambda p, n, widths: p / 1e6 + sum(_gaussian_bytes(n, w) for w in widths) / 1e6,
        ),
    },
    "notebook_05": {
        "q1": (
            (_SCORES[:4], _SCORES[4:]),
            lambda a, b: roc_auc_score([0] * len(a) + [1] * len(b), [*a, *b]),
        ),
        "q2": ((_LABELS, _SCORES, 0.38), _rates),
        "q3": (
            (0.001, 0.875, 0.05),
            lambda d, t, f: 1 / (1 + (1 - d) * f / (d * t)),  # Bayes' rule, in odds
        ),
    },
    "notebook_06": {
        "q1": ((_HEAT, _MASK), lambda h, m: (h * m).sum() / h.sum()),
        "q2": (
            (np.array([3.0, 5.0, 4.0]), (3, 4, 4)),
            lambda s, shape: np.repeat(s, 16 if shape[1] == 4 else 9).reshape(shape),
        ),
        "q3": (
            (np.array([2.0, 4.0]), np.array([[1.0, 0.3], [0.3, 4.0]])),
            lambda d, C: _mahalanobis(d, 0 * d, C) / len(d) ** 0.5,
        ),
        "q4": ((12, 112), lambda n, c: np.linalg.matrix_rank(np.cov(_RNG.normal(size=(c, n))))),
    },
    "notebook_07": {
        "q1": (
            (["a", "b", "a", "c", "a", "c"],),
            lambda digests: sum(d in digests[:i] for i, d in enumerate(digests)),
        ),
        "q2": ((_RNG.normal(100, 9, size=20), 0.1), _place),
        "q3": ((0.01,), lambda rate: next(n for n in range(1, 999) if 1 / (n + 1) <= rate + 1e-12)),
    },
    "notebook_08": {
        "q1": ((_X.ravel(), 0.25), _above_the_lowest),
        "q2": ((0.01, 182), lambda p, n: sum(p * (1 - p) ** k for k in range(n))),
        "q3": (
            (np.arange(60.0, 100.0), np.array([70.0, 96.5, 97.5, 99.5, 120.0]), 0.05),
            lambda new, bad, rate: sum(x > _place(new, rate) for x in bad) / len(bad),
        ),
    },
    "notebook_09": {
        "q1": ((0.05, 0.9, 0.01, 100.0, 2.0), _cost_of_a_million),
        "q2": (
            (_LABELS, _SCORES, 4),
            lambda y, s, k: sum(x for _, x in sorted(zip(s, y, strict=True))[-k:]) / k,
        ),
        "q3": ((20, 0.1), lambda n, rate: beta(n, 1).cdf(1 - rate)),  # of the highest of n
    },
    "notebook_10": {
        "q1": (
            (np.array([20, 40]), _X[:2]),
            lambda counts, means: np.average(means, axis=0, weights=counts),
        ),
        "q2": (_two_parts(_X[:4], _X[4:]), _by_second_moments),
        "q3": (
            (5_000_000, 30, 0.7),
            lambda n, ms, share: next(k for k in range(1, 999) if 86_400e3 * share * k >= n * ms),
        ),
    },
    "notebook_11": {
        "q1": (
            (_X[:5], _X[5:]),
            lambda x, bank: np.array([min(np.linalg.norm(r - b) for b in bank) for r in x]),
        ),
        "q2": (
            (48, (28, 28, 232), 0.1),
            lambda n, shape, share: np.zeros(shape, np.float32).nbytes * n * share / 1e6,
        ),
        "q3": ((16, 24), _largest_step),
    },
    "notebook_12": {
        "q1": (
            (_RNG.normal(184, 5, 80), _RNG.normal(171, 2, 41)),
            lambda train, test: np.mean((test - train.mean()) / train.std()),
        ),
        "q2": ((np.full((8, 8, 3), 150, np.uint8), 184.0), _relit),
        "q3": ((_SCORES[:4], _SCORES[4:], 0.25), _found_at),
    },
}


def questions(module: str) -> dict[str, Question]:
    held = vars(getattr(exercises, module))
    return {name: value for name, value in held.items() if isinstance(value, Question)}


EVERY = [(module, name) for module in MODULES for name in questions(module)]


def said(capsys, question: Question, answer, inputs: tuple) -> str:
    question.check(answer, *inputs)
    words = capsys.readouterr().out
    assert words.count("\n") == 1, words
    return words.rstrip()


def wrong_answers(question: Question, inputs: tuple) -> dict:
    """Return functions that are wrong: the named mistakes, those of any number, a constant."""
    right = question.solve(*inputs)
    wrong = {**question.mistakes, "constant": lambda *_: right, "zero": lambda *_: 0}
    if np.ndim(right) == 0:
        wrong |= {
            words: lambda *x, f=f: f(float(question.solve(*x)))
            for words, f in exercises._OF_NUMBERS.items()
        }
    return wrong


@pytest.mark.parametrize("module", MODULES)
def test_every_question_has_a_case(module):
    assert sorted(questions(module)) == sorted(CASES[module])


@pytest.mark.parametrize(("module", "name"), EVERY)
def test_right_answers(module, name, capsys):
    question, (inputs, other) = questions(module)[name], CASES[module][name]
    assert said(capsys, question, question.solve, inputs).startswith("Right")
    assert said(capsys, question, other, inputs).startswith("Right")


@pytest.mark.parametrize(("module", "name"), EVERY)
def test_wrong_answers_never_pass_and_never_show_the_right_one(module, name, capsys):
    question, (inputs, _) = questions(module)[name], CASES[module][name]
    wrong, right = wrong_answers(question, inputs), question.solve(*inputs)
    assert len(wrong) >= 7
    for words, answer in wrong.items():
        found = said(capsys, question, answer, inputs)
        assert found.startswith("Not yet: "), (words, found)
        assert "expected" not in found
        if np.ndim(right) == 0 and len(f"{right:.6g}") > 3 and words != "constant":
            assert not re.search(rf"(?<![-\d.]){right:.6g}(?![\d.e])", found), (words, found)


@pytest.mark.parametrize(("module", "name"), EVERY)
def test_a_mistake_is_called_by_its_name(module, name, capsys):
    """On some data at least: on others two mistakes may look alike."""
    question, (inputs, _) = questions(module)[name], CASES[module][name]
    for words, answer in question.mistakes.items():
        tries = [inputs, *question.hidden]
        assert any(words in said(capsys, question, answer, x) for x in tries), words


@pytest.mark.parametrize(("module", "name"), EVERY)
def test_untouched(module, name, capsys):
    question, (inputs, _) = questions(module)[name], CASES[module][name]
    for untouched in (..., None, lambda *_: ...):
        assert said(capsys, question, untouched, inputs).startswith("Not tried yet")


@pytest.mark.parametrize(("module", "name"), EVERY)
def test_the_solution_is_python_by_itself(module, name, capsys):
    question, (inputs, _) = questions(module)[name], CASES[module][name]
    names = {"np": np, "ad": ad}
    exec(question.solution_code, names)
    assert said(capsys, question, names[question.answer], inputs).startswith("Right")
    question.solution()
    assert capsys.readouterr().out.strip() == question.solution_code
    question.hint()
    assert len(capsys.readouterr().out) > 20


def test_a_covariance_with_the_divisor_n_minus_1_is_right(capsys):
    question = exercises.notebook_03.q2
    assert said(capsys, question, lambda x: np.cov(x, rowvar=False), (_X,)).startswith("Right")


def test_doing_nothing_is_found_wrong_on_images_without_colour(capsys):
    words = said(capsys, exercises.notebook_01.q2, lambda image: image, (_GREY,))
    assert words.startswith("Not yet: right for this notebook's data, but not for others: ")
    assert words.endswith("that is the image as it was")


def test_the_pairs_of_a_rate_and_a_false_discovery_rate(capsys):
    def confused(labels, scores, threshold):
        alarms = scores > threshold
        return [np.mean(labels[alarms] == 0), alarms[labels == 1].mean()]

    words = said(capsys, exercises.notebook_05.q2, confused, (_LABELS, _SCORES, 0.38))
    assert "the share of the alarms that is false" in words


Q = Question(
    lambda x: np.sum(x),
    hidden=[(np.array([1.0, 4.0]),)],
    hints="",
    advice="add them",
    mistakes={"that is the mean": np.mean},
)
SEEN = np.array([1.0, 2.0])


def _raises(x):
    raise ValueError("no\nway")


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        (3.0, "found float 3.0, where a function <lambda> is asked for"),
        (lambda x: "3", "found str '3', where a number is asked for"),
        (lambda x: True, "found bool True, where a number is asked for"),
        (lambda x: None, "the function returns nothing: end it with `return`"),
        (lambda x: x, "found shape (2,), shape () is asked for: add them"),
        (lambda x: np.nan, "found nan: add them"),
        (lambda x: 7, "found 7: add them"),
        (np.mean, "found 1.5: that is the mean"),
        (lambda x: 300, "found 300: that is in percent; a share goes from 0 to 1"),
        (_raises, "the function ends in ValueError: no way"),
        (lambda: 3, "the function ends in TypeError: <lambda>() takes 0 positional"),
        (
            lambda x: 3.0,
            "right for this notebook's data, but not for others: it gives the same for them",
        ),
        (
            lambda x: x[-1] + 1 + (x[-1] > 2),
            "right for this notebook's data, but not for others: found 6: add them",
        ),
    ],
)
def test_what_is_wrong_in_one_line(answer, fault, capsys):
    assert said(capsys, Q, answer, (SEEN,)).startswith(f"Not yet: {fault}")


def test_an_answer_cannot_change_what_it_is_given(capsys):
    def greedy(x):
        x += 100
        return np.sum(x - 100)

    seen = SEEN.copy()
    assert said(capsys, Q, greedy, (seen,)).startswith("Right")
    np.testing.assert_array_equal(seen, SEEN)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0.12345, "Right: 0.12."),
        (2096, "Right: 2096."),
        (np.int64(7), "Right: 7."),
        (np.float32(0.5), "Right: 0.5."),
        (np.zeros(3), "Right."),
    ],
)
def test_a_right_number_is_repeated(value, words, capsys):
    question = Question(lambda: value, [], "", "")
    assert said(capsys, question, lambda: value, ()) == words


def test_the_tolerance_is_relative_to_the_largest_number():
    question = Question(lambda: np.array([100.0, 0.0]), [], "", "", tolerance=1e-3)
    assert question.diagnosis([100.05, 0.0]) is None
    assert question.diagnosis([100.2, 0.0])


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
