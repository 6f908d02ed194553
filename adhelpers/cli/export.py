"""Write a detector as one .tflite file: image in, anomaly score out.

Fits to a category's training images, in the precision that is deployed, and writes the network and
the Gaussians as one model, which adhelpers/edge.py runs on a device without TensorFlow.
"""

import argparse
from pathlib import Path

import numpy as np

from .. import edge, tflite
from ..datasets import Dataset
from ..detector import MahalanobisDetector
from ..errors import UserError
from ..features import FeatureSet
from ..files import check_writable, written_whole
from ..images import read, stream
from . import options as shared

_CHECKED_IMAGES = 8


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options to its parser."""
    add = parser.add_argument
    shared.add_network_options(parser)
    shared.add_data_options(parser)
    add(
        "--precision",
        default="float32",
        choices=tflite.PRECISIONS,
        metavar="P",
        help="; ".join(f"{name}: {words}" for name, words in tflite.PRECISIONS.items()),
    )
    shared.add_calibration_option(parser)
    add(
        "-o",
        "--output",
        type=Path,
        default=argparse.SUPPRESS,
        metavar="FILE",
        help="the file to write, for one category (default: "
        "SAVE_PATH/models/detector_CATEGORY_MODEL_PRECISION.tflite)",
    )


def execute(options: argparse.Namespace) -> None:
    """Export a detector per category, as the options say."""
    datasets = shared.load_datasets(options)
    output = vars(options).get("output")
    if output and len(datasets) > 1:
        raise UserError(
            f"--output names one file, but there are {len(datasets)} categories; choose one with "
            "--category, or leave --output out"
        )
    for dataset in datasets:
        name = f"detector_{dataset.category}_{options.model_name}_{options.precision}.tflite"
        path = output or options.save_path / "models" / name
        check_writable(path.parent)
        _export(dataset, path, options)
    print(f"on a device, beside a copy of {edge.__file__}: python edge.py {path.name} IMAGE")


def _export(dataset: Dataset, path: Path, options: argparse.Namespace) -> None:
    """Fit to one category, and write and check its model."""
    from .. import detector_graph

    extract = shared.make_extractor(
        options,
        engine="tflite",
        precision=options.precision,
        calibration=dataset.train,
        n_calibration=options.n_calibration,
    )
    train = extract(dataset.train)
    detector = MahalanobisDetector().fit(train)
    shape = read(train.paths[0]).shape[:2]
    facts = {"category": dataset.category, "image_shape": shape}
    model = detector_graph.build(extract.model, detector, facts)
    images = _images_to_check(train.paths, extract.origin)
    features = FeatureSet.from_arrays(extract.pooled(images), **extract.origin)
    error = detector_graph.check(model, images, detector.anomaly_score(features))
    with written_whole(path) as temporary:
        temporary.write_bytes(model)
    print(
        f"{path}: {dataset.category}, {options.model_name} {options.precision}, "
        f"{len(model) / 1e6:.1f} MB\n"
        f"  fitted on {len(train)} images; threshold {detector.threshold_:.3f} "
        f"({detector.threshold}, quantile {detector.quantile:g})\n"
        f"  checked on {len(images)} images: all scores differ, and agree with the Python "
        f"detector's within {error:.1e} of their size"
    )


def _images_to_check(paths: list[str], origin: dict) -> np.ndarray:
    """Return some training images and their negatives, which are surely anomalous."""
    pictures = stream(
        [Path(path) for path in paths[:_CHECKED_IMAGES]], origin["input_size"], origin["protocol"]
    )
    images = np.unique([picture.pixels for picture in pictures], axis=0)
    return np.concatenate([images, 255 - images])
