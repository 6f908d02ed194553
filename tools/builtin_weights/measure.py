"""Measure weights on data sets: python -m tools.builtin_weights.measure --help."""

import argparse

import numpy as np

import adhelpers as ad
from adhelpers.images import read, to_square


def main(arguments=None) -> None:
    options = _parser().parse_args(arguments)
    extract = ad.Extractor(options.model, options.weights, seed=options.seed)
    values = []
    for category in options.categories:
        data = ad.datasets.load_mvtec(options.data, category)
        plain, varied = measure(extract, data, options.copies)
        values.append((plain, varied))
        print(f"{category:12} plain {plain:5.1f}  with copies {varied:5.1f}", flush=True)
    print("{:12} plain {:5.1f}  with copies {:5.1f}".format("mean", *np.mean(values, axis=0)))


def measure(extract, data, copies: int) -> tuple[float, float]:
    """Return the AUROC in %, fitted on the training images, and on them and varied copies."""
    size = extract.origin.input_size
    train = np.stack([to_square(read(path), size) for path in data.train.paths])
    test = np.stack([to_square(read(path), size) for path in data.test.paths])
    rng = np.random.default_rng(0)
    more = [features(extract, vary(rng, train)) for _ in range(copies)]
    plain, tested = features(extract, train), features(extract, test)
    every = {name: np.concatenate([x, *(m[name] for m in more)]) for name, x in plain.items()}
    return tuple(_auroc(fitted, tested, data.test.labels) for fitted in (plain, every))


def vary(rng: np.random.Generator, images: np.ndarray) -> np.ndarray:
    """Give every image a random gain (0.8 to 1.2) and offset (-15 to 15 grey values)."""
    shape = (len(images), 1, 1, 1)
    varied = images * rng.uniform(0.8, 1.2, shape) + rng.uniform(-15, 15, shape)
    return np.clip(np.round(varied), 0, 255).astype(np.uint8)


def features(extract, images: np.ndarray, batch_size: int = 16) -> dict[str, np.ndarray]:
    """Return the features of images in memory, by level."""
    parts = [extract.pooled(images[i : i + batch_size]) for i in range(0, len(images), batch_size)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _auroc(train, test, labels) -> float:
    detector = ad.MahalanobisDetector().fit(ad.FeatureSet.from_arrays(train))
    scores = detector.anomaly_score(ad.FeatureSet.from_arrays(test))
    return 100 * ad.evaluation.roc_auc(labels, scores)


def _parser():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="efficientnet-b0")
    parser.add_argument("--weights", required=True, help="builtin, none, .npz or .h5 file")
    parser.add_argument("--data", required=True, help="a folder laid out as MVTec AD")
    parser.add_argument("categories", nargs="+")
    parser.add_argument("--copies", type=int, default=3, help="varied copies per training image")
    parser.add_argument("--seed", type=int, default=0, help="of untrained weights")
    return parser


if __name__ == "__main__":
    main()
