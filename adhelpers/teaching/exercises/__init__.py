"""The notebooks' exercises: check an answer, give a hint, show a solution.

Each notebook has a module here with its questions, ``notebook_01.q1`` and so on. A question's
solution is written down once, in that module; the notebooks' solution cells are made from it.

>>> from adhelpers.teaching import exercises
>>> exercises.notebook_01.q1.check(...)
Not tried yet: put your answer in place of the three dots. A hint: .hint()
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from numbers import Real

import numpy as np

_NOT_TRIED = "Not tried yet: put your answer in place of the three dots. A hint: .hint()"
_stops_at_untried = False


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
    examine : callable
        Takes the answer and whatever else the notebook passes to `check`; returns None if the
        answer is right, and otherwise a line that says what was found, what was expected, and
        where to look.
    hints : str
        What `hint` prints.
    answer : str
        The name of the variable that the solution assigns.
    solution_code : str
        Python for the notebook's variables; its last effect is to assign the answer.
    praise : str
        A line to follow "Right".
    """

    examine: Callable[..., str | None]
    hints: str
    answer: str
    solution_code: str
    praise: str = ""

    def check(self, answer, *context) -> None:
        """Print one line: right; wrong, with found and expected; or not tried yet.

        Parameters
        ----------
        answer : object
            ``...`` and None mean that the exercise was not tried yet.
        *context : object
            What the check needs to know of the notebook's data.
        """
        if answer is None or answer is Ellipsis:
            if _stops_at_untried:
                raise NotTriedYet(_NOT_TRIED)
            print(_NOT_TRIED)
            return
        fault = self.examine(answer, *context)
        print(f"Not yet: {fault}" if fault else f"Right{_value(answer)}. {self.praise}".rstrip())

    def hint(self) -> None:
        """Print a hint."""
        print(self.hints)

    def solution(self) -> None:
        """Print the solution, as the teacher's edition of the notebook runs it."""
        print(self.solution_code)


def compare(found, expected, advice: str, tolerance: float = 1e-6) -> str | None:
    """Compare an answer with the expected value: its kind, its shape, then its numbers.

    Parameters
    ----------
    found : object
        What the reader gave.
    expected : number, str, bool or ndarray
    advice : str
        What to look at if it is wrong.
    tolerance : float
        Relative to the largest expected number.

    Returns
    -------
    fault : str or None
        One line, or None if the answer is right.

    Examples
    --------
    >>> compare(np.zeros((5, 5)), np.zeros((2, 2)), "pass rowvar=False")
    'found shape (5, 5), expected (2, 2): pass rowvar=False'
    >>> compare(3, 4, "count again")
    'found 3, expected 4: count again'
    """
    if isinstance(expected, str | bool):
        same = isinstance(found, str | bool | np.bool_) and found == expected
        return None if same else f"found {_shown(found)}, expected {expected!r}: {advice}"
    try:
        numbers = np.asarray(found, dtype=np.float64)
    except (TypeError, ValueError):
        numbers = None
    if numbers is None or isinstance(found, str | bool | np.bool_):
        kind = "a number" if isinstance(expected, Real) else f"an array, shape {np.shape(expected)}"
        return f"found {_shown(found)}, expected {kind}: {advice}"
    if numbers.shape != np.shape(expected):
        return f"found shape {numbers.shape}, expected {np.shape(expected)}: {advice}"
    scale = max(1e-12, float(np.max(np.abs(expected), initial=0.0)))
    wrong = ~(np.abs(numbers - expected) <= tolerance * scale)
    if not wrong.any():
        return None
    place = np.unravel_index(np.argmax(wrong), wrong.shape)
    where = f" at [{', '.join(map(str, place))}]" if place else ""
    expected_there = np.asarray(expected)[place]
    return f"found {numbers[place]:.6g}{where}, expected {expected_there:.6g}: {advice}"


def _value(answer) -> str:
    """Return a number, to two digits or whole, to follow "Right"; of anything else, nothing."""
    if not isinstance(answer, Real) or isinstance(answer, bool):
        return ""
    return f": {answer:.0f}" if answer == int(answer) or abs(answer) >= 100 else f": {answer:.2g}"


def _shown(found) -> str:
    """Return a short picture of any object, on one line."""
    words = " ".join(repr(found).split())
    words = words if len(words) <= 40 else f"{words[:37]}..."
    return f"{type(found).__name__} {words}"


def __getattr__(name: str):
    """Import a notebook's questions at their first use."""
    if name.startswith("notebook_"):
        try:
            return import_module(f"{__name__}.{name}")
        except ModuleNotFoundError as error:
            if error.name != f"{__name__}.{name}":
                raise
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
