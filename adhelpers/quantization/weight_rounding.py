"""Rounding a layer's weights to int8 so that what the layer gives changes least."""

import numpy as np
from scipy.linalg import cholesky

_LARGEST = 127
_DAMPING = 0.01  # of the mean of the moments' diagonal, as in the paper
_BLOCK = 64  # columns between updates of all the others: only for speed


def round_weights(weights: np.ndarray, moments: np.ndarray) -> np.ndarray:
    """Round weights to 8 bits per output, given what the layer sees.

    Plain rounding errs by half a step in each weight on its own. Here the columns (the layer's
    inputs) are rounded one after the other, and those that are still to come make up for the
    error as far as inputs go together, as neighbouring pixels and channels do.

    Parameters
    ----------
    weights : ndarray of float, shape (O, ...)
        I values per output.
    moments : ndarray, shape (I, I)
        The sum of the outer products of what the layer saw: see `convolutions.patch_moments`.

    Returns
    -------
    rounded : ndarray of float32
        Of the shape of `weights`. Each output has at most 255 different values, multiples of
        its greatest magnitude over 127, which is kept: a later rounding to int8 by the greatest
        magnitude changes nothing.

    References
    ----------
    Frantar, Ashkboos, Hoefler and Alistarh, "GPTQ: Accurate Post-Training Quantization for
    Generative Pre-trained Transformers", ICLR 2023, arXiv 2210.17323, algorithm 1.
    """
    left = np.array(weights, np.float64).reshape(len(weights), -1)
    step = np.abs(left).max(axis=1) / _LARGEST
    step[step == 0] = 1
    greatest = np.abs(left) >= step[:, None] * (_LARGEST - 1e-6)
    signs = np.sign(left)
    factor = _inverse_factor(moments)
    rounded = np.empty_like(left)
    for start in range(0, len(factor), _BLOCK):
        stop = min(start + _BLOCK, len(factor))
        errors = np.empty((len(left), stop - start))
        for i in range(start, stop):
            codes = np.clip(np.rint(left[:, i] / step), -_LARGEST, _LARGEST)
            codes = np.where(greatest[:, i], signs[:, i] * _LARGEST, codes)
            rounded[:, i] = codes * step
            errors[:, i - start] = (left[:, i] - rounded[:, i]) / factor[i, i]
            left[:, i:stop] -= np.outer(errors[:, i - start], factor[i, i:stop])
        left[:, stop:] -= errors @ factor[start:stop, stop:]
    return rounded.reshape(weights.shape).astype(np.float32)


def _inverse_factor(moments: np.ndarray) -> np.ndarray:
    """Return upper triangular U with U^T U the inverse of the damped moments."""
    damped = np.array(moments, np.float64)
    damping = _DAMPING * np.trace(damped) / len(damped)
    damped[np.diag_indices_from(damped)] += damping if damping > 0 else 1.0
    return cholesky(np.linalg.inv(damped), lower=False)
