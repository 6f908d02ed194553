"""Gaussians per position beside the pooled ones, and beside two references on the same features.

    python benchmarks/local.py                       # the embedded data set, built-in weights
    python benchmarks/local.py --root data/mvtec_ad --category toothbrush screw \\
        --model_name efficientnetv2-b0 --weights FILE

Rows, a table per category:

pooled            the paper's method: a Gaussian per level, of the mean over positions; its heat map
                  is the exact split of the distance
local             a Gaussian per position at the ends of blocks 3 to 6, its covariance shrunk
                  towards that of all positions, by the weight for which normal images that are
                  held out are likeliest
local, a = ...    the same with one weight for all levels; at 1 the tied covariance stands alone
PaDiM             arXiv 2011.08785: blocks 3 to 5 on one grid, 100 random channels, S + 0.01 I
memory bank       PatchCore's idea (arXiv 2106.08265): the same grid, all channels, a tenth of the
                  training vectors at random, distance to the nearest one

Columns: image AUROC, pixel AUROC and PRO in %; seconds to fit and milliseconds to score an image,
the network and the drawing of the map not counted; megabytes of model in float32. An image's score
is the largest value of a map; those of several levels are added up.
"""

import argparse
import time
from collections.abc import Callable

import cv2
import numpy as np
from tqdm import tqdm

import adhelpers as ad
from adhelpers.backbones import Backbone
from adhelpers.evaluation import Explainer, pixel_curves, read_truth, roc_auc, summed
from adhelpers.gaussian import LocalMoments, fit_local, likeliest_weight

LEVELS = ("level_4", "level_5", "level_6", "level_7")
GRID = LEVELS[:3]
FOLDS, CHANNELS, RIDGE, BANK = 5, 100, 0.01, 0.1

Maps = dict[str, np.ndarray]  # by level, float32, (N, h, w, D)
Scored = tuple[np.ndarray, np.ndarray, float]  # image scores, heat maps (N, S, S), megabytes


def maps_of(backbone: Backbone, images: np.ndarray, batch_size: int = 16) -> Maps:
    """Return the feature maps of images of the network's size."""
    starts = range(0, len(images), batch_size)
    parts = []
    for start in tqdm(starts, desc="maps", disable=None, leave=False):
        batch = images[start : start + batch_size].astype(np.float32)
        levels = backbone.model(batch, training=False)
        parts.append({name: np.asarray(levels[name]) for name in LEVELS})
    return {name: np.concatenate([part[name] for part in parts]) for name in LEVELS}


def laid(distances: np.ndarray, size: int) -> np.ndarray:
    """Resize maps, (N, h, w), to the image's size."""
    return np.stack([cv2.resize(x.astype(np.float32), (size, size)) for x in distances])


def local(weight: float | None) -> Callable[[Maps], Callable]:
    """Return what fits Gaussians per position; the weight is chosen where none is given."""

    def fit(train: Maps) -> Callable[[Maps, int], Scored]:
        gaussians = {}
        for name, maps in train.items():
            parts = [LocalMoments.of(maps[i::FOLDS]) for i in range(FOLDS)]
            chosen = likeliest_weight(parts) if weight is None else weight
            gaussians[name] = fit_local(sum(parts[1:], parts[0]), chosen)
        if weight is None:
            print("weights chosen:", {name: g.weight for name, g in gaussians.items()})

        def score(test: Maps, size: int) -> Scored:
            distances = {name: g.distance(test[name]) for name, g in gaussians.items()}
            scores = sum(x.max(axis=(1, 2)) for x in distances.values())
            numbers = sum(g.whitening.size / 2 + g.mean.size for g in gaussians.values())
            return scores, sum(laid(x, size) for x in distances.values()), 4e-6 * numbers

        return score

    return fit


def on_one_grid(maps: Maps) -> np.ndarray:
    """Return the levels of `GRID` on the finest one's positions, (N, h, w, D)."""
    height, width = maps[GRID[0]].shape[1:3]
    resized = [np.stack([cv2.resize(x, (width, height)) for x in maps[name]]) for name in GRID]
    return np.concatenate(resized, axis=-1)


def padim(train: Maps) -> Callable[[Maps, int], Scored]:
    """Fit a Gaussian per position to some channels of several levels together."""
    vectors = on_one_grid(train)
    channels = np.random.default_rng(0).permutation(vectors.shape[-1])[:CHANNELS]
    flat = vectors[..., channels].reshape(len(vectors), -1, len(channels)).transpose(1, 0, 2)
    mean = flat.mean(axis=1, keepdims=True, dtype=np.float64)
    centred = flat - mean
    scatter = centred.transpose(0, 2, 1) @ centred / (len(vectors) - 1)
    whitening = np.linalg.inv(np.linalg.cholesky(scatter + RIDGE * np.eye(len(channels))))

    def score(test: Maps, size: int) -> Scored:
        grid = on_one_grid(test)[..., channels]
        rows = grid.reshape(len(grid), -1, len(channels)).transpose(1, 0, 2) - mean
        distances = np.linalg.norm(rows @ whitening.transpose(0, 2, 1), axis=-1).T
        distances = distances.reshape(grid.shape[:3])
        megabytes = 4e-6 * (whitening.size / 2 + mean.size)
        return distances.max(axis=(1, 2)), laid(distances, size), megabytes

    return score


def memory_bank(train: Maps) -> Callable[[Maps, int], Scored]:
    """Keep a tenth of the training vectors."""
    vectors = on_one_grid(train)
    vectors = vectors.reshape(-1, vectors.shape[-1])
    chosen = np.random.default_rng(0).permutation(len(vectors))[: int(BANK * len(vectors))]
    bank = vectors[chosen]
    squares = np.einsum("nd,nd->n", bank, bank)

    def score(test: Maps, size: int) -> Scored:
        grid = on_one_grid(test)
        nearest = []
        for rows in grid.reshape(len(grid), -1, grid.shape[-1]):
            own = np.einsum("nd,nd->n", rows, rows)
            nearest.append(np.min(squares - 2 * (rows @ bank.T), axis=1) + own)
        distances = np.sqrt(np.maximum(nearest, 0)).reshape(grid.shape[:3])
        return distances.max(axis=(1, 2)), laid(distances, size), 4e-6 * bank.size

    return score


METHODS = {
    "local": local(None),
    "local, a = 0.1": local(0.1),
    "local, a = 0.3": local(0.3),
    "local, a = 1 (tied)": local(1.0),
    "PaDiM": padim,
    "memory bank": memory_bank,
}


def pooled_row(extract: ad.Extractor, train: np.ndarray, truth) -> list:
    """Return the pooled method's numbers."""
    features = extract.of_pixels(train)
    start = time.perf_counter()
    detector = ad.MahalanobisDetector(threshold=None).fit(features)
    fitted = time.perf_counter() - start
    test = extract.of_pixels(truth.images)
    start = time.perf_counter()
    scores = detector.anomaly_score(test)
    scored = time.perf_counter() - start
    heat = summed(Explainer(extract, detector).of_pixels(truth.images), truth.masks.shape[1])
    numbers = sum(g.axes.size + g.mean.size for g in detector.gaussians_.values())
    return row(truth, scores, heat, fitted, scored, 4e-6 * numbers)


def row(truth, scores, heat, fitted: float, scored: float, megabytes: float) -> list:
    """Return a row's numbers, in the order of the columns."""
    curves = pixel_curves(truth.masks, heat)
    areas = (roc_auc(truth.samples.labels, scores), curves.auroc, curves.pro())
    return [*(100 * x for x in areas), fitted, 1e3 * scored / len(scores), megabytes]


def table(extract: ad.Extractor, data: ad.datasets.Dataset) -> dict[str, list]:
    """Return the rows of one category."""
    size = extract.origin.input_size
    train = np.stack([x.pixels for x in ad.images.stream(data.train.paths, size)])
    truth = read_truth(data.test, size)
    rows = {"pooled": pooled_row(extract, train, truth)}
    maps, test = maps_of(extract.backbone, train), maps_of(extract.backbone, truth.images)
    for name, fit in METHODS.items():
        start = time.perf_counter()
        score = fit(maps)
        fitted = time.perf_counter() - start
        start = time.perf_counter()
        scores, heat, megabytes = score(test, size)
        rows[name] = row(truth, scores, heat, fitted, time.perf_counter() - start, megabytes)
    return rows


def show(title: str, rows: dict[str, list]) -> None:
    """Print a table in Markdown."""
    print(f"\n| {title} | image | pixel | PRO | fit s | ms per image | MB |")
    print("|---|---|---|---|---|---|---|")
    for name, (image, pixel, overlap, fitted, scored, megabytes) in rows.items():
        areas = " | ".join(f"{x:.1f}" for x in (image, pixel, overlap))
        print(f"| {name} | {areas} | {fitted:.2f} | {scored:.1f} | {megabytes:.1f} |", flush=True)


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
    options = parser.parse_args()
    extract = ad.Extractor(options.model_name, options.weights, engine="keras")
    print(extract.origin.words)
    tables = []
    for category in options.category:
        if options.root:
            data = ad.datasets.load_mvtec(options.root, category)
        else:
            data = ad.datasets.load_synthetic(category)
        tables.append(table(extract, data))
        show(category, tables[-1])
    if len(tables) > 1:
        mean = {name: np.mean([rows[name] for rows in tables], axis=0) for name in tables[0]}
        show(f"mean of {len(tables)}", mean)


if __name__ == "__main__":
    main()
