"""What a category's module is given, and what it gives back."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Flaw:
    """A defect to draw.

    Parameters
    ----------
    kind : str
        The defect type, such as ``"hole"``.
    rng : numpy.random.Generator
        A stream of its own, so that the scene is the same with and without the flaw.
    strength : float
        From 0 (barely visible) to 1 (plain).
    """

    kind: str
    rng: np.random.Generator
    strength: float

    def between(self, weakest: float, strongest: float) -> float:
        """Return the value for this strength on the way from `weakest` to `strongest`."""
        return weakest + self.strength * (strongest - weakest)


@dataclass(frozen=True)
class Scene:
    """What stands before the camera.

    Parameters
    ----------
    light : ndarray of float64, shape (S, S, 3)
        Linear RGB light, 0 for black and 1 for the camera's white.
    part : ndarray of bool, shape (S, S)
        Where the inspected part is, and so where a flaw may lie.
    """

    light: np.ndarray
    part: np.ndarray


def only(flaw: Flaw | None, kind: str) -> Flaw | None:
    """Return `flaw` if it is of this kind, else None."""
    return flaw if flaw is not None and flaw.kind == kind else None
