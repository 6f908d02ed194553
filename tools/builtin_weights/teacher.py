"""The teacher, EfficientNetV2-B0 with ImageNet weights, and what it sets the student to learn.

A level of the student learns a fixed linear map of the teacher's features: its principal
components, as many as the level has channels, turned at random so that the channels come out
alike (or, where a student goes on from earlier weights, turned to what it has). Every component is
divided by the root of its standard deviation, which lies half-way between leaving the few strong
ones in command and making noise as important as they are. The first and the last level have the
form of the teacher's own, and learn it as it is.
"""

from dataclasses import dataclass

import numpy as np
import tensorflow as tf
from scipy.linalg import block_diag, orthogonal_procrustes
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from adhelpers import backbones

NAME = "efficientnetv2-b0"

#: For each level of the student, the teacher's, and with how many components of each.
SOURCES = {
    "level_1": None,
    "level_2": {"level_2": 16},
    "level_3": {"level_3": 24},
    "level_4": {"level_4": 40},
    "level_5": {"level_5": 80},
    "level_6": {"level_6": 112},
    "level_7": {"level_7": 192},
    "level_8": {"level_7": 192, "level_8": 128},
    "level_9": None,
}
_SAME = {"level_1": "level_1", "level_9": "level_8"}
_SHRINKAGE = 0.1  # about what Ledoit and Wolf choose for a few dozen images of a category
_POSITIONS = 60_000  # as many do for statistics over positions


@dataclass(frozen=True)
class Goal:
    """What one level of the student learns: ``concat(sources) @ matrix + offset``.

    `spread` and `pooled_spread` are the standard deviations of its channels over positions, and
    of their means over images. `whitening` takes the difference of two such means, of a pair of
    pictures, to one whose squared length is their squared Mahalanobis distance, over what it is on
    average.
    """

    sources: tuple[str, ...]
    matrix: np.ndarray
    offset: np.ndarray
    spread: np.ndarray
    pooled_spread: np.ndarray
    whitening: np.ndarray


def features(weights, size: int):
    """Return a fast function from images (N, size, size, 3) to the teacher's feature maps."""
    model = backbones.load_backbone(NAME, weights, size).model
    return _frozen(lambda images: model(images, training=False), size)


def goals(feature_maps, batches, seed: int, learned=None) -> dict[str, Goal]:
    """Work out the goals from the teacher's statistics.

    Parameters
    ----------
    feature_maps : callable
        See `features`.
    batches : iterable of ndarray, shape (N, S, S, 3)
        Pictures, in pairs.
    seed : int
        Of the random turns.
    learned : callable, optional
        From images to the feature maps of a student that goes on from earlier weights. The turns
        are then not random, but those that bring the goals nearest to what it gives.
    """
    maps: dict[str, list] = {}
    given: dict[str, list] = {}
    for images in batches:
        x = tf.constant(images, tf.float32)
        for name, found in feature_maps(x).items():
            maps.setdefault(name, []).append(found.numpy())
        for name, found in (learned(x) if learned else {}).items():
            if name not in _SAME:
                given.setdefault(name, []).append(found.numpy())
    maps, given = ({k: np.concatenate(v) for k, v in some.items()} for some in (maps, given))
    rng = np.random.default_rng(seed)
    return {level: _goal(level, maps, given.get(level), rng) for level in SOURCES}


def targets(feature_maps, goals: dict[str, Goal], size: int):
    """Return a fast function from images to what every level of the student should give."""

    def compute(images):
        maps = feature_maps(images)
        return {
            level: tf.concat([maps[s] for s in goal.sources], -1) @ goal.matrix + goal.offset
            if goal.matrix.ndim == 2
            else maps[goal.sources[0]]
            for level, goal in goals.items()
        }

    return _frozen(compute, size)


def _frozen(compute, size):
    """Compile with every weight a constant, so that TensorFlow folds the normalisations away."""
    concrete = tf.function(compute).get_concrete_function(tf.TensorSpec((None, size, size, 3)))
    return _as_dict(convert_variables_to_constants_v2(concrete), concrete.structured_outputs)


def _as_dict(frozen, structure):
    names = sorted(structure)
    return lambda images: dict(zip(names, frozen(images), strict=True))


def _goal(level: str, maps: dict[str, np.ndarray], learned, rng: np.random.Generator) -> Goal:
    if level in _SAME:
        source = _SAME[level]
        return Goal((source,), np.ones(()), np.zeros(()), *_statistics(maps[source]))
    parts = SOURCES[level]
    means, columns = [], []
    for source, count in parts.items():
        x = maps[source].reshape(-1, maps[source].shape[-1])
        x = x[rng.permutation(len(x))[:_POSITIONS]].astype(np.float64)
        variance, vectors = np.linalg.eigh(np.cov(x.T))
        best = np.argsort(variance)[::-1][:count]
        scaled = vectors[:, best] * np.maximum(variance[best], 1e-6 * variance.max()) ** -0.25
        scaled /= np.sqrt(np.mean(np.sum((scaled.T @ np.cov(x.T)) * scaled.T, axis=1)))
        means.append(x.mean(0))
        columns.append(scaled)
    x = np.concatenate([maps[s] for s in parts], -1)
    matrix = block_diag(*columns).astype(np.float32)
    matrix = matrix @ _turn(x @ matrix, learned, rng).astype(np.float32)
    offset = -np.concatenate(means).astype(np.float32) @ matrix
    result = x @ matrix + offset
    return Goal(tuple(parts), matrix, offset, *_statistics(result))


def _turn(components: np.ndarray, learned: np.ndarray | None, rng: np.random.Generator):
    """Return a random turn of components, or the one that brings them nearest to learned maps."""
    width = components.shape[-1]
    if learned is None:
        return np.linalg.qr(rng.standard_normal((width, width)))[0]
    x, y = (maps.reshape(-1, width) for maps in (components, learned))
    chosen = rng.permutation(len(x))[:_POSITIONS]
    x, y = (rows[chosen].astype(np.float64) for rows in (x, y))
    return orthogonal_procrustes(x - x.mean(0), y - y.mean(0))[0]


def _statistics(maps: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return spreads over positions and over images, no channel's too small, and the whitening."""
    pooled = maps.mean((1, 2), dtype=np.float64)
    spreads = (maps.std((0, 1, 2)), pooled.std(0).astype(np.float32))
    least = (0.3 * np.sqrt(np.mean(s**2)) for s in spreads)
    return *map(np.maximum, spreads, least), _whitening(pooled[::2] - pooled[1::2])


def _whitening(differences: np.ndarray) -> np.ndarray:
    """Return the matrix for differences (N, D), with a covariance that is shrunk as for a score."""
    variance, vectors = np.linalg.eigh(differences.T @ differences / len(differences))
    matrix = vectors / np.sqrt(variance + _SHRINKAGE * variance.mean())
    usual = np.mean(np.sum((differences @ matrix) ** 2, axis=1))
    return (matrix / np.sqrt(usual)).astype(np.float32)
