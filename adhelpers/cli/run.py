"""Fit a detector per category, score its test images, and draw the ROC curves.

Writes below the save path: summary.csv and summary.json, the distances of every image, figures,
the fitted detectors (models/), and the features (feats/), which the next run uses again. With
--quantize it does so for TFLite models as well, and compares them with the float32 network.
"""

import argparse
import time
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from ..datasets import Dataset
from ..detector import MahalanobisDetector
from ..evaluation import (
    LevelDamage,
    Result,
    damage,
    evaluate,
    is_defined,
    precision_table,
    summary_table,
    write_damage,
    write_distances,
    write_summary,
)
from ..export import take_bytes
from ..features import ENGINES, FeatureSet
from ..ground import check_writable, write_bytes
from ..images import Augmentation, stream
from ..quantization import clipped_shares
from . import augmenting
from . import options as shared

_CLIPPING_IMAGES = 20  # enough for a share; the whole network's maps are kept for each


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options to its parser."""
    add = parser.add_argument
    shared.add_network_options(parser)
    shared.add_data_options(parser)
    shared.add_detector_options(parser)
    augmenting.add_augment_options(parser)
    shared.add_switch(parser, "save_feat", "keep the features in SAVE_PATH/feats, as .npz and .pkl")
    shared.add_switch(parser, "quantize", "convert to TFLite and evaluate that as well")
    shared.add_precision_option(parser, "int8-mixed", several=True)
    shared.add_calibration_option(parser)
    add(
        "--input_type",
        default="float32",
        choices=("float32", "uint8"),
        help="what the TFLite models that are written take; 0-255 in either",
    )
    add(
        "--engine",
        default="auto",
        choices=ENGINES,
        help="what runs the float32 network. auto: with --quantize Keras, to compare with; "
        "without, TFLite, the fastest on a CPU, or Keras where there is a GPU",
    )


@dataclass(frozen=True)
class _Scored:
    """A category's test images with their scores: all that the figures need."""

    result: Result
    train: FeatureSet
    features: FeatureSet
    distances: dict[str, np.ndarray]
    detector: MahalanobisDetector

    @cached_property
    def scores(self) -> np.ndarray:
        return self.detector.combined(self.distances)

    @property
    def name(self) -> str:
        """What the files of this category, model, engine and precision are called."""
        r = self.result
        return f"{r.category}_{r.model}_{r.engine}_{r.precision}"


def execute(options: argparse.Namespace) -> None:
    """Run the main job, as the options say."""
    augmenting.check(options)
    detector = shared.make_detector(options)
    check_writable(options.save_path)
    datasets = shared.load_datasets(options)
    engine = "keras" if options.quantize and options.engine == "auto" else options.engine
    extract = shared.make_extractor(options, engine=engine)
    shared.check_levels(detector, extract)
    scored = []
    for dataset in datasets:
        counts = f"{len(dataset.train)} training and {len(dataset.test)} test images"
        print(f"{dataset.category}: {counts}", flush=True)
        augmentation = augmenting.augmentation_for(
            dataset.train, dataset.category, extract, detector, options
        )
        group = [_run_category(dataset, extract, options, augmentation)]
        if options.quantize:
            group += _run_precisions(dataset, extract, group[0], options, augmentation)
        scored.append(group)
        write_summary([one.result for group in scored for one in group], options.save_path)
        _draw_category(group, options)
    _draw_all([group[0] for group in scored], options)
    print(summary_table([group[0].result for group in scored]))
    if options.quantize:
        print("\n" + precision_table([one.result for group in scored for one in group]))
    print(f"\nwritten to {options.save_path}")


def _run_category(
    dataset: Dataset, extract, options: argparse.Namespace, augmentation: Augmentation | None
) -> _Scored:
    """Extract, fit and score one category with one network, and write its files."""
    start = time.perf_counter()
    train = _features(extract, dataset, "train", options)
    test = _features(extract, dataset, "test", options)
    fitted = augmenting.with_copies(train, extract, dataset.train, augmentation)
    detector = shared.make_detector(options).fit(fitted)
    distances = detector.level_distances(test)
    seconds = time.perf_counter() - start

    skipped = len(dataset.train) + len(dataset.test) - len(train) - len(test)
    if skipped:
        print(f"{dataset.category}: {skipped} unreadable images were left out")
    result = evaluate(dataset.category, test, detector, distances, len(train), seconds, skipped)
    result = replace(
        result,
        note="; ".join(filter(None, [result.note, augmenting.described(augmentation)])),
        model_mb=None if extract.model is None else round(len(extract.model) / 1e6, 2),
        ms_per_image=round(extract.milliseconds(), 2) if options.quantize else None,
    )
    scored = _Scored(result, train, test, distances, detector)
    detector.save(options.save_path / "models" / f"detector_{scored.name}.npz")
    place = options.save_path / f"distances_{scored.name}.csv"
    write_distances(test, distances, scored.scores, place)
    return scored


def _run_precisions(
    dataset: Dataset,
    full,
    full_scored: _Scored,
    options: argparse.Namespace,
    augmentation: Augmentation | None,
) -> list[_Scored]:
    """Do the same with a TFLite model in each precision, and report on each level."""
    group, rows = [], []
    for precision in dict.fromkeys(options.precision):
        extract = shared.make_extractor(
            options,
            engine="tflite",
            precision=precision,
            calibration=dataset.train,
            n_calibration=options.n_calibration,
        )
        group.append(_run_category(dataset, extract, options, augmentation))
        rows += _damage(full, full_scored, extract, group[-1])
        model = take_bytes(extract.model) if options.input_type == "uint8" else extract.model
        write_bytes(options.save_path / "models" / f"backbone_{group[-1].name}.tflite", model)
    name = f"{dataset.category}_{options.model_name}"
    write_damage(rows, options.save_path / f"quantization_{name}.csv")
    from ..evaluation import plots

    title = f"{dataset.category}: what quantizing does to each level"
    figure = plots.level_damage(rows, title, _subtitle(full_scored.result))
    plots.save(figure, options.save_path / f"quantization_{name}.png")
    return group


def _damage(full, full_scored: _Scored, quantized, scored: _Scored) -> list[LevelDamage]:
    """Compare each level with float32, on normal images that calibrated nothing."""
    used = set() if quantized.calibration is None else set(map(str, quantized.calibration.paths))
    kept = [path not in used for path in full_scored.train.paths]
    held_out = [path for path, keep in zip(full_scored.train.paths, kept, strict=True) if keep]
    size, protocol = quantized.origin.input_size, quantized.origin.protocol
    pictures = stream(held_out[:_CLIPPING_IMAGES], size, protocol)
    clipped = clipped_shares(
        full.float_model(), quantized.model, [picture.pixels for picture in pictures]
    )
    return damage(
        full_scored.train.rows(kept),
        scored.train.rows(kept),
        clipped,
        scored.features.labels,
        full_scored.distances,
        scored.distances,
    )


def _features(extract, dataset: Dataset, split: str, options: argparse.Namespace) -> FeatureSet:
    if not options.save_feat:
        return extract(getattr(dataset, split))
    return shared.extract_cached(extract, dataset, split, options.save_path)


def _draw_category(group: list[_Scored], options: argparse.Namespace) -> None:
    """Draw the figures of one category: of the float32 network, and of all precisions in one."""
    from ..evaluation import plots

    full = group[0]
    result, test, scores = full.result, full.features, full.scores
    if not len(test):
        return
    name = f"{result.category}_{result.model}.png"
    subtitle = _subtitle(result)
    figures = {
        "scores": plots.score_histogram(
            scores,
            test.defect_types,
            full.detector.threshold_,
            f"{result.category}: scores",
            subtitle,
        ),
        "examples": plots.examples(
            test.paths,
            scores,
            test.defect_types,
            full.detector.threshold_,
            f"{result.category}: images and their scores",
            subtitle,
        ),
    }
    if is_defined(test.labels):
        curves = {"score": (test.labels, scores)}
        curves |= {level: (test.labels, d) for level, d in full.distances.items()}
        figures["roc"] = plots.roc(curves, f"{result.category}: ROC per level", subtitle)
        if len(group) > 1:
            curves = {
                f"{one.result.engine} {one.result.precision}": (one.features.labels, one.scores)
                for one in group
            }
            title = f"{result.category}: ROC per precision"
            figures["roc_precisions"] = plots.roc(curves, title, _subtitle(result, False))
    for kind, figure in figures.items():
        plots.save(figure, options.save_path / f"{kind}_{name}")


def _draw_all(scored: list[_Scored], options: argparse.Namespace) -> None:
    from ..evaluation import plots

    curves = {
        one.result.category: (one.features.labels, one.scores)
        for one in scored
        if is_defined(one.features.labels)
    }
    if curves:
        figure = plots.roc(curves, "ROC per category", _subtitle(scored[0].result))
        plots.save(figure, options.save_path / f"roc_{options.model_name}.png")


def _subtitle(result: Result, with_engine: bool = True) -> str:
    engine = f", {result.engine} {result.precision}" if with_engine else ""
    network = f"{result.model}, weights: {result.weights}, {result.protocol}{engine}"
    return f"{network}\n{result.detector}"
