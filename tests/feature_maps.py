"""Feature maps that came from nowhere."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from adhelpers.features import Batch, FeatureMaps, FeatureSet, Origin

#: A network's levels; what is pooled are all of them, what has maps the two in the middle.
SHAPES = {"level_2": (4, 4, 3), "level_4": (4, 3, 5), "level_6": (2, 2, 7), "level_8": (1, 1, 9)}
MAPPED = ("level_4", "level_6")

Arrays = dict[str, np.ndarray]


def draw_maps(n: int, seed: int = 0) -> Arrays:
    """Draw maps with a mean and a covariance of its own at each position."""
    rng, law, maps = np.random.default_rng(seed), np.random.default_rng(99), {}
    for name, shape in SHAPES.items():
        mixing = law.normal(size=(*shape, shape[-1])) + 2 * np.eye(shape[-1])
        drawn = np.einsum("nhwd,hwde->nhwe", rng.normal(size=(n, *shape)), mixing)
        maps[name] = (drawn + law.normal(size=shape)).astype(np.float32)
    return maps


def rows(maps: Arrays, chosen) -> Arrays:
    return {name: x[chosen] for name, x in maps.items()}


def maps_of(
    maps: Arrays,
    paths: Sequence[str] = (),
    labels: Sequence[int] | None = None,
    origin: Origin | None = None,
    mapped: Sequence[str] = MAPPED,
    batch_size: int = 3,
) -> FeatureMaps:
    """Return FeatureMaps of arrays, with paths and with levels that are pooled alone."""
    pooled = {name: x.mean(axis=(1, 2), dtype=np.float64) for name, x in maps.items()}
    features = FeatureSet.from_arrays(pooled, labels, origin)
    if paths:
        features = replace(features, paths=list(paths))

    def batches() -> Iterator[Batch]:
        for start in range(0, len(features), batch_size):
            chosen = slice(start, start + batch_size)
            yield Batch(features.rows(chosen), {name: maps[name][chosen] for name in mapped})

    shapes = {name: maps[name].shape[1:] for name in mapped}
    return FeatureMaps(batches, shapes, features.labels, origin)


def some(n: int, seed: int = 0, **about) -> FeatureMaps:
    return maps_of(draw_maps(n, seed), **about)
