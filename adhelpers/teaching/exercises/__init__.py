"""The notebooks' exercises: try an answer, give a hint, show a solution.

Each notebook has a module here with its questions, ``notebook_01.q1`` and so on. An answer is a
function. It is tried on the notebook's data and on data that the notebook does not show, so that a
constant, or what agrees with the answer by chance, is not found right. The solution is a function
as well, written down once, in that module: it is what answers are compared with, and its source is
the notebook's solution cell.

>>> from adhelpers.teaching import exercises
>>> exercises.notebook_01.q1.check(...)
Not tried yet: put your answer in place of the three dots. A hint: .hint()
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from numbers import Real

import numpy as np

_NOT_TRIED = "Not tried yet: put your answer in place of the three dots. A hint: .hint()"
_stops_at_untried = False

#: Mistakes that any number may have: what is found if the answer is x, by their names.
_OF_NUMBERS = {
    "that is in percent; a share goes from 0 to 1": lambda x: 100 * x,
    "that is the other share, 1 minus the one asked for": lambda x: 1 - x,
    "the sign is the other way round": lambda x: -x,
    "that is the square: take its root": lambda x: x**2,
    "that is the root: take its square": lambda x: abs(x) ** 0.5,
    "that is one divided by the answer": lambda x: 1 / x,
}


class NotTriedYet(Exception):
    """Stops "Run all" at an exercise without an answer; a notebook shows its one line alone."""

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


def stop_at_untried() -> None:
    """Let checks of untried answers stop the notebook; the student edition calls it."""
    global _stops_at_untried
    _stops_at_untried = True


@dataclass(frozen=True, repr=False)
class Question:
    """An exercise.

    Parameters
    ----------
    solve : callable
        The solution: a function of NumPy as ``np``, and of its parameters alone. It returns a
        number or an array.
    hidden : sequence of tuple
        Parameters, besides the notebook's own, that an answer is tried with.
    hints : str
        What `hint` prints.
    advice : str
        What to look at if an answer is wrong in a way that is not among the mistakes.
    mistakes : dict of str to callable
        What is often done instead, by a line that tells so. Each takes what `solve` takes.
    also : callable, optional
        What is right, too.
    praise : str
        A line to follow "Right".
    tolerance : float
        Relative to the answer's largest number.
    """

    solve: Callable
    hidden: Sequence[tuple]
    hints: str
    advice: str
    mistakes: Mapping[str, Callable] = field(default_factory=dict)
    also: Callable | None = None
    praise: str = ""
    tolerance: float = 1e-6

    @property
    def answer(self) -> str:
        """str: the name of the function that is asked for."""
        return self.solve.__name__

    @property
    def head(self) -> str:
        """str: its first line, with its parameters."""
        return f"def {self.answer}{inspect.signature(self.solve)}:"

    @property
    def solution_code(self) -> str:
        """str: the solution, in Python."""
        return inspect.getsource(self.solve).rstrip()

    def check(self, answer, *inputs) -> None:
        """Print one line: right; wrong, with what was found and what may be the matter; not tried.

        Parameters
        ----------
        answer : callable
            ``...`` or None, or a function that returns ``...``, was not tried yet.
        *inputs : object
            The notebook's own data, which the function takes.
        """
        first = _called(answer, inputs) if callable(answer) else answer
        if first is ... or answer is None:
            if _stops_at_untried:
                raise NotTriedYet(_NOT_TRIED)
            print(_NOT_TRIED)
        elif not callable(answer):
            print(f"Not yet: found {_shown(answer)}, where a function {self.answer} is asked for")
        else:
            fault = self._fault(answer, first, inputs)
            print(f"Not yet: {fault}" if fault else f"Right{_value(first)}. {self.praise}".rstrip())

    def hint(self) -> None:
        """Print a hint."""
        print(self.hints)

    def solution(self) -> None:
        """Print the solution, as the teacher's edition of the notebook runs it."""
        print(self.solution_code)

    def _fault(self, answer: Callable, first: object, inputs: tuple) -> str | None:
        """Return what is wrong with an answer that gave `first` on the notebook's data, or None."""
        fault = self.diagnosis(first, *inputs)
        if fault:
            return fault
        for others in self.hidden:
            found = _called(answer, others)
            fault = self.diagnosis(found, *others)
            if fault and _same(found, first, self.tolerance):
                fault = "it gives the same for them: use what the function is given, nothing else"
            if fault:
                return f"right for this notebook's data, but not for others: {fault}"
        return None

    def diagnosis(self, found: object, *inputs) -> str | None:
        """Return what is wrong with what a function returned, in one line; None if it is right.

        Parameters
        ----------
        found : object
            An exception is one that the function raised.
        *inputs : object
            What the function was given.
        """
        expected = self.solve(*inputs)
        rights = [expected, *([self.also(*inputs)] if self.also else [])]
        if any(_same(found, right, self.tolerance) for right in rights):
            return None
        if isinstance(found, Exception):
            return f"the function ends in {type(found).__name__}: {_line(found)}"
        if found is None:
            return "the function returns nothing: end it with `return`"
        numbers = _numbers(found)
        if numbers is None:
            kind = "a number" if np.ndim(expected) == 0 else "an array of numbers"
            return f"found {_shown(found)}, where {kind} is asked for"
        for words, wrong in self._mistakes(expected, inputs).items():
            if _same(numbers, wrong, self.tolerance):
                return f"found {_brief(numbers)}: {words}"
        if numbers.shape != np.shape(expected):
            asked = f"shape {np.shape(expected)} is asked for"
            return f"found shape {numbers.shape}, {asked}: {self.advice}"
        return f"found {_brief(numbers)}: {self.advice}"

    def _mistakes(self, expected: object, inputs: tuple) -> dict[str, object]:
        with np.errstate(all="ignore"):
            named = {words: _called(wrong, inputs) for words, wrong in self.mistakes.items()}
            general = _OF_NUMBERS if np.ndim(expected) == 0 else {}
            return named | {words: _called(f, (expected,)) for words, f in general.items()}


def _called(function: Callable, inputs: tuple) -> object:
    """Return what a function makes of copies of its inputs, or the exception it raises."""
    try:
        return function(*(x.copy() if isinstance(x, np.ndarray) else x for x in inputs))
    except Exception as error:
        return error


def _same(found: object, right: object, tolerance: float) -> bool:
    """Tell whether two objects are numbers of one shape, and equal up to a tolerance."""
    numbers, expected = _numbers(found), _numbers(right)
    if numbers is None or expected is None or numbers.shape != expected.shape:
        return False
    scale = max(1e-12, float(np.max(np.abs(expected), initial=0.0)))
    return bool(np.all(np.abs(numbers - expected) <= tolerance * scale))


def _numbers(found: object) -> np.ndarray | None:
    """Return an object as an array, or None if it is no number and no array of numbers."""
    if isinstance(found, str | bool | np.bool_ | Exception) or found is None:
        return None
    try:
        return np.asarray(found, dtype=np.float64)
    except (TypeError, ValueError):
        return None


def _brief(numbers: np.ndarray) -> str:
    """Return a number, or the first few of an array."""
    if numbers.ndim == 0:
        return f"{numbers:.6g}"
    shown = ", ".join(f"{x:.4g}" for x in numbers.ravel()[:3])
    return f"[{shown}{', ...' if numbers.size > 3 else ''}]"


def _value(answer) -> str:
    """Return a number, to two digits or whole, to follow "Right"; of anything else, nothing."""
    if not isinstance(answer, Real) or isinstance(answer, bool):
        return ""
    return f": {answer:.0f}" if answer == int(answer) or abs(answer) >= 100 else f": {answer:.2g}"


def _shown(found) -> str:
    """Return a short picture of any object, on one line."""
    words = _line(repr(found))
    return f"{type(found).__name__} {words if len(words) <= 40 else f'{words[:37]}...'}"


def _line(words: object) -> str:
    return " ".join(str(words).split())[:200]


def __getattr__(name: str):
    """Import a notebook's questions at their first use."""
    if name.startswith("notebook_"):
        try:
            return import_module(f"{__name__}.{name}")
        except ModuleNotFoundError as error:
            if error.name != f"{__name__}.{name}":
                raise
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
