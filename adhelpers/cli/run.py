"""Fit a detector per category, score its test images, and draw the ROC curves.

Writes below the save path: summary.csv and summary.json, the distances of every image, figures,
the fitted detectors (models/), and the features (feats/), which the next run uses again.
"""

import argparse
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .. import backbones, images
from ..datasets import Dataset, mvtec, synthetic
from ..detector import MahalanobisDetector
from ..errors import UserError
from ..evaluation import (
    Result,
    evaluate,
    is_defined,
    summary_table,
    write_distances,
    write_summary,
)
from ..features import FeatureSet
from ..files import check_writable
from ..gaussian import MIN_IMAGES

SYNTHETIC = "synthetic"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options to its parser."""
    add = parser.add_argument
    add(
        "--model_name",
        default="efficientnet-b0",
        choices=backbones.VARIANTS,
        metavar="NAME",
        help=f"the network: {', '.join(backbones.VARIANTS)}",
    )
    add(
        "--weights",
        default="imagenet",
        metavar="W",
        help="imagenet, builtin (efficientnet-b0 alone), none (untrained), or a weights file",
    )
    add(
        "--data_path",
        default="data/mvtec_ad",
        metavar="DIR",
        help=f"a folder laid out like MVTec AD, or '{SYNTHETIC}': the embedded data set, drawn "
        "into data/synthetic",
    )
    add(
        "--category",
        nargs="+",
        default="all",
        metavar="NAME",
        help="one category, several, or all",
    )
    add(
        "--save_path",
        type=Path,
        default=Path("result"),
        metavar="DIR",
        help="the folder for all that is written",
    )
    add(
        "--protocol",
        default="square",
        choices=images.PROTOCOLS,
        help="; ".join(f"{name}: {words}" for name, words in images.PROTOCOLS.items()),
    )
    add("--batch_size", type=int, default=16, metavar="N", help="images per call of the network")
    add(
        "--seed",
        type=int,
        default=0,
        metavar="N",
        help="of untrained weights and of the embedded data set",
    )
    _add_switch(parser, "save_feat", "keep the features in SAVE_PATH/feats, as .npz and .pkl")
    _add_switch(parser, "quantize", "convert to TFLite and evaluate that as well")
    add(
        "--skip_bad_images",
        action="store_true",
        help="leave unreadable images out and count them, instead of stopping",
    )


def _add_switch(parser: argparse.ArgumentParser, name: str, help_text: str) -> None:
    """Add ``--name`` and ``--no_name``, on by default."""
    parser.add_argument(
        f"--{name}", action="store_true", default=True, help=f"{help_text} (on by default)"
    )
    parser.add_argument(
        f"--no_{name}", action="store_false", dest=name, help=f"do without --{name}"
    )


@dataclass(frozen=True)
class _Scored:
    """A category's test images with their scores: all that the figures need."""

    result: Result
    features: FeatureSet
    distances: dict[str, np.ndarray]
    threshold: float

    @property
    def scores(self) -> np.ndarray:
        return np.sum(list(self.distances.values()), axis=0)


def execute(options: argparse.Namespace) -> None:
    """Run the main job, as the options say."""
    check_writable(options.save_path)
    datasets = _datasets(options)
    from ..extraction import Extractor

    extract = Extractor(
        options.model_name,
        options.weights,
        options.protocol,
        options.batch_size,
        options.seed,
        options.skip_bad_images,
    )
    if options.quantize:
        print("--quantize: the TFLite path is not in this version yet; going on without it")
    scored = []
    for dataset in datasets:
        scored.append(_run_category(dataset, extract, options))
        write_summary([one.result for one in scored], options.save_path)
        _draw_category(scored[-1], options)
    _draw_all(scored, options)
    print(summary_table([one.result for one in scored]))
    print(f"written to {options.save_path}")


def _datasets(options: argparse.Namespace) -> list[Dataset]:
    """Return the sample tables of all the categories asked for, checked before any work."""
    if options.data_path == SYNTHETIC:
        names = _chosen(options.category, list(synthetic.CATEGORIES))
        datasets = [synthetic.load(name, seed=options.seed) for name in names]
    else:
        names = _chosen(options.category, mvtec.categories(options.data_path))
        datasets = [mvtec.load(options.data_path, name) for name in names]
    for dataset in datasets:
        if len(dataset.train) < MIN_IMAGES:
            raise UserError(
                f"category {dataset.category} has {len(dataset.train)} training image(s) in "
                f"{dataset.root}; a Gaussian needs at least {MIN_IMAGES}, 40 or more to be of use"
            )
    return datasets


def _chosen(asked: list[str], present: list[str]) -> list[str]:
    if asked in ("all", ["all"]):
        return present
    for name in asked:
        if name not in present:
            raise UserError(f"unknown category {name!r}; there are: {', '.join(present)}, or all")
    return list(dict.fromkeys(asked))


def _run_category(dataset: Dataset, extract, options: argparse.Namespace) -> _Scored:
    """Extract, fit and score one category, and write its files."""
    start = time.perf_counter()
    train = _features(extract, dataset, "train", options)
    test = _features(extract, dataset, "test", options)
    detector = MahalanobisDetector().fit(train)
    distances = detector.level_distances(test)
    seconds = time.perf_counter() - start

    category, model = dataset.category, options.model_name
    skipped = len(dataset.train) + len(dataset.test) - len(train) - len(test)
    if skipped:
        print(f"{category}: {skipped} unreadable images were left out")
    result = evaluate(category, test, distances, len(train), seconds, skipped)
    detector.save(options.save_path / "models" / f"detector_{category}_{model}.npz")
    engine = f"{result.engine}_{result.precision}"
    write_distances(
        test, distances, options.save_path / f"distances_{category}_{model}_{engine}.csv"
    )
    return _Scored(result, test, distances, detector.threshold_)


def _features(extract, dataset: Dataset, split: str, options: argparse.Namespace) -> FeatureSet:
    samples = getattr(dataset, split)
    if not options.save_feat:
        return extract(samples)
    name = f"{split}_{dataset.category}_{options.model_name}"
    place = options.save_path / "feats" / f"{name}.npz"
    features = extract(samples, cache=place)
    features.save(place.with_suffix(".pkl"))
    return features


def _draw_category(scored: _Scored, options: argparse.Namespace) -> None:
    from .. import plots

    result, test, scores = scored.result, scored.features, scored.scores
    if not len(test):
        return
    name = f"{result.category}_{result.model}.png"
    subtitle = _subtitle(result)
    figures = {
        "scores": plots.score_histogram(
            scores, test.defect_types, scored.threshold, f"{result.category}: scores", subtitle
        ),
        "examples": plots.examples(
            test.paths,
            scores,
            test.defect_types,
            scored.threshold,
            f"{result.category}: images and their scores",
            subtitle,
        ),
    }
    if is_defined(test.labels):
        curves = {"sum of levels": (test.labels, scores)}
        curves |= {level: (test.labels, d) for level, d in scored.distances.items()}
        figures["roc"] = plots.roc(curves, f"{result.category}: ROC per level", subtitle)
    for kind, figure in figures.items():
        plots.save(figure, options.save_path / f"{kind}_{name}")


def _draw_all(scored: list[_Scored], options: argparse.Namespace) -> None:
    from .. import plots

    curves = {
        one.result.category: (one.features.labels, one.scores)
        for one in scored
        if is_defined(one.features.labels)
    }
    if curves:
        figure = plots.roc(curves, "ROC per category", _subtitle(scored[0].result))
        plots.save(figure, options.save_path / f"roc_{options.model_name}.png")


def _subtitle(result: Result) -> str:
    return (
        f"{result.model}, weights: {result.weights}, {result.protocol}, "
        f"{result.engine} {result.precision}"
    )
