"""Gaussians per position beside the pooled ones, and beside two references on the same maps.

    python benchmarks/local.py                       # the embedded data set, built-in weights
    python benchmarks/local.py --root data/mvtec_ad --category toothbrush screw \\
        --model_name efficientnetv2-b0 --weights FILE

A table per category. Rows that are printed unless `--rows` says otherwise:

pooled         the paper's method: a Gaussian per level, of the mean over positions; its heat map is
               the exact split of the distance
local          `LocalDetector`: a Gaussian per position
both           `JointDetector`: the same, and the pooled distance as one more level
full rank ...  local with other parameters
PaDiM          arXiv 2011.08785: blocks 3 to 5 on one grid, 100 random channels, S + 0.01 I
memory bank    PatchCore's idea (arXiv 2106.08265): the same grid, all channels, a tenth of the
               training vectors at random, distance to the nearest one

`--rows short`: pooled, local and both alone. `--rows combinations`: ways to make one score of the
pooled and the local one. `--rows choices`: other levels, reductions, smoothing and shared
statistics; these have no threshold.

Columns: image AUROC, pixel AUROC and PRO in %; the share of the anomalies whose heat map is largest
inside the mask; by the detector's own threshold the share of the anomalies detected, of those the
share whose map is largest inside the mask, and the false alarms among the normal images; seconds to
fit (the threshold included) and milliseconds to score an image, the network and the drawing of the
map not counted; megabytes of model in float32, beside the network.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import cv2
import numpy as np
from scipy.ndimage import gaussian_filter, uniform_filter
from scipy.special import logsumexp

import adhelpers as ad
from adhelpers.detector.combination import combine, level_scales
from adhelpers.evaluation import Explainer, pixel_curves, read_truth, roc_auc, summed
from adhelpers.gaussian import RANK, LocalGaussian, LocalMoments, fit_local
from adhelpers.images import resampled, summed_on_finest

GRID = ("level_4", "level_5", "level_6")
CHANNELS, RIDGE, BANK = 100, 0.01, 0.1


def of_level(maps: ad.FeatureMaps, name: str) -> np.ndarray:
    """Return the maps of a level, (N, h, w, D)."""
    return np.concatenate([batch.maps[name] for batch in maps])


class Pooled:
    """`MahalanobisDetector`, and the exact split of its distance."""

    def __init__(self, extract: ad.Extractor, images: np.ndarray):
        self.extract, self.images = extract, images

    def fit(self, train: ad.FeatureMaps) -> "Pooled":
        self.detector = ad.MahalanobisDetector().fit(train.features)
        self.threshold_, self.gaussians_ = self.detector.threshold_, self.detector.gaussians_
        return self

    def anomaly_score(self, test: ad.FeatureMaps) -> np.ndarray:
        return self.detector.anomaly_score(test.features)

    def heat_maps(self, test: ad.FeatureMaps) -> np.ndarray | None:
        if self.extract.origin.precision != "float32":
            return None
        explain = Explainer(self.extract, self.detector)
        return summed(explain.of_pixels(self.images), self.images.shape[1])


class Combined:
    """The scores of the pooled and of the local detector by one of the package's combinations."""

    def __init__(self, combination: str):
        self.combination = combination

    def fit(self, train: ad.FeatureMaps) -> "Combined":
        pooled = ad.MahalanobisDetector().fit(train.features)
        self.detectors_ = {"pooled": pooled, "local": ad.LocalDetector().fit(train)}
        held_out = {name: x.held_out_scores_ for name, x in self.detectors_.items()}
        self.scales = level_scales(held_out)
        return self

    def anomaly_score(self, test: ad.FeatureMaps) -> np.ndarray:
        distances = {
            "pooled": self.detectors_["pooled"].anomaly_score(test.features),
            "local": self.detectors_["local"].anomaly_score(test),
        }
        if self.combination == "larger z-score":
            z = [(x - self.scales[name][0]) / self.scales[name][1] for name, x in distances.items()]
            return np.max(z, axis=0)
        return combine(distances, self.combination, self.scales)

    def heat_maps(self, test: ad.FeatureMaps) -> np.ndarray:
        return self.detectors_["local"].heat_maps(test)


def largest(maps: np.ndarray) -> np.ndarray:
    return maps.max(axis=(1, 2))


def mean_of_top(maps: np.ndarray, share: float) -> np.ndarray:
    """Return the mean of that share of the positions with the largest distances."""
    falling = -np.sort(-maps.reshape(len(maps), -1), axis=1)
    return falling[:, : max(1, round(share * falling.shape[1]))].mean(axis=1)


def softened(maps: np.ndarray, step: float) -> np.ndarray:
    """Return a soft maximum, near to the largest where the step is small."""
    return step * logsumexp(maps / step, axis=(1, 2))


def one_mean(moments: LocalMoments, own_covariances: bool = False) -> LocalGaussian:
    """Fit Gaussians with one mean for all positions, and one covariance or one for each."""
    centre = np.broadcast_to(moments.mean.mean(axis=0), moments.mean.shape)
    scatter, third, fourth = moments.about(centre)
    about = replace(moments, mean=centre, scatter=scatter, third=third, fourth=fourth)
    return fit_local(about) if own_covariances else fit_local(about, 1.0, 0)


def neighbours(moments: LocalMoments, means_too: bool) -> LocalGaussian:
    """Fit with the covariances, or the means too, of 3 x 3 positions together."""
    height, width = moments.shape

    def mixed(x: np.ndarray) -> np.ndarray:
        on_grid = x.reshape(height, width, *x.shape[1:])
        size = (3, 3, *[1] * (x.ndim - 1))
        return uniform_filter(on_grid, size, mode="nearest").reshape(x.shape)

    scatter, mean = moments.scatter, moments.mean
    if means_too:
        mean = mixed(mean)
        about = moments.scatter + moments.count * np.einsum(
            "pd,pe->pde", moments.mean, moments.mean
        )
        scatter = mixed(about) - moments.count * np.einsum("pd,pe->pde", mean, mean)
    else:
        scatter = mixed(scatter)
    return fit_local(replace(moments, mean=mean, scatter=scatter))


def arithmetic_floor(moments: LocalMoments) -> LocalGaussian:
    """Fit with the arithmetic mean of the variances along the axes that are left out."""
    full, rest = fit_local(moments, rank=None), moments.mean.shape[1] - RANK
    return replace(
        full,
        axes=full.axes[:, rest:],
        variances=full.variances[:, rest:],
        floor=full.variances[:, :rest].mean(axis=1),
    )


class Choice:
    """Gaussians per position by other rules, and no threshold."""

    def __init__(
        self,
        levels: list[str] | None = None,
        reduce: Callable[[np.ndarray], np.ndarray] = largest,
        sigma: float = 0.0,
        fitted: Callable[[LocalMoments], LocalGaussian] = fit_local,
        shown: list[str] | None = None,
    ):
        self.levels, self.reduce, self.sigma, self.fitted = levels, reduce, sigma, fitted
        self.shown = shown

    def fit(self, train: ad.FeatureMaps) -> "Choice":
        moments = ad.LocalDetector(self.levels).partial_fit(train).moments_
        self.gaussians_ = {name: self.fitted(x) for name, x in moments.items()}
        return self

    def distance_maps(self, test: ad.FeatureMaps) -> dict[str, np.ndarray]:
        maps = {name: g.distance(of_level(test, name)) for name, g in self.gaussians_.items()}
        if self.sigma:
            sigmas = (0, self.sigma, self.sigma)
            maps = {name: gaussian_filter(x, sigmas, mode="nearest") for name, x in maps.items()}
        return maps

    def anomaly_score(self, test: ad.FeatureMaps) -> np.ndarray:
        return sum(self.reduce(x) for x in self.distance_maps(test).values())

    def heat_maps(self, test: ad.FeatureMaps) -> np.ndarray:
        maps = self.distance_maps(test)
        return summed_on_finest({name: maps[name] for name in self.shown or maps})


class OnOneGrid:
    """What the two references share: the levels of `GRID` on the finest one's positions."""

    def vectors(self, maps: ad.FeatureMaps) -> np.ndarray:
        """Return the features of all levels, (N, h, w, D)."""
        height, width, _ = maps.shapes[GRID[0]]
        levels = (of_level(maps, name) for name in GRID)
        return np.concatenate(
            [np.stack([cv2.resize(x, (width, height)) for x in level]) for level in levels], axis=-1
        )

    def anomaly_score(self, test: ad.FeatureMaps) -> np.ndarray:
        return largest(self.heat_maps(test))


class PaDiM(OnOneGrid):
    """A Gaussian per position of some channels of several levels together."""

    def fit(self, train: ad.FeatureMaps) -> "PaDiM":
        vectors = self.vectors(train)
        self.channels = np.random.default_rng(0).permutation(vectors.shape[-1])[:CHANNELS]
        rows = self._by_position(vectors)
        self.mean = rows.mean(axis=1, keepdims=True, dtype=np.float64)
        centred = rows - self.mean
        scatter = centred.transpose(0, 2, 1) @ centred / (len(vectors) - 1)
        self.whitening = np.linalg.inv(np.linalg.cholesky(scatter + RIDGE * np.eye(CHANNELS)))
        self.numbers = self.whitening.size / 2 + self.mean.size
        return self

    def heat_maps(self, test: ad.FeatureMaps) -> np.ndarray:
        vectors = self.vectors(test)
        rows = (self._by_position(vectors) - self.mean) @ self.whitening.transpose(0, 2, 1)
        return np.linalg.norm(rows, axis=-1).T.reshape(vectors.shape[:3])

    def _by_position(self, vectors: np.ndarray) -> np.ndarray:
        some = vectors[..., self.channels]
        return some.reshape(len(some), -1, CHANNELS).transpose(1, 0, 2)


class MemoryBank(OnOneGrid):
    """A tenth of the training vectors, and the distance to the nearest one."""

    def fit(self, train: ad.FeatureMaps) -> "MemoryBank":
        vectors = self.vectors(train)
        vectors = vectors.reshape(-1, vectors.shape[-1])
        chosen = np.random.default_rng(0).permutation(len(vectors))[: int(BANK * len(vectors))]
        self.bank, self.numbers = vectors[chosen], vectors[chosen].size
        return self

    def heat_maps(self, test: ad.FeatureMaps) -> np.ndarray:
        vectors, squares = self.vectors(test), np.einsum("nd,nd->n", self.bank, self.bank)
        nearest = []
        for rows in vectors.reshape(len(vectors), -1, vectors.shape[-1]):
            own = np.einsum("nd,nd->n", rows, rows)
            nearest.append(np.min(squares - 2 * (rows @ self.bank.T), axis=1) + own)
        return np.sqrt(np.maximum(nearest, 0)).reshape(vectors.shape[:3])


def levels_from(first: int, last: int) -> list[str]:
    return [f"level_{i}" for i in range(first, last + 1)]


#: What makes each row but the pooled one, by the name of its group.
ROWS = {
    "methods": {
        "local": ad.LocalDetector,
        "both": ad.JointDetector,
        "full rank": lambda: ad.LocalDetector(rank=None),
        "rank 8": lambda: ad.LocalDetector(rank=8),
        "a = 0.1": lambda: ad.LocalDetector(tied_weight=0.1),
        "a = 1, the tied covariance alone": lambda: ad.LocalDetector(tied_weight=1.0, rank=0),
        "likeliest a": lambda: ad.LocalDetector(tied_weight=None),
        "PaDiM": PaDiM,
        "memory bank": MemoryBank,
    },
    "short": {"local": ad.LocalDetector, "both": ad.JointDetector},
    "combinations": {
        "local": ad.LocalDetector,
        "equal weights, each over its mean": lambda: Combined("relative"),
        "z-scores": lambda: Combined("z-score"),
        "Fisher": lambda: Combined("fisher"),
        "larger of the z-scores": lambda: Combined("larger z-score"),
        "both": ad.JointDetector,
    },
    "choices": {
        "local": ad.LocalDetector,
        **{f"level {i} alone": partial(Choice, levels_from(i, i)) for i in (4, 5, 6, 7)},
        "levels 4 to 6": partial(Choice, levels_from(4, 6)),
        "levels 5 to 7": partial(Choice, levels_from(5, 7)),
        "mean of the top 1 % of positions": partial(
            Choice, reduce=partial(mean_of_top, share=0.01)
        ),
        "mean of the top 5 %": partial(Choice, reduce=partial(mean_of_top, share=0.05)),
        "mean of the top 10 %": partial(Choice, reduce=partial(mean_of_top, share=0.1)),
        "soft maximum (log-sum-exp), step 0.1": partial(Choice, reduce=partial(softened, step=0.1)),
        "soft maximum, step 0.3": partial(Choice, reduce=partial(softened, step=0.3)),
        **{
            f"distances smoothed by {s:g} {'cell' if s == 1 else 'cells'}": partial(Choice, sigma=s)
            for s in (0.5, 1, 2)
        },
        "one mean and one covariance for all positions": partial(Choice, fitted=one_mean),
        "one mean, a covariance each": partial(
            Choice, fitted=partial(one_mean, own_covariances=True)
        ),
        "covariances of 3 x 3 positions together": partial(
            Choice, fitted=partial(neighbours, means_too=False)
        ),
        "means and covariances of 3 x 3 together": partial(
            Choice, fitted=partial(neighbours, means_too=True)
        ),
        "variance along the axes left out: arithmetic mean": partial(
            Choice, fitted=arithmetic_floor
        ),
        "levels 4 to 6 for the map alone": partial(Choice, shown=levels_from(4, 6)),
        "levels 4 and 5 for the map alone": partial(Choice, shown=levels_from(4, 5)),
    },
}


def numbers(detector) -> float:
    """Return how many numbers a fitted detector consists of."""
    if hasattr(detector, "numbers"):
        return detector.numbers
    parts = detector.detectors_.values() if hasattr(detector, "detectors_") else [detector]
    return sum(
        x.size
        for part in parts
        for gaussian in part.gaussians_.values()
        for x in vars(gaussian).values()
        if isinstance(x, np.ndarray)
    )


def row(detector, train: ad.FeatureMaps, test: ad.FeatureMaps, masks: np.ndarray) -> list[float]:
    """Return a row's numbers, in the order of `COLUMNS`."""
    start = time.perf_counter()
    detector.fit(train)
    fitted = time.perf_counter() - start
    start = time.perf_counter()
    scores = detector.anomaly_score(test)
    scored = time.perf_counter() - start
    areas = [roc_auc(test.labels, scores), np.nan, np.nan]
    bad, hits = test.labels == 1, np.full(len(scores), np.nan)
    heat = detector.heat_maps(test)
    if heat is not None:
        if heat.shape != masks.shape:
            heat = resampled(heat, masks.shape[1:])
        curves = pixel_curves(masks, heat)
        areas[1:] = curves.auroc, curves.pro()
        hits[:] = [mask.flat[x.argmax()] for mask, x in zip(masks, heat, strict=True)]
    decided = [np.nan] * 3
    if hasattr(detector, "threshold_"):
        found = scores > detector.threshold_
        inside = hits[found & bad].mean() if (found & bad).any() else np.nan
        decided = [found[bad].mean(), inside, found[~bad].mean()]
    shares = [100 * x for x in (*areas, hits[bad].mean(), *decided)]
    return [*shares, fitted, 1e3 * scored / len(scores), 4e-6 * numbers(detector)]


def kept(maps: ad.FeatureMaps) -> ad.FeatureMaps:
    """Return maps that are computed once, however many there are."""
    batches = list(maps)
    return ad.FeatureMaps(lambda: iter(batches), maps.shapes, maps.labels, maps.origin)


def table(extract: ad.Extractor, data: ad.datasets.Dataset, options) -> dict[str, list[float]]:
    """Return the rows of one category."""
    chosen = range(len(data.train))
    if options.images:
        chosen = np.linspace(0, len(data.train) - 1, options.images).astype(int)
    samples = data.train.subset(chosen)
    copies = options.augment and ad.images.Augmentation.parse(options.augment)
    train = kept(extract.maps(samples, augmentation=copies or None))
    truth = read_truth(data.test, extract.origin.input_size)
    test = kept(extract.maps_of_pixels(truth.images, labels=truth.samples.labels))
    assert len(train.features) and len(test.features)  # pooled features, ready before any timing
    rows = {"pooled": row(Pooled(extract, truth.images), train, test, truth.masks)}
    for name, make in {k: x for group in options.rows for k, x in ROWS[group].items()}.items():
        rows[name] = row(make(), train, test, truth.masks)
    return rows


#: The columns, and how each is written.
COLUMNS = dict.fromkeys(("image", "pixel", "PRO"), ".1f")
COLUMNS |= dict.fromkeys(("inside", "detected", "of these inside", "false alarms"), ".0f")
COLUMNS |= {"fit s": ".1f", "ms per image": ".2f", "MB": ".1f"}


def show(title: str, rows: dict[str, list[float]]) -> None:
    """Print a table in Markdown."""
    print(f"\n| {title} | {' | '.join(COLUMNS)} |\n|{'---|' * (1 + len(COLUMNS))}")
    for name, values in rows.items():
        cells = zip(values, COLUMNS.values(), strict=True)
        words = ("-" if np.isnan(value) else format(value, form) for value, form in cells)
        print(f"| {name} | {' | '.join(words)} |", flush=True)


def main() -> None:
    """Print a table per category, and their mean where there are several."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--root", help="a folder laid out like MVTec AD; the embedded set if none")
    parser.add_argument(
        "--category", nargs="+", default=["gear", "label", "tablet", "weave", "wood"]
    )
    parser.add_argument("--model_name", default="efficientnet-b0")
    parser.add_argument("--weights", default="builtin")
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=["methods"])
    parser.add_argument("--images", type=int, help="fit to so many, evenly spaced")
    parser.add_argument("--augment", nargs="+", help="fit to copies as well, e.g. gain offset=20")
    parser.add_argument("--input_size", type=int)
    parser.add_argument("--precision", default="float32")
    options = parser.parse_args()
    tables = []
    for category in options.category:
        if options.root:
            data = ad.datasets.load_mvtec(options.root, category)
        else:
            data = ad.datasets.load_synthetic(category)
        extract = ad.Extractor(
            options.model_name,
            options.weights,
            precision=options.precision,
            calibration=data.train,
            input_size=options.input_size,
        )
        tables.append(table(extract, data, options))
        about = f"{extract.milliseconds():.1f} ms of the network per image, one thread"
        print(f"\n{category}: {extract.origin.words}; {about}")
        show(category, tables[-1])
    if len(tables) > 1:
        mean = {name: np.mean([rows[name] for rows in tables], axis=0) for name in tables[0]}
        show(f"mean of {len(tables)}", mean)


if __name__ == "__main__":
    main()
