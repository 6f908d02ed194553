"""Drift: whether numbers that came one after the other still have the law of the first of them.

Nothing is assumed about that law but that the numbers are independent draws from it: each is
replaced by its rank among all before it, and a CUSUM sums these ranks. Its law without drift is
known, whatever that of the numbers.
"""

from bisect import bisect
from typing import NamedTuple

import numpy as np
from scipy.special import ndtri
from scipy.stats import beta, fisher_exact

from ..ground import UserError

#: Half the shift, in standard deviations, that the CUSUM is made to find.
ALLOWANCE = 0.25
#: Fewer images say too little about what is usual.
FEWEST_REFERENCE = 20
#: More are not looked at: the law of their CUSUM is simulated as long as they are.
MOST_LATER = 20_000

_AT_ONCE = 2_000_000  # numbers of the simulation in memory


class Drift(NamedTuple):
    """What a CUSUM says of one statistic.

    Parameters
    ----------
    up, down : ndarray of float64, shape (M,)
        The sums after each later number: of what lies above the reference, and below it.
    limit : float
        Neither passes it, without drift, but with the stated probability.
    """

    up: np.ndarray
    down: np.ndarray
    limit: float

    @property
    def alarm(self) -> int | None:
        """The first later number, from 0 on, at which a sum is above the limit; None: no drift."""
        above = np.flatnonzero(np.maximum(self.up, self.down) > self.limit)
        return int(above[0]) if len(above) else None

    @property
    def direction(self) -> str:
        """``"up"`` or ``"down"``: the way of the larger sum where it passed, or in all."""
        end = len(self.up) if self.alarm is None else self.alarm + 1
        return "up" if self.up[:end].max() >= self.down[:end].max() else "down"


def drift(numbers: np.ndarray, n_reference: int, limit: float, seed: int = 0) -> Drift:
    """Follow numbers by the CUSUM of their sequential ranks: each among all before it.

    Parameters
    ----------
    numbers : ndarray, shape (N + M,)
        In the order of time.
    n_reference : int
        N: the first of them are only compared with.
    limit : float
        That of `limit_of` for N and M.
    seed : int
        By which ties are broken.

    Returns
    -------
    drift : Drift

    Raises
    ------
    UserError
        If a number is not finite.
    """
    numbers = np.asarray(numbers, np.float64)
    if not np.isfinite(numbers).all():
        raise UserError("drift needs finite numbers; leave out rows without a score")
    ties = np.random.default_rng(seed).random(len(numbers))
    places = np.lexsort((ties, numbers)).argsort().tolist()
    earlier, ranks = sorted(places[:n_reference]), []
    for place in places[n_reference:]:
        ranks.append(bisect(earlier, place))
        earlier.insert(ranks[-1], place)
    return Drift(*_sums(_normal_scores(np.array(ranks, int), n_reference)), limit)


def limit_of(
    n_reference: int, n_later: int, probability: float, repeats: int = 4000, seed: int = 0
) -> float:
    """Return the limit that a CUSUM of `drift` passes with at most a probability, without drift.

    Sequential ranks of independent numbers of one continuous law are independent, and each uniform,
    whatever the law is; so they are drawn. The limit is the order statistic that makes the
    probability hold over simulation and stream together, as in a Monte Carlo test.

    Parameters
    ----------
    n_reference, n_later : int
    probability : float
        Of at least one false alarm among all the later numbers of one statistic.
    repeats : int
        Of the simulation; at least ``20 / probability`` are taken in any case.
    seed : int

    References
    ----------
    Page, "Continuous inspection schemes", Biometrika 1954; Bhattacharya and Frierson, "A
    nonparametric control chart for detecting small disorders", Annals of Statistics 1981
    (sequential ranks); Barnard, JRSS B 1963 (Monte Carlo tests).
    """
    repeats = max(repeats, int(np.ceil(20 / probability)))
    chance = np.random.default_rng(seed)
    chunk = max(1, _AT_ONCE // n_later)
    highest, largest = n_reference + np.arange(n_later), []
    for start in range(0, repeats, chunk):
        shape = (min(chunk, repeats - start), n_later)
        ranks = chance.integers(0, highest, endpoint=True, size=shape)
        largest.append(np.max(_sums(_normal_scores(ranks, n_reference)), axis=(0, 2)))
    allowed = int((repeats + 1) * probability + 1e-9)  # of the simulated ones, at or above it
    return float(np.sort(np.concatenate(largest))[-allowed])


def rise(reference: tuple[int, int], later: tuple[int, int]) -> float:
    """Return the p-value of a share that has risen, by Fisher's exact test.

    Parameters
    ----------
    reference, later : tuple of int
        How many, of how many.
    """
    table = [[later[0], later[1] - later[0]], [reference[0], reference[1] - reference[0]]]
    return float(fisher_exact(table, alternative="greater").pvalue)


def share_interval(count: int, total: int, probability: float = 0.95) -> tuple[float, float]:
    """Return the exact (Clopper-Pearson) interval of a share.

    Examples
    --------
    >>> [round(x, 3) for x in share_interval(0, 100)]
    [0.0, 0.036]
    """
    tail = (1 - probability) / 2
    low = beta.ppf(tail, count, total - count + 1) if count else 0.0
    high = beta.isf(tail, count + 1, total - count) if count < total else 1.0
    return float(low), float(high)


def _normal_scores(ranks: np.ndarray, n_reference: int) -> np.ndarray:
    """Turn ranks among N, N + 1, ... numbers, along the last axis, into quantiles of a normal."""
    return ndtri((ranks + 0.5) / (n_reference + 1 + np.arange(ranks.shape[-1])))


def _sums(scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return Page's sums upwards and downwards along the last axis."""
    return _above_least(scores - ALLOWANCE), _above_least(-scores - ALLOWANCE)


def _above_least(steps: np.ndarray) -> np.ndarray:
    """Return max(0, previous sum + step): the walk, above the least that it had been, or 0."""
    walk = steps.cumsum(axis=-1)
    return walk - np.minimum(np.minimum.accumulate(walk, axis=-1), 0)
