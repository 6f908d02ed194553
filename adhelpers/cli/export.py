"""Write a category's detector as one .tflite file: image in, anomaly score out.

Fits to a category's training images, in the precision that is deployed, and writes the network and
the Gaussians as one model, which adhelpers score and edge.py run without TensorFlow.
"""

import argparse
from pathlib import Path

from ..ground import UserError
from . import deploying, detecting
from . import options as shared


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options to its parser."""
    shared.add_data_options(parser)
    deploying.add_options(parser)
    detecting.add_fitted_option(parser)
    parser.add_argument(
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
    end = f"{options.model_name}_{options.precision}.tflite"
    paths = [
        output or options.save_path / "models" / f"detector_{dataset.category}_{end}"
        for dataset in datasets
    ]
    for path in paths:
        deploying.check_options(options, path)
    fitted = detecting.read_fitted(options, datasets)
    for dataset, path in zip(datasets, paths, strict=True):
        deploying.deploy(dataset.train, dataset.category, path, options, fitted)
    deploying.say_how_to_use(paths[-1])
