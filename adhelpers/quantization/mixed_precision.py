"""int8-mixed: int8 where a network spends its time, float where 8 bits would cost accuracy.

Nearly all time goes into the convolutions, and nearly all damage comes from 8-bit results of
the cheap operators around them. So the convolutions' inputs and weights alone become int8, the
inputs with the range of each image as it comes; sums and results stay float32, as does everything
else, with weights in 16 bits. The weights are rounded to what the convolutions see. Convolutions
that still do much damage stay float: which ones is measured on normal images.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from ..backbones import LiteRTRunner, pooled_in_batches
from ..gaussian import Gaussian, fit_gaussian
from ..ground import UserError, available_cores, ordered_map
from . import convolutions, recipes
from .convolutions import Convolution
from .weight_rounding import round_weights

#: The error that int8 may make at any level, as a share of the normal images' own spread.
BUDGET = 0.1

_HELD_OUT = 6  # every sixth image is kept from the fit, and measures the damage
_MOMENT_IMAGES = 32
_MIN_IMAGES = _HELD_OUT + 1  # so that two are held out: one alone has no spread


class Probe(NamedTuple):
    """Held-out normal images, and what the network makes of them before anything is int8.

    Parameters
    ----------
    images : ndarray of uint8, shape (N, S, S, 3)
    features : dict of str to ndarray, shape (N, D_l)
    gaussians : dict of str to Gaussian
        By level, fitted to other normal images.
    """

    images: np.ndarray
    features: dict[str, np.ndarray]
    gaussians: dict[str, Gaussian]


def quantize(
    model: bytes,
    images: Sequence[np.ndarray],
    budget: float = BUDGET,
    show_progress: bool = True,
) -> bytes:
    """Quantize a float32 model to int8-mixed.

    Parameters
    ----------
    model : bytes
        From `adhelpers.backbones.convert`.
    images : sequence of ndarray of uint8, shape (S, S, 3)
        RGB images of normal parts, at least seven; 100 will do. Labels are not needed.
    budget : float
        How much of the normal images' own spread the error of int8 may reach at a level.
    show_progress : bool
        Draw a bar on stderr.

    Returns
    -------
    quantized : bytes
        The same for the same model and images, on any number of cores.

    Raises
    ------
    UserError
        If there are too few images.
    """
    if len(images) < _MIN_IMAGES:
        raise UserError(
            f"int8-mixed needs at least {_MIN_IMAGES} calibration images, not {len(images)}; give "
            "nine training images or more, or choose int8-weights"
        )
    found = convolutions.find(model)
    with threadpool_limits(1, "blas"):  # sums in one order: the same images give the same model
        rounded = rounded_weights(model, found, images)
        damage = measure(model, found, rounded, images, show_progress)
    kept = select(damage, np.array([x.multiply_adds for x in found]), budget)
    return with_int8(model, [x for x, keep in zip(found, kept, strict=True) if keep], rounded)


def rounded_weights(
    model: bytes, found: Sequence[Convolution], images: Sequence[np.ndarray]
) -> dict[str, np.ndarray]:
    """Round every convolution's weights to int8 by what it sees on some of the images.

    Returns
    -------
    rounded : dict of str to ndarray of float32
        By the convolution's name.
    """
    some = images[:: -(-len(images) // _MOMENT_IMAGES)]
    moments = convolutions.patch_moments(model, found, some)
    weights = convolutions.weights(model, found)
    done = ordered_map(
        lambda name: round_weights(weights[name], moments[name]), weights, available_cores()
    )
    return dict(zip(weights, done, strict=True))


def measure(
    model: bytes,
    found: Sequence[Convolution],
    rounded: Mapping[str, np.ndarray],
    images: Sequence[np.ndarray],
    show_progress: bool = True,
) -> np.ndarray:
    """Measure the damage that each convolution does when it alone is int8.

    Returns
    -------
    damage : ndarray of float64, shape (len(found), levels)
        See `damage_of`.
    """
    probe = probe_of(with_int8(model, [], {}), images)
    bar = tqdm(
        found, "int8-mixed: convolutions", disable=None if show_progress else True, leave=False
    )
    return np.array(
        [list(damage_of(with_int8(model, [one], rounded), probe).values()) for one in bar]
    )


def probe_of(model: bytes, images: Sequence[np.ndarray]) -> Probe:
    """Hold out every sixth image, and fit Gaussians to a model's features of the others."""
    pixels = np.asarray(images)
    held_out = np.arange(len(pixels)) % _HELD_OUT == 0
    levels = features(model, pixels)
    gaussians = {name: fit_gaussian(x[~held_out]) for name, x in levels.items()}
    return Probe(pixels[held_out], {name: x[held_out] for name, x in levels.items()}, gaussians)


def damage_of(quantized: bytes, probe: Probe) -> dict[str, float]:
    """Measure a quantized model's error as the detector would see it.

    A detector that is fitted to the quantized features does not see what is the same in all
    images, so the mean error is left out. What remains is measured by the Mahalanobis distance,
    and divided by that of the images themselves, both as root mean squares.

    Returns
    -------
    damage : dict of str to float
        By level: 0 is no error, at 1 the error is as large as what tells normal images apart.
    """
    found = features(quantized, probe.images)
    damage = {}
    for name, gaussian in probe.gaussians.items():
        errors = found[name].astype(np.float64) - probe.features[name]
        errors -= errors.mean(axis=0)
        seen = gaussian.squared_distance(errors + gaussian.mean).mean()
        own = gaussian.squared_distance(probe.features[name]).mean()
        damage[name] = float(np.sqrt(seen / own))
    return damage


def select(damage: np.ndarray, costs: np.ndarray, budget: float) -> np.ndarray:
    """Choose what becomes int8, so that no level's error exceeds the budget.

    The errors of different convolutions hardly go together, so their squares add. While a level
    exceeds the budget, the convolution that does it the most damage for its cost stays float.

    Parameters
    ----------
    damage : ndarray, shape (convolutions, levels)
    costs : ndarray, shape (convolutions,)
        Multiply-adds. They stand for the time, which would vary from run to run.
    budget : float

    Returns
    -------
    chosen : ndarray of bool, shape (convolutions,)

    Examples
    --------
    >>> select(np.array([[0.3], [0.1], [0.1]]), np.array([5, 1, 9]), 0.2)
    array([False,  True,  True])
    """
    squares = np.square(damage)
    chosen = np.ones(len(squares), bool)
    while chosen.any():
        levels = squares[chosen].sum(axis=0)
        if levels.max() <= budget**2:
            break
        harm = squares[:, levels.argmax()] / costs
        chosen[np.where(chosen, harm, -1).argmax()] = False
    return chosen


def with_int8(
    model: bytes, chosen: Sequence[Convolution], rounded: Mapping[str, np.ndarray]
) -> bytes:
    """Make some convolutions int8, with rounded weights, and all other weights float16."""
    from ai_edge_quantizer import qtyping

    names = [convolution.name for convolution in chosen]
    changed = convolutions.with_weights(model, chosen, {name: rounded[name] for name in names})
    work = recipes.begun(changed)
    recipes.add_float16(work)
    if names:
        work.add_dynamic_config(_exactly(names), qtyping.TFLOperationName.CONV_2D, num_bits=8)
    return recipes.finished(work)


def _exactly(names: Collection[str]) -> str:
    """Return a pattern for the operators that give the tensors of these names.

    The quantizer calls an operator by the names of what it gives, each followed by a semicolon.
    """
    return f"^({'|'.join(map(re.escape, names))});$"


def features(model: bytes, images: np.ndarray) -> dict[str, np.ndarray]:
    """Return a model's pooled levels, on all cores."""
    runner = LiteRTRunner(model, min(available_cores(), len(images)))
    return pooled_in_batches(runner, images, -(-len(images) // runner.workers))
