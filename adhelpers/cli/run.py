"""Fit a detector per category, score its test images, and draw the ROC curves.

By default three detectors are fitted to the same images and reported side by side: the paper's
(pooled), the one with a Gaussian per position (local), and both in one. Writes below the save path:
summary.csv and summary.json, the distances of every image, figures, the fitted detectors (models/),
and the features (feats/), which the next run of pooled alone, and adhelpers table, use again. With
--quantize it does so for TFLite models as well, and compares them with the float32 network.
"""

import argparse
import time
from dataclasses import replace

from ..backbones import take_bytes
from ..datasets import Dataset
from ..detector import JointDetector
from ..evaluation import (
    LevelDamage,
    damage,
    evaluate,
    precision_table,
    read_summary,
    summary_table,
    write_damage,
    write_distances,
    write_summary,
)
from ..features import ENGINES, FeatureMaps, FeatureSet
from ..ground import check_writable, write_bytes
from ..images import Augmentation, stream
from ..quantization import clipped_shares
from . import augmenting, detecting
from . import options as shared
from .names import file_name
from .run_figures import Scored, draw_all, draw_category, subtitle

_CLIPPING_IMAGES = 20  # enough for a share; the whole network's maps are kept for each


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options to its parser."""
    add = parser.add_argument
    shared.add_network_options(parser)
    shared.add_data_options(parser)
    detecting.add_kind_option(
        parser, "both", "; reported beside pooled and local, from one extraction"
    )
    detecting.add_detector_options(parser)
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


def execute(options: argparse.Namespace) -> None:
    """Run the main job, as the options say."""
    augmenting.check(options)
    detectors = _unfitted(options)
    check_writable(options.save_path)
    read_summary(options.save_path)
    datasets = shared.load_datasets(options)
    engine = "keras" if options.quantize and options.engine == "auto" else options.engine
    network = shared.make_extractor(options, engine=engine)
    for detector in detectors.values():
        detecting.check_levels(detector, network)
    scored = []
    for dataset in datasets:
        counts = f"{len(dataset.train)} training and {len(dataset.test)} test images"
        print(f"{dataset.category}: {counts}", flush=True)
        extract = network.for_images(dataset.train)
        augmentation = augmenting.augmentation_for(
            dataset.train, dataset.category, extract, detectors.get("pooled"), options
        )
        networks = [_run_category(dataset, extract, options, augmentation)]
        last = networks[0][-1]
        detecting.say(dataset.category, last.detector, last.train, last.features)
        if options.quantize:
            networks += _run_precisions(dataset, extract, networks[0], options, augmentation)
        scored.append(networks)
        everything = [one.result for networks in scored for group in networks for one in group]
        write_summary(everything, options.save_path)
        draw_category(networks, options.save_path)
    draw_all([networks[0][-1] for networks in scored], options.save_path)
    print(summary_table([one.result for networks in scored for one in networks[0]]))
    if options.quantize:
        print("\n" + precision_table(everything))
    print(f"\nwritten to {options.save_path}")


def _unfitted(options: argparse.Namespace) -> dict[str, detecting.AnyDetector]:
    """Return the detectors to fit, by kind; that of both holds the local one."""
    kinds = ("pooled", "both") if options.detector == "both" else (options.detector,)
    return detecting.make_detectors(options, kinds)


def _run_category(
    dataset: Dataset, extract, options: argparse.Namespace, augmentation: Augmentation | None
) -> list[Scored]:
    """Extract, fit and score one category with one network, and write its files."""
    start = time.perf_counter()
    unfitted = _unfitted(options)
    train, test, features = _inputs(dataset, extract, unfitted, options, augmentation)
    fitted = _fitted(unfitted, train)
    tested = test.features if isinstance(test, FeatureMaps) else test
    distances = {
        kind: one.level_distances(tested if kind == "pooled" else test)
        for kind, one in fitted.items()
    }
    seconds = time.perf_counter() - start

    skipped = len(dataset.train) + len(dataset.test) - len(features) - len(tested)
    if skipped:
        print(f"{dataset.category}: {skipped} unreadable images were left out")
    milliseconds = round(extract.milliseconds(), 2) if options.quantize else None
    group = []
    for kind, detector in fitted.items():
        result = evaluate(
            dataset.category, tested, detector, distances[kind], len(features), seconds, skipped
        )
        result = replace(
            result,
            note="; ".join(filter(None, [result.note, augmenting.described(augmentation)])),
            model_mb=None if extract.model is None else round(len(extract.model) / 1e6, 2),
            ms_per_image=milliseconds,
        )
        scored = Scored(result, features, tested, distances[kind], detector)
        name = file_name("detector", scored.name)
        detector.save(options.save_path / "models" / f"{name}.npz")
        name = file_name("distances", scored.name)
        place = options.save_path / f"{name}.csv"
        write_distances(tested, distances[kind], scored.scores, place)
        group.append(scored)
    return group


def _inputs(
    dataset: Dataset,
    extract,
    unfitted: dict[str, detecting.AnyDetector],
    options: argparse.Namespace,
    augmentation: Augmentation | None,
) -> tuple[FeatureSet | FeatureMaps, FeatureSet | FeatureMaps, FeatureSet]:
    """Return what is fitted to and what is scored, and the training images' own features."""
    *_, (kind, detector) = unfitted.items()
    if kind == "pooled":
        features = _features(extract, dataset, "train", options)
        test = _features(extract, dataset, "test", options)
        train = detecting.training_input(extract, dataset.train, detector, augmentation, features)
        return train, test, features
    train = detecting.training_input(extract, dataset.train, detector, augmentation)
    test = extract.maps(dataset.test, detector.levels)
    features = train.features.rows([digest != "" for digest in train.features.digests])
    if options.save_feat:
        for split, one in (("train", features), ("test", test.features)):
            shared.save_features(one, dataset, split, options.save_path)
    return train, test, features


def _fitted(
    unfitted: dict[str, detecting.AnyDetector], train: FeatureSet | FeatureMaps
) -> dict[str, detecting.AnyDetector]:
    """Fit the detectors, and return them by kind."""
    fitted = {}
    for kind, detector in unfitted.items():
        pooled = kind == "pooled" and isinstance(train, FeatureMaps)
        detector.fit(train.features if pooled else train)
        if isinstance(detector, JointDetector):
            fitted["local"] = detector.local_
        fitted[kind] = detector
    return fitted


def _run_precisions(
    dataset: Dataset,
    full,
    full_group: list[Scored],
    options: argparse.Namespace,
    augmentation: Augmentation | None,
) -> list[list[Scored]]:
    """Do the same with a TFLite model in each precision, and report on each level."""
    networks, rows = [], []
    for precision in dict.fromkeys(options.precision):
        extract = shared.make_extractor(
            options,
            engine="tflite",
            precision=precision,
            calibration=dataset.train,
            n_calibration=options.n_calibration,
            bits=full.origin.bits,
        )
        networks.append(_run_category(dataset, extract, options, augmentation))
        first = networks[-1][0]
        rows += _damage(full, full_group[0], extract, first)
        model = take_bytes(extract.model) if options.input_type == "uint8" else extract.model
        name = file_name("backbone", dataset.category, options.model_name, "tflite", precision)
        write_bytes(options.save_path / "models" / f"{name}.tflite", model)
    name = file_name("quantization", dataset.category, options.model_name)
    write_damage(rows, options.save_path / f"{name}.csv")
    from ..evaluation import plots

    title = f"{dataset.category}: what quantizing does to each level"
    figure = plots.level_damage(rows, title, subtitle(full_group[0].result))
    plots.save(figure, options.save_path / f"{name}.png")
    return networks


def _damage(full, full_scored: Scored, quantized, scored: Scored) -> list[LevelDamage]:
    """Compare each level with float32, on normal images that calibrated nothing."""
    used = set() if quantized.calibration is None else set(map(str, quantized.calibration.paths))
    kept = [path not in used for path in full_scored.train.paths]
    held_out = [path for path, keep in zip(full_scored.train.paths, kept, strict=True) if keep]
    origin = quantized.origin
    pictures = stream(
        held_out[:_CLIPPING_IMAGES], origin.input_size, origin.protocol, bits=origin.bits
    )
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
