"""Exercises of notebook 4, TFLite and int8."""

import numpy as np

import adhelpers as ad

from . import Question


def scales(w):
    return np.abs(w).max(axis=(1, 2, 3)) / 127


def relative_scores(train, test):
    own = ad.MahalanobisDetector().fit(train["int8"])
    return own.anomaly_score(test["int8"]) / own.threshold_


def megabytes(n_parameters, n_images, widths):
    numbers = 0
    for width in widths:
        axes = min(n_images - 1, width)
        numbers += (1 + axes) * width
    return (n_parameters + 4 * numbers) / 1e6


def _features(seed: int, n: int) -> dict[str, ad.FeatureSet]:
    """Return features as of two networks: the second one's are rounded, and moved a little."""
    x = np.random.default_rng(seed).normal(size=(n, 3))
    kinds = {"float32": x, "int8": np.round(x) + np.array([0.5, -0.5, 0.2])}
    return {name: ad.FeatureSet.from_arrays({"level_1": rows}) for name, rows in kinds.items()}


def _scored(fitted, scored, by=None) -> np.ndarray:
    detector = ad.MahalanobisDetector().fit(fitted)
    scores = detector.anomaly_score(scored, allow_other_origin=True)
    return scores / (ad.MahalanobisDetector().fit(by).threshold_ if by else detector.threshold_)


def _tail(n_images: int, widths, mean: bool = True, most: int | None = None) -> int:
    return sum((mean + min(most or n_images - 1, width)) * width for width in widths)


q1 = Question(
    scales,
    hidden=[(np.arange(-24, 24, dtype=float).reshape(4, 2, 3, 2) ** 3,)],
    hints="The first axis of w is the output channel: take the maximum over the three others.",
    advice="the largest magnitude of each output channel, over 127",
    mistakes={
        "that is one scale for all; one for each output channel is asked for": (
            lambda w: np.abs(w).max() / 127
        ),
        "negative weights count, too: take magnitudes first": (
            lambda w: w.max(axis=(1, 2, 3)) / 127
        ),
        "that is the largest magnitude: divide by the number of steps": (
            lambda w: np.abs(w).max(axis=(1, 2, 3))
        ),
        "255 steps are for a range with two ends; here magnitudes have 127": (
            lambda w: np.ptp(w, axis=(1, 2, 3)) / 255
        ),
        "there are 127 steps on one side of 0, not 255": (
            lambda w: np.abs(w).max(axis=(1, 2, 3)) / 255
        ),
        "there are 127 steps, not 128: -128 is not used": (
            lambda w: np.abs(w).max(axis=(1, 2, 3)) / 128
        ),
        "that is for each input channel: the outputs are the first axis": (
            lambda w: np.abs(w).max(axis=(0, 1, 2)) / 127
        ),
        "the mean magnitude clips all that is larger: take the largest": (
            lambda w: np.abs(w).mean(axis=(1, 2, 3)) / 127
        ),
    },
    praise="Now each channel uses all steps, and the file holds one more number per channel.",
)
q2 = Question(
    relative_scores,
    hidden=[(_features(0, 30), _features(1, 6))],
    hints='ad.MahalanobisDetector().fit(...) takes train["int8"]; score test["int8"] with it, and '
    "divide by the threshold of the same detector.",
    advice="fit to the int8 features of the training images, score those of the test images, and "
    "divide by that detector's threshold",
    mistakes={
        "that is fitted in float and scored in int8, which is the failure above": (
            lambda train, test: _scored(train["float32"], test["int8"])
        ),
        "that is float on both sides; the device computes in int8": (
            lambda train, test: _scored(train["float32"], test["float32"])
        ),
        "that is fitted in int8 and scored in float; the device computes in int8": (
            lambda train, test: _scored(train["int8"], test["float32"])
        ),
        "the scores are right, the threshold is that of the detector fitted in float": (
            lambda train, test: _scored(train["int8"], test["int8"], by=train["float32"])
        ),
        "those are the scores: divide by the detector's threshold": (
            lambda train, test: (
                ad.MahalanobisDetector().fit(train["int8"]).anomaly_score(test["int8"])
            )
        ),
        "those are the training images' scores": (
            lambda train, test: _scored(train["int8"], train["int8"])
        ),
    },
    tolerance=1e-3,
    praise="Both sides now come from the network that is deployed; above 1 is an alarm.",
)
q3 = Question(
    megabytes,
    hidden=[(1_000_000, 100, [16, 80, 1280]), (5_000, 4, [8, 8])],
    hints="Centred vectors of n images span n - 1 directions at most, and never more than the "
    "level is wide. A mean and each axis are `width` numbers of four bytes.",
    advice="a byte for each parameter, and for each level (1 + axes) * width numbers of four bytes",
    mistakes={
        "a number of a Gaussian takes four bytes, not one": (
            lambda p, n, widths: (p + _tail(n, widths)) / 1e6
        ),
        "the means are missing": lambda p, n, widths: (p + 4 * _tail(n, widths, False)) / 1e6,
        "a level that is narrower than the number of images has no more axes than channels": (
            lambda p, n, widths: (p + 4 * sum(n * w for w in widths)) / 1e6
        ),
        "n images span n - 1 directions about their mean": (
            lambda p, n, widths: (p + 4 * _tail(n, widths, most=n)) / 1e6
        ),
        "that keeps whole covariances; the axes in which training images vary are enough": (
            lambda p, n, widths: (p + 4 * sum(w + w * w for w in widths)) / 1e6
        ),
        "that is the network alone: the Gaussians come on top": lambda p, n, widths: p / 1e6,
        "that is in bytes": lambda p, n, widths: p + 4 * _tail(n, widths),
        "a parameter of the network takes one byte here, not four": (
            lambda p, n, widths: 4 * (p + _tail(n, widths)) / 1e6
        ),
    },
    tolerance=1e-4,
    praise="Compare it with the file above: the rest is the graph, scales, and what stays float.",
)
