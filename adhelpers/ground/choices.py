"""Choices by name, and numbers within a range: what is not valid is an error that says what is."""

from collections.abc import Iterable, Mapping
from numbers import Real
from typing import TYPE_CHECKING, TypeVar

from .errors import UserError

if TYPE_CHECKING:
    import numpy as np

Value = TypeVar("Value")


def check_choice(kind: str, name, valid: Iterable) -> None:
    """Make sure that a name is one of the valid ones.

    Parameters
    ----------
    kind : str
        What is chosen, in words for the error: "protocol".
    name : object
    valid : iterable
        Such as the keys of the kind's table.

    Raises
    ------
    UserError
        If it is not one of them; the message lists them.

    Examples
    --------
    >>> check_choice("colour", "red", ("green", "blue"))
    Traceback (most recent call last):
    adhelpers.ground.errors.UserError: unknown colour 'red'; choose one of: green, blue
    """
    valid = list(valid)
    if name not in valid:
        names = ", ".join(map(str, valid))
        raise UserError(f"unknown {kind} {name!r}; choose one of: {names}")


def chosen(kind: str, name, table: Mapping[str, Value]) -> Value:
    """Return what a table holds under a name; parameters and errors are those of `check_choice`.

    Examples
    --------
    >>> chosen("shape", "square", {"square": 4, "triangle": 3})
    4
    """
    check_choice(kind, name, table)
    return table[name]


def check_probability(value: float, name: str = "the probability") -> None:
    """Raise a UserError unless a number lies strictly between 0 and 1."""
    if not isinstance(value, Real) or not 0 < value < 1:
        raise UserError(f"{name} must lie between 0 and 1, not {value!r}")


def checked_truth(truth, name: str = "labels") -> "np.ndarray":
    """Return labels or masks as an array of int, if they are 0 and 1, or bool.

    Raises
    ------
    UserError
        If there is another value; the message names what was found.

    Examples
    --------
    >>> checked_truth([True, False])
    array([1, 0])
    >>> checked_truth([-1, 1])
    Traceback (most recent call last):
    adhelpers.ground.errors.UserError: labels must be 0 (normal) and 1 (anomalous), or bool, not -1
    """
    import numpy as np  # the commands start, and say what is missing, without it

    truth = np.asarray(truth)
    others = truth[~np.isin(truth, (0, 1))]
    if others.size:
        found = ", ".join(list(dict.fromkeys(map(str, others.ravel()[:1000])))[:4])
        raise UserError(f"{name} must be 0 (normal) and 1 (anomalous), or bool, not {found}")
    return truth.astype(int)
