"""Random fields: white noise, shaped in the frequency domain, in float64."""

import numpy as np
from scipy import fft


def smooth(rng: np.random.Generator, size: int, along_y: float, along_x: float) -> np.ndarray:
    """Draw a Gaussian random field with the given correlation lengths.

    Parameters
    ----------
    rng : numpy.random.Generator
    size : int
        Side S of the field in pixels.
    along_y, along_x : float
        Standard deviation of the smoothing kernel, in units of the side. Unequal values give
        streaks: fibres, brush marks, grain.

    Returns
    -------
    field : ndarray of float64, shape (S, S)
        Zero mean, unit variance. It wraps around at the borders.
    """
    fy, fx = fft.fftfreq(size) * size, fft.rfftfreq(size) * size
    # The Fourier transform of a Gaussian of width s is a Gaussian: exp(-2 (pi s f)^2).
    decay_y = np.exp(-2 * (np.pi * along_y * fy) ** 2)
    decay_x = np.exp(-2 * (np.pi * along_x * fx) ** 2)
    return _shaped(rng, size, decay_y[:, None] * decay_x)


def fractal(rng: np.random.Generator, size: int, slope: float) -> np.ndarray:
    """Draw a field whose amplitude falls with frequency as ``f ** -slope``.

    Parameters
    ----------
    rng : numpy.random.Generator
    size : int
        Side S of the field in pixels.
    slope : float
        0 is white noise; 1 looks like cloth or cork; 2 like clouds.

    Returns
    -------
    field : ndarray of float64, shape (S, S)
        Zero mean, unit variance. It wraps around at the borders.
    """
    fy, fx = fft.fftfreq(size) * size, fft.rfftfreq(size) * size
    frequency = np.hypot(fy[:, None], fx)
    return _shaped(rng, size, np.maximum(frequency, 1.0) ** -slope)


def _shaped(rng: np.random.Generator, size: int, spectrum: np.ndarray) -> np.ndarray:
    """Multiply the spectrum of white noise by `spectrum`, then standardise the field."""
    waves = fft.rfft2(rng.standard_normal((size, size))) * spectrum
    waves[0, 0] = 0.0
    field = fft.irfft2(waves, s=(size, size))
    return field / field.std()
